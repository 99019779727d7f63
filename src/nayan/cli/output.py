"""What a verb hands back: the text for stdout, as prose or as one JSON document."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from cyclopts import Group, Parameter

from nayan.core.errors import DataError
from nayan.core.events import json_safe

SCHEMA_VERSION = 1

STDIN = "/dev/stdin"
"""What the argument "-" becomes before parsing: Cyclopts takes a lone hyphen for an unknown option."""


@dataclass(frozen=True, slots=True)
class Output:
    """The result of a verb.

    Attributes:
        text: printed to stdout with a line end; nothing when empty.
        exit_code: of the process.
    """

    text: str
    exit_code: int = 0


@Parameter(name="*", group=Group("Everywhere", sort_key=99))
@dataclass(frozen=True, slots=True)
class Common:
    """Options of every verb."""

    json: Annotated[bool, Parameter(help="print one JSON document", negative="")] = False
    quiet: Annotated[bool, Parameter(help="no progress on stderr", negative="")] = False
    debug: Annotated[bool, Parameter(help="on an error, also print the traceback", negative="")] = False

    def output(self, document: Mapping[str, Any] | Sequence[Any], text: str, *, exit_code: int = 0) -> Output:
        """Return the document with --json, its `schema_version` first if it is a mapping; else the text."""
        if self.json:
            if isinstance(document, Mapping):
                document = {"schema_version": SCHEMA_VERSION, **document}
            text = json.dumps(
                json_safe(document), indent=2, ensure_ascii=False, default=_plain, allow_nan=False
            )
        return Output(text, exit_code)

    def files(self, records: Sequence[Mapping[str, Any]]) -> Output:
        """Return what became of the pictures of a user: the files that were written, or why there is none.

        Args:
            records: {"source", "file"} of each picture, or {"source", "error"}; where all of them are errors,
                the exit code is that of unreadable data.
        """
        failed = [record for record in records if "error" in record]
        for record in failed:
            self.say(f"warning: {record['source']}: {record['error']}")
        text = "\n".join(record["file"] for record in records if "file" in record)
        code = DataError.exit_code if len(failed) == len(records) else 0
        return self.output(records, text, exit_code=code)

    def say(self, text: str) -> None:
        """Print a line of progress to stderr, unless --quiet."""
        if not self.quiet:
            print(text, file=sys.stderr)


COMMON = Common()


def sources(words: Sequence[str]) -> list[str]:
    """Return the sources that were given, "-" for standard input as itself again."""
    return ["-" if word == STDIN else word for word in words]


def _plain(value: Any) -> Any:
    """Return NumPy scalars and arrays as numbers and lists, paths and the like as text."""
    return value.tolist() if hasattr(value, "tolist") else str(value)
