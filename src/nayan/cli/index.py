"""`nayan index`: a folder of pictures becomes something to search in."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from nayan.cli.output import COMMON, Common, Output, sources
from nayan.cli.val import Backend
from nayan.cli.vectors import ANY_MODEL, AnyModel, Batch, Source, VectorOptions
from nayan.core.errors import DataError

if TYPE_CHECKING:
    from nayan.tasks.embedding.search.filling import Filled


def index(
    model: AnyModel,
    /,
    *source: Source,
    out: Annotated[
        str,
        Parameter(help="the index: a folder, or postgresql://HOST/DATABASE#NAME", metavar="INDEX"),
    ],
    metadata: Annotated[
        Path | None,
        Parameter(
            help="a table with a column of files; its other columns become metadata to filter by",
            metavar="FILE.csv",
        ),
    ] = None,
    prune: Annotated[bool, Parameter(help="take pictures out whose files are gone", negative="")] = False,
    distance: Annotated[
        Literal["cosine", "euclidean"] | None,
        Parameter(help="how vectors are compared [default: cosine, or as the index has it]"),
    ] = None,
    options: VectorOptions = ANY_MODEL,
    batch: Batch = None,
    backend: Backend = "auto",
    common: Common = COMMON,
) -> Output:
    """Make an index of pictures to search in, or bring one up to date.

    Only new and changed pictures are embedded. What was embedded is on the disk: call it again after it was
    cut off, and it goes on. The index keeps its model, and takes no other. A picture that cannot be read is
    reported and the others follow; exit code 3 if there is none in the index then.
    """
    from nayan import api
    from nayan.cli.progress import Progress

    with Progress(quiet=common.quiet) as progress:
        filled = api.index(
            model,
            sources(source),
            out,
            metadata=metadata,
            prune=prune,
            distance=distance,
            weights=options.weights,
            pooling=options.pooling,
            imgsz=options.imgsz,
            batch=batch,
            backend=backend,
            stdin=sys.stdin,
            on_progress=progress.count,
        )
    for name, reason in filled.failures:
        common.say(f"warning: {name}: {reason}")
    for note in filled.notes:
        common.say(f"note: {note}")
    common.say(told(filled))
    document = {"index": out, **asdict(filled)}
    document["failures"] = [{"source": name, "error": reason} for name, reason in filled.failures]
    return common.output(document, out, exit_code=0 if filled.pictures else DataError.exit_code)


def told(filled: Filled) -> str:
    """Return what was done in a sentence or two.

    >>> from nayan.tasks.embedding.search.filling import Filled
    >>> told(Filled(12, new=3, same=9, gone=1, seconds=1.5))
    '12 pictures: 3 new, 9 as they were, in 1.5s; the file of 1 is gone: --prune takes it out'
    """
    from nayan.cli.progress import duration

    counts = {
        "new": filled.new,
        "changed": filled.changed,
        "as they were": filled.same - filled.described,
        "with other metadata": filled.described,
        "taken out": filled.removed,
    }
    parts = ", ".join(f"{count:,} {what}" for what, count in counts.items() if count) or "nothing new"
    text = f"{filled.pictures:,} pictures: {parts}, in {duration(filled.seconds)}"
    left = filled.gone - filled.removed
    if not left:
        return text
    files, them = ("file", "it") if left == 1 else ("files", "them")
    return f"{text}; the {files} of {left:,} {'is' if left == 1 else 'are'} gone: --prune takes {them} out"
