"""An index together with the model of its vectors: made where there is none, opened where there is one."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from nayan.core.errors import ConfigError, DataError
from nayan.runtime.bundle import Bundle
from nayan.runtime.index import Distance, create_index, open_index
from nayan.runtime.index.database import DATABASE
from nayan.tasks.embedding.search.embedders import (
    MODEL,
    Embedder,
    Wanted,
    find_embedder,
    keep_model,
    kept_model,
)
from nayan.tasks.embedding.search.names import Names, read_names

Make = Callable[[], AbstractContextManager[Bundle]]
"""Gives a bundle that embeds, for as long as the block lasts."""


def folder_of(place: str | Path) -> Path | None:
    """Return the folder of an index; None for the address of a database.

    >>> folder_of("postgresql://host/shop#goods"), folder_of("goods").name
    (None, 'goods')
    """
    is_address = isinstance(place, str) and place.startswith(("postgresql://", "postgres://"))
    return None if is_address else Path(place)


def prepare(place: str | Path, found: Embedder, make: Make, *, distance: Distance | None = None) -> Bundle:
    """Make an index with its model where there is none, and return the bundle that embeds for it.

    Whatever a former call left unfinished is made good.

    Args:
        place: of the index.
        found: the model that is asked for.
        make: its bundle; only called where the index does not keep it.
        distance: how vectors are compared; None for "cosine", or as the index has it.

    Raises:
        DataError: if the index is of another model.
        ConfigError: if it compares otherwise, or is in a database and the model has to be made first.
    """
    folder = folder_of(place)
    if folder is None and not found.ready:
        raise ConfigError(
            f"{place}: a database keeps no model, so it takes one that is a bundle already",
            hint="train an embedder, or use a folder as the index",
        )
    there = (folder / DATABASE).is_file() if folder is not None else _answers(place)
    if there:
        with open_index(place, fingerprint=found.fingerprint) as index:
            if distance not in (None, index.distance):
                raise ConfigError(
                    f"{place}: compares by {index.distance} distance, not {distance}",
                    hint="leave out --distance, or make another index",
                )
        if folder is not None and (folder / MODEL).is_dir():
            return kept_model(folder)
    with make() as bundle:
        if not there:
            dim = bundle.golden().outputs["embedding"].shape[-1]
            create_index(place, dim=dim, fingerprint=found.fingerprint, distance=distance or "cosine").close()
        return bundle if folder is None else keep_model(bundle, folder)


def names_of(place: str | Path) -> Names:
    """Return what the pictures of an index are called."""
    folder = folder_of(place)
    return Names() if folder is None else read_names(folder)


def model_of(place: str | Path, model: str | Path | None = None) -> Bundle:
    """Return the bundle that embeds questions to an index.

    Args:
        place: of the index.
        model: the bundle of an embedder; None for the one that the index keeps.

    Raises:
        ConfigError: if there is none, or it is no embedder.
    """
    folder = folder_of(place)
    if model is not None:
        found = find_embedder(Wanted(str(model)))
        if found.bundle is None or not found.ready:
            raise ConfigError(
                f"{model}: is no embedder of its own", hint="leave out --model: the index keeps its model"
            )
        return found.bundle
    if folder is None:
        raise ConfigError(f"{place}: a database keeps no model", hint="name the embedder with --model")
    if not (folder / DATABASE).is_file():
        open_index(folder).close()  # says what is wrong with it
    return kept_model(folder)


def _answers(place: str | Path) -> bool:
    try:
        open_index(place).close()
    except DataError:
        return False
    return True
