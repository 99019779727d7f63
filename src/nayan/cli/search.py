"""`nayan search`: what is like a picture, like several, or like one and unlike another."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from nayan.cli.output import COMMON, Common, Output
from nayan.cli.table import fitted
from nayan.cli.val import Backend
from nayan.cli.vectors import Filter, Index, Sheet

DIVERSE = 0.3
"""How much `--diverse` trades nearness for variety, from 0 to 1."""

K = Annotated[int, Parameter(name=["-k"], help="how many to show", metavar="N")]
Diverse = Annotated[bool, Parameter(help="show hits that are unlike one another, too", negative="")]
Distinct = Annotated[
    str | None,
    Parameter(help="show each value of this field of metadata once, such as product", metavar="FIELD"),
]


def search(
    index: Index,
    /,
    *query: Annotated[str, Parameter(help="pictures; of several, what they have in common", required=True)],
    k: K = 10,
    minus: Annotated[
        tuple[str, ...],
        Parameter(help="lead away from this picture; repeat for more", metavar="PICTURE", negative=""),
    ] = (),
    filter: Filter = None,
    diverse: Diverse = False,
    distinct: Distinct = None,
    model: Annotated[
        Path | None,
        Parameter(help="the embedder of an index in a database; a folder keeps its own", metavar="MODEL"),
    ] = None,
    backend: Backend = "auto",
    out: Sheet = None,
    common: Common = COMMON,
) -> Output:
    """Find what is like a picture, the nearest first.

    Similarities are exact. Among more than 10,000 pictures, or more than 10,000 that a filter leaves, a
    neighbour may be missed now and then: the guide on search says how often.
    """
    from nayan import api

    hits = api.search(
        index,
        query,
        k=k,
        minus=minus,
        where=filter,
        diverse=DIVERSE if diverse else 0.0,
        distinct=distinct,
        model=model,
        backend=backend,
        out=out,
    )
    asked = {"index": index, "query": list(query), "minus": list(minus), "filter": filter}
    return hits_output(hits, index, asked, out, common)


def hits_output(hits: Any, index: str, asked: Mapping[str, Any], out: Path | None, common: Common) -> Output:
    """Return hits as a table, or as a document with what was asked."""
    from nayan.tasks.embedding.search.homes import names_of
    from nayan.tasks.embedding.search.sheet import hit_record

    if out is not None:
        common.say(f"written: {out / 'hits.png'}")
    names = names_of(index)
    document = {**asked, "hits": [hit_record(hit, names) for hit in hits]}
    fields = list(dict.fromkeys(field for hit in hits for field in hit.metadata))
    rows = [
        [rank, f"{hit.similarity:.3f}", hit.id, *(hit.metadata.get(field) for field in fields)]
        for rank, hit in enumerate(hits, start=1)
    ]
    text = fitted(["", "similarity", "picture", *fields], rows) if hits else "nothing found"
    return common.output(document, text)
