"""`nayan augment`: does it help a classifier to learn from drawn pictures as well?"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Group, Parameter

from nayan.cli.output import COMMON, Common, Output
from nayan.cli.val import Format


@Parameter(name="*", group=Group("What is drawn", sort_key=1))
@dataclass(frozen=True)
class Drawing:
    """The generator, and what is kept of its pictures."""

    model: Annotated[
        str | None,
        Parameter(
            help="a generator that draws classes, or a run of one [default: conditional_gan]",
            metavar="NAME|RUN",
        ),
    ] = None
    drawing_epochs: Annotated[
        int | None, Parameter(help="passes of the generator over the training pictures", metavar="N")
    ] = None
    diffaug: Annotated[
        tuple[Literal["colour", "translation", "cutout", "none"], ...] | None,
        Parameter(
            help="change pictures before the generator's adversary looks; repeat for more [default: all]",
            negative="",
        ),
    ] = None
    share: Annotated[
        float | None,
        Parameter(
            help="drawn pictures that are wanted for each real one of a class [default: 1.0]", metavar="F"
        ),
    ] = None
    per_class: Annotated[
        int | None, Parameter(help="drawn pictures that are wanted of each class, instead", metavar="N")
    ] = None
    tries: Annotated[
        int | None, Parameter(help="times as many are drawn and tested [default: 4]", metavar="N")
    ] = None
    confidence: Annotated[
        float | None,
        Parameter(help="in its class, below which a picture is dropped [default: 0.5]", metavar="F"),
    ] = None


@Parameter(name="*", group=Group("Who learns from it", sort_key=2))
@dataclass(frozen=True)
class Classifying:
    """The classifier that is to be helped."""

    classifier: Annotated[
        str | None,
        Parameter(help="a name of `nayan models` [default: that of `nayan train`]", metavar="NAME"),
    ] = None
    weights: Annotated[
        str | None, Parameter(help="to start from: imagenet, none, or a .safetensors FILE", metavar="W")
    ] = None
    imgsz: Annotated[int | None, Parameter(help="side of its input in pixels")] = None
    batch: Annotated[int | None, Parameter(help="pictures a step")] = None
    epochs: Annotated[
        int | None,
        Parameter(help="without drawn pictures; with them as many as give the same steps", metavar="N"),
    ] = None
    seeds: Annotated[
        int | None,
        Parameter(help="pairs of trainings, from which the interval comes [default: 5]", metavar="N"),
    ] = None


@Parameter(name="*", group=Group("Machine", sort_key=3))
@dataclass(frozen=True)
class Machine:
    """Where it runs and what it leaves behind."""

    seed: Annotated[int | None, Parameter(help="the first one [default: 0]")] = None
    device: Annotated[str | None, Parameter(help="which processors", metavar="auto|cpu|cuda|N,N")] = None
    precision: Annotated[
        Literal["auto", "fp32", "bf16", "fp16"] | None, Parameter(help="of the arithmetic")
    ] = None
    workers: Annotated[int | None, Parameter(help="processes or threads that read pictures")] = None
    out: Annotated[
        Path | None,
        Parameter(help="write into this folder; by default runs/augment/NAME of the data", metavar="DIR"),
    ] = None


def augment(
    data: Annotated[Path, Parameter(help="pictures of classes: a folder, or a file that lists them")],
    /,
    *,
    format: Format = None,
    drawing: Drawing = Drawing(),
    classifying: Classifying = Classifying(),
    machine: Machine = Machine(),
    common: Common = COMMON,
) -> Output:
    """Train a generator on a small set, and say whether what it draws helps a classifier.

    Copies of training pictures, pictures unlike real ones and those of another class are dropped. Then the
    classifier is trained with several seeds, with and without the others, for as many steps. The difference
    is reported with its interval, also where it does not help: that is no error.

    The same command goes on where it stopped. Your pictures are never changed.
    """
    from nayan import api
    from nayan.cli.progress import Progress

    options = _given(drawing, classifying, machine)
    if "none" in options.get("diffaug", ()):
        options["diffaug"] = ()
    with Progress(quiet=common.quiet) as progress:
        result = api.augment(data, format=format, on_event=progress, **options)
    return common.output(result, result_text(result))


def result_text(result: dict[str, Any]) -> str:
    """Return the verdict, the scores by seed, and where everything is."""
    from nayan.tasks.generation.sampling.augmenting.findings import DROPPED, points, verdict_of

    counts, lines = result["pictures"], [verdict_of(result), ""]
    for row in result["seeds"]:
        line = f"  seed {row['seed']}  without {100 * row['plain']:5.1f} %"
        if row["with"] is not None:
            line += f"  with {100 * row['with']:5.1f} %  {points(row['difference'])}"
        lines.append(line)
    dropped = ", ".join(
        f"{sum(classes[name] for classes in result['classes'].values()):,} {title.lower()}"
        for name, title in DROPPED.items()
    )
    lines += [
        "",
        f"drawn   {counts['drawn']:,}; dropped: {dropped}; learnt from: {counts['kept']:,}",
        f"data    {result['set']}",
        f"report  {result['report']}",
    ]
    return "\n".join(lines)


def _given(*groups: Any) -> dict[str, Any]:
    values = {field.name: getattr(group, field.name) for group in groups for field in fields(group)}
    return {name: value for name, value in values.items() if value is not None}
