"""`nayan predict` with a model that gives masks: its options."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

from cyclopts import Group, Parameter


@Parameter(name="*", group=Group("Masks", sort_key=40))
@dataclass(frozen=True, slots=True)
class MaskOptions:
    """Options that only mean something where every pixel gets a class."""

    masks: Annotated[
        tuple[Literal["ids", "colour", "rle", "polygons"], ...],
        Parameter(
            help="also write masks into --out: as PNG (ids, colour) or JSON (rle, polygons); may be repeated",
            negative="",
        ),
    ] = ()
    mm_per_px: Annotated[
        float | None, Parameter(help="how wide a pixel is in mm, for areas in mm²", metavar="F")
    ] = None
    count: Annotated[
        str | None,
        Parameter(help="count the things of this class, parted where they touch", metavar="CLASS"),
    ] = None


NO_MASKS = MaskOptions()


def masks_of(options: MaskOptions) -> dict[str, Any]:
    """Return the options that were given, as those of `nayan.predict`.

    >>> masks_of(MaskOptions(masks=("ids",)))
    {'masks': ('ids',)}
    """
    default = asdict(NO_MASKS)
    return {name: value for name, value in asdict(options).items() if value != default[name]}
