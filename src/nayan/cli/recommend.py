"""`nayan recommend`: what goes with a picture of the index."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from nayan.cli.output import COMMON, Common, Output
from nayan.cli.search import DIVERSE, Distinct, Diverse, K, hits_output
from nayan.cli.vectors import Filter, Index, Sheet


def recommend(
    index: Index,
    /,
    *item: Annotated[
        str,
        Parameter(help="names of pictures in the index, or their files; several are a basket", required=True),
    ],
    k: K = 10,
    filter: Filter = None,
    diverse: Diverse = False,
    distinct: Distinct = None,
    out: Sheet = None,
    common: Common = COMMON,
) -> Output:
    """Find what is like pictures of the index, without themselves.

    With --distinct product each product is shown once, and those of the items not at all.
    """
    from nayan import api

    hits = api.recommend(
        index,
        item,
        k=k,
        where=filter,
        diverse=DIVERSE if diverse else 0.0,
        distinct=distinct,
        out=out,
    )
    return hits_output(hits, index, {"index": index, "items": list(item), "filter": filter}, out, common)
