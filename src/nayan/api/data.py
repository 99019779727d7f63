"""The verbs about data: examined, rewritten, divided, made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nayan.api.common import Place, open_predictor
from nayan.core.errors import ConfigError
from nayan.tasks import by_verb, cards_of, wanted_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from nayan.core.types import Sample
    from nayan.data.convert import ConversionReport
    from nayan.data.doctor import Diagnosis, Embed
    from nayan.data.splits import Splits


def doctor(
    data: Place,
    *,
    task: str | None = None,
    format: str | None = None,
    only: Sequence[str] = (),
    skip: Sequence[str] = (),
    imgsz: int | None = None,
    embed: Place | None = None,
    weights: Place | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Diagnosis:
    """Say what a data set is, how much of it there is, and what is wrong with it; nothing is changed.

    Args:
        data: a folder or file.
        task: what the data are for, such as "compare" for folders that are identities, not classes.
        format: name of the reader; None to recognise it.
        only: ids or families of the checks to run; all by default.
        skip: those to leave out.
        imgsz: longer side of the network's input in px, by which objects are small or not; None for the side
            that `train` would choose.
        embed: a run folder or a bundle of an embedder or a classifier, or the name of a published backbone:
            copies, leaks, doubtful labels and strangers are looked for among its vectors, too.
        weights: of a name: "imagenet" (None is the same) or a .safetensors file.
        on_progress: called with (pictures done, pictures in all).
    """
    from nayan.data.doctor import diagnose

    if embed is None and weights is not None:
        raise ConfigError(f"--weights {weights} are for --embed", hint="name a backbone with --embed")
    look = None if embed is None else _embedding(embed, weights, on_progress)
    return diagnose(
        Path(data),
        targets=wanted_of(cards_of(task)) if task else (),
        format=format,
        only=only or None,
        skip=skip or None,
        imgsz=imgsz,
        embed=look,
        on_progress=on_progress,
    )


def _embedding(model: Place, weights: Place | None, on_progress: Callable[[int, int], None] | None) -> Embed:
    """Return what gives the vectors of pictures; a model that gives none is refused at once."""
    from nayan.api.searching import as_bundle, embedder_of
    from nayan.core.errors import DataError
    from nayan.tasks.embedding.search.vectors import embed_samples

    found = embedder_of(model, weights)

    def look(samples: Sequence[Sample]) -> dict[str, NDArray[np.float32]]:
        try:
            with as_bundle(found, samples) as bundle:
                predictor = open_predictor(bundle, "auto", pictures=len(samples))
                embedded = embed_samples(predictor, samples, on_progress=on_progress)
        except DataError:  # not one picture can be read, and other checks say why
            return {}
        return dict(zip(embedded.sources, embedded.vectors, strict=True))

    return look


def convert(data: Place, out: Place, *, to: str, format: str | None = None) -> ConversionReport:
    """Write a data set again in another format into a new folder, and prove that nothing was lost.

    Args:
        data: only read.
        out: a new folder outside of `data`.
        to: "folder", "csv" or "idx" for classes; "coco", "yolo", ... for boxes; "masks",
            "coco_masks" or "yolo_masks" for masks; "captions", "domains", "pictures".
        format: of the source; None to recognise it.
    """
    from nayan.data.convert import convert as write

    return write(Path(data), Path(out), to, format=format)


def split(
    data: Place,
    out: Place,
    *,
    val: float = 0.15,
    test: float = 0.15,
    seed: int = 0,
    group: str | None = None,
    task: str | None = None,
    format: str | None = None,
) -> Splits:
    """Divide a data set into train, val and test in a new folder; the original is only read.

    Every class gets its share, and copies of a picture stay on one side, as do pictures of one group.
    Splits that the data already have are kept. Of identities each belongs to one split as a whole.

    Args:
        data: a data set.
        out: a new folder.
        val: fraction of the pictures to validate on.
        test: fraction of the pictures to test on.
        seed: of the drawing.
        group: what is never parted: "auto" (versions, tiles and frames of one picture or clip, by their
            names; None is the same), "none", "folder", or a regular expression whose first group names
            the camera, video, patient, ... in the name of a picture.
        task: what the data are for: with "compare" a folder of pictures is an identity, not a class.
        format: of the data; None to recognise it.

    Returns:
        What was written.
    """
    from nayan.data.splits import open_splits, write_splits

    drawn = open_splits(
        Path(data),
        format=format,
        val_fraction=val,
        test_fraction=test,
        seed=seed,
        group=group,
        targets=wanted_of(cards_of(task)) if task else (),
    )
    write_splits(drawn, Path(out))
    return drawn


def sample(
    task: str, out: Place, *, seed: int = 0, count: int | None = None, format: str | None = None
) -> Path:
    """Write a sample data set for a task into a new folder, without any network, and return the folder.

    Args:
        task: "classify", "detect", "segment", "compare" or "generate".
        out: a new folder.
        seed: of which pictures there are and in which split.
        count: pictures in all; None for all digits, or 300 scenes.
        format: to write for "detect": "coco" (None is the same), "yolo", "voc", ...; for "segment":
            "masks" (None is the same), "coco", "yolo"; for "generate": "captions" (None is the same),
            "domains", "pictures".
    """
    from nayan.data.samples import write_sample

    return write_sample(by_verb(task).verb, Path(out), seed=seed, count=count, format=format)
