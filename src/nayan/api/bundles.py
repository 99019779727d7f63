"""The verbs about bundles: made for another engine, and checked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from nayan.api.common import Place, needs_training, open_predictor
from nayan.core.errors import NotFound
from nayan.core.types import Dataset
from nayan.tasks import CARDS, wanted_of

if TYPE_CHECKING:
    from nayan.export import ExportReport
    from nayan.runtime.bundle import Check
    from nayan.runtime.spec import Spec


def export(
    model: Place,
    *,
    to: Literal["onnx", "openvino"],
    int8: bool = False,
    data: Place | None = None,
    format: str | None = None,
    out: Place | None = None,
    max_drop: float = 0.01,
) -> ExportReport:
    """Make a bundle for another engine, or in 8 bits, and prove that it answers as the old one does.

    Args:
        model: a run folder or a bundle.
        to: the engine.
        int8: in 8-bit integers.
        data: pictures to compare on, those of its val split if it has one; for int8 by default the data
            that the model was trained with.
        format: of the data; None to recognise it.
        out: the new bundle; by default beside the old one.
        max_drop: by how much the accuracy may fall in int8, as a fraction.

    Raises:
        ExportError: with the numbers, if the answers differ too much; nothing is written then.
    """
    with needs_training("exporting"):
        from nayan.export import export_bundle
        from nayan.runtime.bundle import open_bundle

        spec = open_bundle(Path(model)).spec
        trained_on = (spec.provenance.get("data") or {}).get("path")
        place = data or (trained_on if int8 else None)
        pictures = None if place is None else _to_compare(Path(place), format, spec)
        return export_bundle(
            Path(model),
            to=to,
            int8=int8,
            data=None if pictures is None else pictures.samples,
            out=None if out is None else Path(out),
            max_drop=max_drop,
        )


def check_bundle(model: Place, *, backend: str = "auto") -> list[Check]:
    """Check a bundle's every file, and that it still gives the answer that it gave when it was made.

    Returns:
        What was looked at, in order; the list ends at the first failure.
    """
    from nayan.runtime import bundle

    return bundle.check_bundle(Path(model), load=lambda opened: open_predictor(opened, backend))


def _to_compare(data: Path, format: str | None, spec: Spec) -> Dataset:
    """Return the validation pictures of a data set; where it has none, those that `val` takes.

    Their classes are counted as the model counts them.
    """
    from nayan.data.classes import match_classes
    from nayan.data.originals import as_originals
    from nayan.data.splits import read_split

    targets, wanted = CARDS[spec.task].targets, wanted_of([CARDS[spec.task]])
    try:
        found = read_split(data, "val", format=format, targets=wanted)
    except NotFound:
        found = read_split(data, format=format, targets=wanted)
    if "Identity" in targets:
        return found
    return as_originals(found) if "Original" in targets else match_classes(found, spec.classes)
