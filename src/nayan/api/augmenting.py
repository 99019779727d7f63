"""The verb that asks whether drawn pictures help a classifier of a small set: the whole experiment.

OUT/
plan.json                    what was asked for; the same again goes on where it stopped
real/labels.csv              the data as they are used: your files where they lie, in fixed splits
plain_0/ ... plain_4/        runs of the classifier without drawn pictures; the first judges what is drawn
generator/                   the run that draws, unless one was named
data/labels.csv              the same pictures and those that were kept, `drawn/CLASS/*.png`: a data set
pictures/                    sheets of what was kept and dropped
with_0/ ... with_4/          the same runs on `data/`
result.json  report.html
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nayan.api.augmenting_steps import Chain, Plan
from nayan.api.common import Place, needs_training
from nayan.core.errors import ConfigError, DataError, LabelError
from nayan.core.events import Listener

if TYPE_CHECKING:
    from nayan.data.splits import Splits

DIFFAUG = ("colour", "translation", "cutout")
"""What the discriminator is shown changed: of few pictures it would know each by heart."""
MOST_DRAWN = 200_000


def augment(
    data: Place,
    *,
    model: Place = "conditional_gan",
    out: Place | None = None,
    classifier: str | None = None,
    weights: str | None = None,
    imgsz: int | None = None,
    batch: int | None = None,
    epochs: int | None = None,
    drawing_epochs: int | None = None,
    diffaug: Sequence[str] = DIFFAUG,
    share: float | None = None,
    per_class: int | None = None,
    tries: int = 4,
    confidence: float = 0.5,
    seeds: int = 5,
    seed: int = 0,
    format: str | None = None,
    device: str | None = None,
    precision: str | None = None,
    workers: int | None = None,
    on_event: Listener | None = None,
) -> dict[str, Any]:
    """Train a generator on a small set, keep what is worth learning from, and say whether it helps.

    A classifier is trained with and without the drawn pictures that were kept, with several seeds and as
    many steps of the optimiser, and both are scored on the test pictures. What was done before is not done
    again: the same call goes on where it stopped.

    Args:
        data: pictures of classes, of any format. Splits that it does not have are drawn by `seed`; nothing
            in it is changed.
        model: a generator that draws classes, by its name, or the run folder or bundle of one.
        out: folder of all that is made; None for `runs/augment/NAME`, NAME that of the data.
        classifier: the model that is to be helped; None for what `train` would choose.
        weights: to start the classifier from, as for `train`.
        imgsz: side of the classifier's input in px.
        batch: pictures a step of the classifier.
        epochs: of the classifier without drawn pictures; with them as many as give the same steps.
        drawing_epochs: of the generator.
        diffaug: what is changed before the generator's adversary looks; see `train`.
        share: how many drawn pictures are wanted for each real one of a class; None for 1.
        per_class: how many are wanted of each class, instead.
        tries: so many times as many are drawn.
        confidence: in the class that was asked, below which a picture is dropped, in [0, 1].
        seeds: how many pairs are trained, at least 2.
        seed: the first of them; also that of the splits, the generator and the noise.
        format: of the data; None to recognise it.
        device: as for `train`.
        precision: as for `train`.
        workers: as for `train`.
        on_event: called with the events of every run.

    Returns:
        `{"data", "classifier", "generator", "split", "pictures", "steps", "seeds", "accuracy", "difference",
        "verdict", ...}`: "difference" has the mean of the pairs and its 95 % interval, as shares; "verdict"
        is "helps", "harms", "no_difference", "cannot_tell", or "nothing_kept", where it is None.

    Raises:
        ConfigError: for an impossible option, a generator that draws no classes, or a folder that holds
            something else.
        DataError: if the data have no test split, or a class has too few pictures.
        LabelError: if the pictures have no classes.
        MissingExtra: without `pip install "nayan[train]"`.
    """
    begun = time.monotonic()
    plan = Plan(
        data=str(Path(data).resolve()),
        model=str(model),
        classifier=classifier,
        weights=weights,
        imgsz=imgsz,
        batch=batch,
        epochs=epochs,
        drawing_epochs=drawing_epochs,
        diffaug=tuple(diffaug),
        share=1.0 if share is None and per_class is None else share,
        per_class=per_class,
        tries=tries,
        confidence=confidence,
        seeds=seeds,
        seed=seed,
        format=format,
    )
    _check_plan(plan, share)
    splits = _opened(plan)
    with needs_training("augmenting"):
        machine = {"device": device, "precision": precision, "workers": workers}
        chain = Chain(plan, splits, listener=on_event, machine=machine)
        chain.check_generator()
        folder = _folder(plan, splits, out)
        if (folder / "result.json").is_file():
            found: dict[str, Any] = json.loads((folder / "result.json").read_text(encoding="utf-8"))
            return found
        return chain.go(folder, begun)


def _check_plan(plan: Plan, share: float | None) -> None:
    if share is not None and plan.per_class is not None:
        raise ConfigError("share and per_class contradict each other", hint="give one of them")
    wanted = plan.share if plan.per_class is None else plan.per_class
    if wanted is None or not wanted > 0:
        raise ConfigError(f"{wanted:g} drawn pictures are wanted: more than none are needed")
    if plan.seeds < 2:
        raise ConfigError(
            f"--seeds {plan.seeds}: how sure a difference is can be told from two pairs on",
            hint="5 is usual; more make the interval narrower",
        )
    if plan.tries < 1 or not 0 <= plan.confidence <= 1 or plan.seed < 0:
        raise ConfigError(
            f"tries {plan.tries}, confidence {plan.confidence:g}, seed {plan.seed}: tries from 1, "
            "a confidence in [0, 1], a seed from 0"
        )


def _opened(plan: Plan) -> Splits:
    """Return the data, with a test split and at least two training pictures of each class."""
    import numpy as np

    from nayan.core.types import Label
    from nayan.data.splits import open_splits
    from nayan.tasks import by_verb

    targets = by_verb("classify").targets
    splits = open_splits(Path(plan.data), format=plan.format, seed=plan.seed, targets=targets)
    labels = [s.target.index for s in splits.train.samples if isinstance(s.target, Label)]
    if len(labels) < len(splits.train):
        kinds = {type(s.target).__name__ for s in splits.train.samples} - {"Label"}
        raise LabelError(
            f"{plan.data}: augmenting takes one class a picture, the data have {', '.join(sorted(kinds))}",
            hint="put each class into a folder of its name",
        )
    if splits.test is None:
        raise DataError(
            f"{plan.data}: has train and val, but no test; what was used to choose cannot judge as well",
            hint="rename val to test: validation pictures are then taken from train",
        )
    counts = np.bincount(labels, minlength=len(splits.train.classes))
    lone = [name for name, count in zip(splits.train.classes, counts, strict=True) if count < 2]
    if lone:
        raise LabelError(
            f"{plan.data}: the class {lone[0]!r} has one training picture or none: whatever is drawn of it "
            "could only be that one again",
            hint="add pictures; two are the least, twenty are better",
        )
    wanted = sum(plan.wanted(counts.tolist()))
    if wanted * plan.tries > MOST_DRAWN:
        raise ConfigError(
            f"{wanted:,} pictures are wanted, and {plan.tries} times as many drawn: more than {MOST_DRAWN:,}",
            hint="lower --share, --per-class or --tries; drawn pictures are for small sets",
        )
    return splits


def _folder(plan: Plan, splits: Splits, out: Place | None) -> Path:
    """Return the folder of the experiment with `plan.json` in it: new, or that of the same plan.

    Raises:
        ConfigError: if `out` holds something else, or lies in the data.
    """
    from nayan.data.fingerprint import fingerprint
    from nayan.data.readers.base import check_outside
    from nayan.runtime.fsio import write_file

    parts = [part for part in (splits.train, splits.val, splits.test) if part is not None]
    pictures = {part.split: fingerprint(part) for part in parts}
    asked = {"schema_version": 1, **asdict(plan), "pictures": pictures}
    text = json.dumps(asked, indent=1, ensure_ascii=False)
    base = Path("runs/augment") / (Path(plan.data).stem or "data")
    choices = [base.with_name(f"{base.name}{n}" if n > 1 else base.name) for n in range(1, 1000)]
    for folder in choices if out is None else [Path(out)]:
        check_outside(folder, Path(plan.data))
        if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
            folder.mkdir(parents=True, exist_ok=True)
            write_file(folder / "plan.json", text)
            return folder
        file = folder / "plan.json"
        before = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
        if before == json.loads(text):
            return folder
    changed = [name for name, value in json.loads(text).items() if before and before.get(name) != value]
    what = f"was made with other {changed[0]}" if changed else "exists and is not empty"
    raise ConfigError(f"--out {folder} {what}", hint="give another folder, or remove it")
