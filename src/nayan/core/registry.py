"""A catalogue: a table of named entries that finds the nearest name and refuses duplicates."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator
from typing import Any, Generic, Protocol, TypeVar

from nayan.core.errors import NotFound


class Named(Protocol):
    """Anything with a name."""

    @property
    def name(self) -> str:
        """The name that a user types."""
        ...


T = TypeVar("T", bound=Named)


class Catalog(Generic[T]):
    """An immutable table of entries by name, in the order in which they were written.

    >>> from types import SimpleNamespace
    >>> Catalog("model", [SimpleNamespace(name="lenet")])["lenet"].name
    'lenet'
    """

    def __init__(self, kind: str, entries: Iterable[T]) -> None:
        self.kind = kind
        self._entries: dict[str, T] = {}
        for entry in entries:
            if entry.name in self._entries:
                raise ValueError(f"two entries of the {kind} table are named {entry.name!r}")
            self._entries[entry.name] = entry

    def __getitem__(self, name: str) -> T:
        try:
            return self._entries[name]
        except KeyError:
            raise NotFound(self.kind, name, self._entries) from None

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[T]:
        return iter(self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def names(self) -> tuple[str, ...]:
        """All names, in the order of the table."""
        return tuple(self._entries)


def resolve(address: str) -> Any:
    """Import what an address of the form "package.module:attribute" points to.

    >>> resolve("math:pi")
    3.141592653589793
    """
    module, _, attribute = address.partition(":")
    return getattr(importlib.import_module(module), attribute)
