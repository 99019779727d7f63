"""`nayan duplicates`: which pictures of an index are nearly the same."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from nayan.cli.output import COMMON, Common, Output
from nayan.cli.vectors import Filter, Index, Sheet


def duplicates(
    index: Index,
    /,
    *,
    within: Annotated[
        float, Parameter(help="pictures at most this far apart are taken for the same", metavar="F")
    ] = 0.05,
    filter: Filter = None,
    out: Sheet = None,
    common: Common = COMMON,
) -> Output:
    """List groups of pictures that are nearly the same, the largest first.

    Two are of one group when they are near, or a chain of near ones connects them. Every pair is compared:
    100,000 pictures take minutes.
    """
    from nayan import api

    groups = api.duplicates(index, within=within, where=filter, out=out)
    if out is not None:
        common.say(f"written: {out / 'duplicates.png'}")
    document = {
        "index": index,
        "within": within,
        "filter": filter,
        "groups": [list(group) for group in groups],
    }
    text = "\n\n".join("\n".join(group) for group in groups)
    return common.output(document, text or "no two are as near as that")
