"""`nayan train`: every option of `core.config.TrainConfig`, under its name."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Group, Parameter

from nayan.cli.output import COMMON, Common, Output
from nayan.cli.val import Features, Format

# All defaults are None, "not given": only so can `config.yaml` say where each value came from, and a file
# stand between the defaults of TrainConfig and the command line. A test holds the two lists together.


@Parameter(name="*", group=Group("What", sort_key=1))
@dataclass(frozen=True)
class What:
    """What is trained."""

    task: Annotated[
        str | None,
        Parameter(help="classify, detect, segment, compare or generate; by default what the data are for"),
    ] = None
    format: Format = None
    model: Annotated[str | None, Parameter(help="a name of `nayan models`, or any timm model")] = None
    backbone: Annotated[str | None, Parameter(help="the same for a task whose models stand on one")] = None
    weights: Annotated[
        str | None,
        Parameter(help="to start from: imagenet (fetched), none, or a .safetensors FILE", metavar="W"),
    ] = None
    head: Annotated[
        Literal["pool", "flatten", "paper"] | None,
        Parameter(help="own layers on the backbone: pooled, flattened, or as published [default: pool]"),
    ] = None
    up: Annotated[
        Literal["transposed", "bilinear", "nearest"] | None,
        Parameter(help="how the decoder of a segmenter enlarges its maps"),
    ] = None
    pooling: Annotated[
        Literal["gap", "gem", "flatten"] | None,
        Parameter(help="of an embedder: the mean of its last map, the generalised mean, or every cell"),
    ] = None
    dim: Annotated[
        int | None, Parameter(help="how many values an embedding has, or a word of a captioner")
    ] = None
    width: Annotated[int | None, Parameter(help="of a translator: maps of its first layer [default: 16]")] = (
        None
    )
    scale: Annotated[
        Literal[2, 4] | None, Parameter(help="how many times larger super resolution makes a picture")
    ] = None
    adversarial: Annotated[
        bool | None,
        Parameter(
            help="restored pictures also have to look real to a second network [default: False]", negative=""
        ),
    ] = None
    perceptual: Annotated[
        Path | None,
        Parameter(
            help="weights of a published network to which restored pictures have to look right",
            metavar="FILE",
        ),
    ] = None
    classes: Annotated[
        tuple[str, ...] | None,
        Parameter(help="use only this class; repeat for more", metavar="NAME", negative=""),
    ] = None


@Parameter(name="*", group=Group("How long", sort_key=2))
@dataclass(frozen=True)
class HowLong:
    """When training ends."""

    epochs: Annotated[int | None, Parameter(help="passes over the data")] = None
    time: Annotated[str | None, Parameter(help="a budget instead: 90s, 10m, 1.5h", metavar="T")] = None
    patience: Annotated[int | None, Parameter(help="stop after N epochs that were no better")] = None


@Parameter(name="*", group=Group("Pictures", sort_key=3))
@dataclass(frozen=True)
class Pictures:
    """What the network sees."""

    imgsz: Annotated[int | None, Parameter(help="side of the network's input in pixels")] = None
    multi_scale: Annotated[
        float | None,
        Parameter(
            help="let that side vary between steps by this share, either way: 0.5 is half to one and a half "
            "[default: 0.0]",
            metavar="F",
        ),
    ] = None
    progressive: Annotated[
        float | None,
        Parameter(
            help="of segmentation: the first epochs, by this share, see pictures of half that side "
            "[default: auto]",
            metavar="F",
        ),
    ] = None
    tile: Annotated[
        int | None,
        Parameter(
            help="learn and look at tiles of N x N px, for small objects in large pictures; 0 does not "
            "[default: 0]",
            metavar="N",
        ),
    ] = None
    overlap: Annotated[
        float | None, Parameter(help="of neighbouring tiles, as a fraction [default: 0.2]", metavar="F")
    ] = None
    batch: Annotated[str | None, Parameter(help="pictures a step [default: auto]", metavar="N|auto")] = None
    augment: Annotated[
        Literal["auto", "none", "photo", "symbol", "turned", "tissue"] | None,
        Parameter(
            help="random changes while training; symbols are never flipped, turned ones are further "
            "identities, tissue is turned and bent [default: auto]"
        ),
    ] = None
    mixup: Annotated[float | None, Parameter(help="strength of blending two pictures [default: 0.0]")] = None
    cutmix: Annotated[float | None, Parameter(help="strength of pasting one into another [default: 0.0]")] = (
        None
    )
    balance: Annotated[
        Literal["none", "sampler", "loss"] | None,
        Parameter(help="how rare classes get their share [default: none]"),
    ] = None
    cache: Annotated[
        Literal["auto", "ram", "disk", "off"] | None,
        Parameter(help="where decoded pictures are kept after the first epoch [default: auto]"),
    ] = None
    views: Annotated[
        int | None, Parameter(help="augmented views of a picture when a frozen network's features are cached")
    ] = None
    val_fraction: Annotated[
        float | None, Parameter(help="of data that come without a val split [default: 0.15]")
    ] = None
    test_fraction: Annotated[
        float | None, Parameter(help="of data that come without a test split [default: 0.15]")
    ] = None


@Parameter(name="*", group=Group("Learning", sort_key=4))
@dataclass(frozen=True)
class Learning:
    """How the network learns."""

    freeze: Annotated[
        str | None,
        Parameter(
            help="auto, none, backbone, or the first N stages [default: auto]", metavar="auto|none|backbone|N"
        ),
    ] = None
    optimizer: Annotated[Literal["adamw", "sgd"] | None, Parameter(help="[default: adamw]")] = None
    lr: Annotated[float | None, Parameter(help="highest learning rate")] = None
    weight_decay: Annotated[float | None, Parameter(help="pull of the weights towards zero")] = None
    warmup: Annotated[
        float | None, Parameter(help="fraction of all steps in which the rate rises [default: 0.1]")
    ] = None
    loss: Annotated[
        str | None,
        Parameter(
            help="of segmentation: ce, dice, focal, lovasz, tversky, border, or a sum such as ce+dice; of a "
            "GAN: minimax, non_saturating, hinge, least_squares, wasserstein [default: auto]"
        ),
    ] = None
    gradient_penalty: Annotated[
        float | None, Parameter(help="of a GAN: weight of the slope of its discriminator", metavar="F")
    ] = None
    spectral_norm: Annotated[
        bool | None,
        Parameter(help="of a GAN: bound the layers of its discriminator [default: False]", negative=""),
    ] = None
    diffaug: Annotated[
        tuple[Literal["colour", "translation", "cutout"], ...] | None,
        Parameter(
            help="of a GAN on few pictures: change them before the discriminator looks; repeat for more",
            negative="",
        ),
    ] = None
    ttur: Annotated[
        float | None,
        Parameter(help="of a GAN: the discriminator's rate, in those of the generator", metavar="F"),
    ] = None
    style: Annotated[
        Path | None, Parameter(help="of fast_style: the picture whose style is learnt", metavar="FILE")
    ] = None
    content_weight: Annotated[
        float | None,
        Parameter(help="of fast_style: of what the photograph shows [default: 1.0]", metavar="F"),
    ] = None
    style_weight: Annotated[
        float | None, Parameter(help="of fast_style: of how it is painted [default: 10.0]", metavar="F")
    ] = None
    cycle: Annotated[
        float | None, Parameter(help="of a translator: weight of the way back [default: 10]", metavar="F")
    ] = None
    identity: Annotated[
        float | None,
        Parameter(
            help="of a translator: weight of leaving alone what needs no translation [default: 5]",
            metavar="F",
        ),
    ] = None
    features: Features = None
    margin: Annotated[float | None, Parameter(help="how far apart an embedder keeps different ones")] = None
    far: Annotated[
        float | None,
        Parameter(help="share of strangers that an embedder may take for the same [default: 0.001]"),
    ] = None
    label_smoothing: Annotated[float | None, Parameter(help="probability given to the other classes")] = None
    dropout: Annotated[float | None, Parameter(help="fraction of features dropped before the last layer")] = (
        None
    )
    clip: Annotated[float | None, Parameter(help="largest norm of the gradient [default: 1.0]")] = None
    accumulate: Annotated[int | None, Parameter(help="batches added up to one step [default: 1]")] = None
    ema: Annotated[float | None, Parameter(help="decay of the averaged weights; 0 turns it off")] = None


@Parameter(name="*", group=Group("Machine", sort_key=5))
@dataclass(frozen=True)
class Machine:
    """Where it runs and what it leaves behind."""

    seed: Annotated[int | None, Parameter(help="of everything random [default: 0]")] = None
    device: Annotated[
        str | None, Parameter(help="which processors [default: auto]", metavar="auto|cpu|cuda|N,N")
    ] = None
    precision: Annotated[
        Literal["auto", "fp32", "bf16", "fp16"] | None, Parameter(help="of the arithmetic [default: auto]")
    ] = None
    workers: Annotated[int | None, Parameter(help="processes or threads that read pictures")] = None
    checkpoint_every: Annotated[
        str | None, Parameter(help="time between checkpoints: 30s, 5m [default: 60.0]", metavar="T")
    ] = None
    out: Annotated[
        Path | None, Parameter(help="the run folder itself; by default runs/TASK/MODEL", metavar="DIR")
    ] = None


@Parameter(name="*", group=Group("Runs", sort_key=0))
@dataclass(frozen=True)
class Source:
    """Where the options come from, beside the command line."""

    config: Annotated[Path | None, Parameter(help="options as `name: value` lines", metavar="FILE.yaml")] = (
        None
    )
    resume: Annotated[
        Path | None,
        Parameter(help="go on with a run that was interrupted, exactly where it stopped", metavar="RUN"),
    ] = None
    print_config: Annotated[
        bool, Parameter(help="print the options as they would be used, and do not train", negative="")
    ] = False


def train(
    data: Annotated[Path | None, Parameter(help="a folder of pictures, or a file that lists them")] = None,
    /,
    *,
    source: Source = Source(),
    what: What = What(),
    how_long: HowLong = HowLong(),
    pictures: Pictures = Pictures(),
    learning: Learning = Learning(),
    machine: Machine = Machine(),
    common: Common = COMMON,
) -> Output:
    """Train a model.

    What is not given is chosen from the data and the model, and written down in the run's config.yaml.
    The command line goes before --config FILE, and that before the defaults.
    """
    options = _given(what, how_long, pictures, learning, machine)
    if source.print_config:
        return _print_config(data, source.config, options, common)
    from nayan import api
    from nayan.cli.progress import Progress
    from nayan.core.errors import ConfigError

    with Progress(quiet=common.quiet) as progress:
        if source.resume is not None:
            if data is not None or source.config is not None:
                raise ConfigError(
                    f"--resume {source.resume} goes on with that run's own data and options",
                    hint="leave out DATA and --config, or start a new run without --resume",
                )
            run = api.resume(source.resume, on_event=progress, **options)
        else:
            run = api.train(data, config=source.config, on_event=progress, **options)
    if int(os.environ.get("RANK", "0")):  # of several processes (torchrun) the first one speaks
        return Output("")
    return common.output(run_document(run), run_text(run))


def run_document(run: Any) -> dict[str, Any]:
    """Return the JSON of a finished run, the same as that of `nayan val`."""
    return {
        "task": run.task,
        "model": run.model,
        "data": run.data,
        "split": run.split,
        "metrics": dict(run.metrics),
        "seconds": run.seconds,
        "run": run.folder,
        "bundle": run.bundle,
        "report": run.report,
    }


def run_text(run: Any) -> str:
    """Return the headline scores, where everything is, and what to do next."""
    from nayan.cli.val import scores_text
    from nayan.tasks import by_verb, use_of

    lines = [f"{run.model}, {run.split}:", scores_text(run.metrics), "", f"run     {run.folder}"]
    if run.report:
        lines.append(f"report  {run.report}")
    if run.bundle:
        lines += [
            f"model   {run.bundle}",
            "",
            "next:",
            f"  {use_of(run.task, run.model, path=str(run.folder))}",
            f"  nayan explain {run.folder} PICTURE --what {by_verb(run.task).look}",
            f"  nayan export {run.folder} --to openvino",
        ]
    return "\n".join(lines)


def _given(*groups: Any) -> dict[str, Any]:
    values = {field.name: getattr(group, field.name) for group in groups for field in fields(group)}
    return {name: value for name, value in values.items() if value is not None}


def _print_config(data: Path | None, file: Path | None, options: dict[str, Any], common: Common) -> Output:
    from nayan.core.config import config_text, make_config

    config, origins = make_config({"data": data, **options}, file)
    document = {"config": config.model_dump(mode="json"), "origins": origins}
    return common.output(document, config_text(config, origins).rstrip())
