"""`nayan embed`: pictures as vectors, in a file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from nayan.cli.output import COMMON, Common, Output, sources
from nayan.cli.val import Backend
from nayan.cli.vectors import ANY_MODEL, AnyModel, Batch, Source, VectorOptions


def embed(
    model: AnyModel,
    /,
    *source: Source,
    out: Annotated[Path, Parameter(help="the file to write: .npz or .csv", metavar="FILE")],
    options: VectorOptions = ANY_MODEL,
    batch: Batch = None,
    backend: Backend = "auto",
    common: Common = COMMON,
) -> Output:
    """Write pictures as vectors of length 1: what is alike lies near.

    An .npz holds `source` (N,) and `embedding` (N, D); a .csv has a column a value. A picture that cannot be
    read is reported and the others follow; exit code 3 if none could be read.
    """
    from nayan import api
    from nayan.cli.progress import Progress
    from nayan.tasks.embedding.search.vectors import check_suffix

    check_suffix(out)
    with Progress(quiet=common.quiet) as progress:
        embedded = api.embed(
            model,
            sources(source),
            weights=options.weights,
            pooling=options.pooling,
            imgsz=options.imgsz,
            batch=batch,
            backend=backend,
            stdin=sys.stdin,
            on_progress=progress.count,
        )
    for name, reason in embedded.failures:
        common.say(f"warning: {name}: {reason}")
    embedded.save(out)
    count, dim = embedded.vectors.shape
    common.say(f"{count:,} pictures, {dim:,} values each, by {embedded.fingerprint}")
    document = {
        "file": str(out),
        "pictures": count,
        "dim": dim,
        "fingerprint": embedded.fingerprint,
        "failures": [{"source": name, "error": reason} for name, reason in embedded.failures],
    }
    return common.output(document, str(out))
