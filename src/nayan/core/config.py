"""Everything that can be chosen about a training run: one flat, frozen table of options.

The same names stand on the command line, in `--config FILE.yaml`, in `nayan.train(...)` and in the
`config.yaml` of a run. Precedence: default < file < command line. An unknown name is an error.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from nayan.core.errors import ConfigError

_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}


def parse_seconds(value: Any) -> Any:
    """Return the seconds in "90", "90s", "10m" or "1.5h"; numbers and None pass through.

    >>> parse_seconds("10m")
    600.0
    """
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh]?)", value.strip())
    if not match:
        raise ValueError(f"a duration looks like 90s, 10m or 1.5h, got {value!r}")
    return float(match[1]) * _UNITS[match[2]]


def _number_or_word(value: Any) -> Any:
    return int(value) if isinstance(value, str) and value.isdigit() else value


def _text(value: Any) -> Any:
    return str(value) if isinstance(value, int | Path) and not isinstance(value, bool) else value


Seconds = Annotated[float, BeforeValidator(parse_seconds), Field(gt=0)]
IntOrAuto = Annotated[Annotated[int, Field(ge=1)] | Literal["auto"], BeforeValidator(_number_or_word)]
Text = Annotated[str, BeforeValidator(_text)]


class TrainConfig(BaseModel):
    """Options of `nayan train`. None means: chosen from the data and the model, and then written down."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # what
    data: Path
    task: str | None = None
    format: str | None = None
    model: str | None = None
    backbone: str | None = None
    weights: Text | None = None  # imagenet, none, or a file
    head: Literal["pool", "flatten", "paper"] = "pool"
    up: Literal["transposed", "bilinear", "nearest"] | None = None  # how a decoder enlarges its maps
    pooling: Literal["gap", "gem", "flatten"] | None = None  # of an embedder, from its last map to a vector
    dim: int | None = Field(default=None, ge=2)  # values of an embedding, or of a word of a captioner
    width: int | None = Field(default=None, ge=1)  # maps of a translator's first layer
    scale: Literal[2, 4] | None = None  # how many times larger super resolution makes a picture
    adversarial: bool = False  # whether a restored picture also has to look real to a second network
    perceptual: Path | None = None  # weights of a third one to which it has to look like the original
    classes: tuple[str, ...] | None = None  # use only these

    # how long
    epochs: int | None = Field(default=None, ge=1)
    time: Seconds | None = None
    patience: int | None = Field(default=None, ge=1)

    # pictures
    imgsz: int | None = Field(default=None, ge=1)
    multi_scale: float = Field(default=0.0, ge=0, lt=1)  # the side varies by this share; 0 = off
    progressive: float | None = Field(default=None, ge=0, lt=1)  # share of the epochs at half that side
    tile: int = Field(default=0, ge=0)  # side of the tiles that are looked at; 0 = whole pictures
    overlap: float = Field(default=0.2, ge=0, lt=1)  # of neighbouring tiles
    batch: IntOrAuto = "auto"
    augment: Literal["auto", "none", "photo", "symbol", "turned", "tissue"] = "auto"
    mixup: float = Field(default=0.0, ge=0)
    cutmix: float = Field(default=0.0, ge=0)
    balance: Literal["none", "sampler", "loss"] = "none"
    cache: Literal["auto", "ram", "disk", "off"] = "auto"
    views: int | None = Field(default=None, ge=1)  # augmented views a picture for cached features
    val_fraction: float = Field(default=0.15, gt=0, lt=0.5)
    test_fraction: float = Field(default=0.15, ge=0, lt=0.5)

    # learning
    freeze: Text = "auto"  # auto, none, backbone, or a number of stages
    optimizer: Literal["adamw", "sgd"] = "adamw"
    lr: float | None = Field(default=None, gt=0)
    weight_decay: float | None = Field(default=None, ge=0)
    warmup: float = Field(default=0.1, ge=0, lt=1)  # fraction of all steps
    loss: str = "auto"  # of segmentation: ce, dice, focal, lovasz, tversky, border, or a sum such as ce+dice;
    # of generation: minimax, non_saturating, hinge, least_squares, wasserstein
    gradient_penalty: float | None = Field(default=None, ge=0)  # on the slope of a discriminator
    spectral_norm: bool = False  # bounds the layers of a discriminator
    diffaug: tuple[Literal["colour", "translation", "cutout"], ...] | None = None  # before it looks
    ttur: float | None = Field(default=None, gt=0)  # its rate, in units of the generator's
    style: Path | None = None  # the picture whose style is learnt
    content_weight: float | None = Field(default=None, ge=0)  # of what a restyled photograph shows
    style_weight: float | None = Field(default=None, ge=0)  # of how it is painted
    cycle: float | None = Field(default=None, ge=0)  # weight of the way back of a translation
    identity: float | None = Field(default=None, ge=0)  # of pictures that need no translation; 0 = off
    features: Text | None = None  # by which drawn pictures are compared with real ones
    margin: float | None = Field(default=None, gt=0)  # of an embedder's loss
    far: float = Field(default=1e-3, gt=0, lt=1)  # strangers that may pass for the same
    label_smoothing: float | None = Field(default=None, ge=0, lt=1)
    dropout: float | None = Field(default=None, ge=0, lt=1)
    clip: float = Field(default=1.0, ge=0)  # gradient norm; 0 = off
    accumulate: int = Field(default=1, ge=1)
    ema: float | None = Field(default=None, ge=0, lt=1)  # decay; 0 = off

    # machine
    seed: int = Field(default=0, ge=0)
    device: Text = "auto"
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    workers: int | None = Field(default=None, ge=1)
    checkpoint_every: Seconds = 60.0
    out: Path | None = None


def make_config(options: Mapping[str, Any], file: Path | None = None) -> tuple[TrainConfig, dict[str, str]]:
    """Merge defaults, a YAML file and explicit options; return the config and where each value came from.

    Args:
        options: explicit values; None means not given.
        file: a flat YAML mapping; paths in it are relative to the working directory.

    Returns:
        The config, and {option: "default" | "FILE" | "option"}.

    Raises:
        ConfigError: on an unknown name (the nearest is named) or an impossible value.
    """
    merged: dict[str, Any] = {}
    origins = dict.fromkeys(TrainConfig.model_fields, "default")
    given = {key: value for key, value in options.items() if value is not None}
    for source, values in ((str(file), _read_yaml(file) if file else {}), ("option", given)):
        for key, value in values.items():
            if key not in TrainConfig.model_fields:
                near = difflib.get_close_matches(key, TrainConfig.model_fields, n=1)
                hint = f"did you mean {near[0]!r}?" if near else "see `nayan train --help`"
                raise ConfigError(f"unknown option {key!r} in {source}", hint=hint)
            merged[key] = value
            origins[key] = source
    try:
        return TrainConfig(**merged), origins
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"][:1])
        raise ConfigError(
            f"{name} = {merged.get(name)!r} (from {origins.get(name, 'option')}): {first['msg']}",
            hint="see `nayan train --help`",
        ) from error


def config_text(config: TrainConfig, origins: Mapping[str, str], *, without: Sequence[str] = ()) -> str:
    """Return every value as YAML, with its origin as a comment; `make_config` reads it back.

    Args:
        config: of a run.
        origins: as `make_config` gives them.
        without: options that mean nothing to the task, and are left out.
    """
    lines = ["# Every value of this run, and where it came from. Usable again: nayan train --config THIS"]
    for key, value in config.model_dump(mode="json", exclude=set(without)).items():
        braced = yaml.safe_dump({key: value}, default_flow_style=True, allow_unicode=True, width=math.inf)
        lines.append(f"{braced.strip()[1:-1]}  # {origins.get(key, 'default')}")
    return "\n".join(lines) + "\n"


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: cannot be read as YAML: {error}") from error
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise ConfigError(f"{path}: expected `option: value` lines, found a {type(document).__name__}")
    return {key: value for key, value in document.items() if value is not None}
