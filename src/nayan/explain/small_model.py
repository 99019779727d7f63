"""A small network described in words, to play with kernel, stride and padding.

    conv 6 5x5 pad 2; relu; pool 2; conv 16 5x5; relu; pool 2; flatten; dense 120; relu; dense 10

Steps are separated by semicolons or line breaks; lines that start with # are comments. The words that are
known stand in `STEPS`. In YAML the
same is a list: one text a step, or one mapping such as `conv: 6 5x5 pad 2`.
"""

from __future__ import annotations

import difflib
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import yaml
from torch import nn

from nayan.core.errors import ConfigError
from nayan.explain.arithmetic import Shape, windows
from nayan.parts.minimum_size import output_shape


@dataclass(frozen=True, slots=True)
class Step:
    """One step as written.

    Attributes:
        position: counts from 1.
        text: as written.
        word: its first word.
        numbers: plain numbers in order; a kernel "5x3" is the pair (5, 3).
        options: named numbers, such as {"stride": 2, "pad": "same"}.
    """

    position: int
    text: str
    word: str
    numbers: tuple[int | float | tuple[int, int], ...] = ()
    options: Mapping[str, int | str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Word:
    """What a word means.

    Attributes:
        usage: for error messages.
        build: from the step and the shape that reaches it to a module.
        fewest, most: how many plain numbers it takes.
        options: names of the options it takes.
        needs_map: whether its input must be (channels, h, w).
    """

    usage: str
    build: Callable[[Step, Shape], nn.Module]
    fewest: int = 0
    most: int = 0
    options: tuple[str, ...] = ()
    needs_map: bool = False


def build_small_model(description: str, input_shape: tuple[int, int, int]) -> nn.Sequential:
    """Return the network that a description stands for, with layers named "1_conv", "2_relu", ...

    Args:
        description: steps separated by semicolons or line breaks, or a YAML list of steps.
        input_shape: (channels, h, w) of a picture.

    Raises:
        ConfigError: names the step, what was found there, what is known and the nearest words; or
            says where the map became too small and why.

    >>> build_small_model("conv 6 5x5 pad 2; relu; pool 2; gap; dense 10", (1, 28, 28))[0].padding
    (2, 2)
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    shapes: list[Shape] = [tuple(input_shape)]
    for step in parse_steps(description):
        layer = _build(step, shapes[-1])
        shapes.append(_output_shape(step, layer, shapes))
        layers[f"{step.position}_{step.word}"] = layer
    return nn.Sequential(layers)


def parse_steps(description: str) -> tuple[Step, ...]:
    """Return the steps of a description.

    Raises:
        ConfigError: if a step cannot be read.

    >>> parse_steps("conv 6 5x5 pad 2")[0].options
    {'pad': 2}
    """
    texts = _split(description)
    if not texts:
        raise ConfigError("the description of the model is empty", hint=f"known steps: {_known()}")
    return tuple(_parse(position, text) for position, text in enumerate(texts, start=1))


def _split(description: str) -> list[str]:
    description = re.sub(r"(?m)^\s*#.*$", "", description)  # comment lines
    if not description.lstrip().startswith(("- ", "[")):
        return [text.strip() for text in re.split(r"[;\n]", description) if text.strip()]
    try:
        document = yaml.safe_load(description)
    except yaml.YAMLError as error:
        raise ConfigError(f"the model cannot be read as YAML: {error}") from error
    texts = []
    for position, item in enumerate(document, start=1):
        if isinstance(item, dict) and len(item) == 1:
            (word, rest), *_ = item.items()
            texts.append(f"{word} {'' if rest is None else rest}".strip())
        elif isinstance(item, str):
            texts.append(item.strip())
        else:
            raise ConfigError(
                f"step {position} of the YAML list is {item!r}",
                hint='write one text ("pool 2") or one mapping ("conv: 6 5x5 pad 2") a step',
            )
    return texts


def _parse(position: int, text: str) -> Step:
    word, *rest = text.lower().split()
    if word not in STEPS:
        near = difflib.get_close_matches(word, STEPS, n=3, cutoff=0.5)
        guess = f"did you mean {' or '.join(map(repr, near))}? " if near else ""
        raise ConfigError(
            f"step {position} ({text!r}): no step is named {word!r}", hint=f"{guess}known: {_known()}"
        )
    known = STEPS[word]
    numbers: list[int | float | tuple[int, int]] = []
    options: dict[str, int | str] = {}
    while rest:
        part = rest.pop(0)
        if re.fullmatch(r"\d+x\d+", part):
            height, _, width = part.partition("x")
            numbers.append((int(height), int(width)))
        elif re.fullmatch(r"\d+(\.\d+)?", part):
            numbers.append(float(part) if "." in part else int(part))
        elif part == "nobias" and part in known.options:
            options[part] = 1
        elif part in known.options:
            options[part] = _option_value(position, text, part, rest)
        else:
            near = difflib.get_close_matches(part, known.options, n=1)
            guess = f"did you mean {near[0]!r}? " if near else ""
            raise ConfigError(
                f"step {position} ({text!r}): {part!r} is not understood", hint=f"{guess}write: {known.usage}"
            )
    if not known.fewest <= len(numbers) <= known.most:
        wanted = str(known.fewest) if known.fewest == known.most else f"{known.fewest} to {known.most}"
        raise ConfigError(
            f"step {position} ({text!r}): {word} takes {wanted} plain numbers, found {len(numbers)}",
            hint=f"write: {known.usage}",
        )
    return Step(position, text, word, tuple(numbers), options)


def _option_value(position: int, text: str, name: str, rest: list[str]) -> int | str:
    value = rest.pop(0) if rest else ""
    if value.isdigit() and (int(value) > 0 or name == "pad"):
        return int(value)
    if name == "pad" and value == "same":
        return value
    wanted = "a number or same" if name == "pad" else "a number from 1"
    raise ConfigError(
        f"step {position} ({text!r}): after {name} comes {wanted}, found {value or 'nothing'!r}",
        hint=f"for example: {name} 2",
    )


def _output_shape(step: Step, layer: nn.Module, shapes: Sequence[Shape]) -> Shape:
    """Return what a layer makes of the last of the shapes so far; explain where nothing is left."""
    shape = shapes[-1]
    slid = windows(layer, shape) if len(shape) == 3 else None
    if slid is not None and any(
        window.slide(side).value < 1 for window, side in zip(slid, shape[1:], strict=True)
    ):
        spans = "x".join(str(window.dilation * (window.kernel - 1) + 1) for window in slid)
        trail = " -> ".join("x".join(map(str, past[1:])) for past in shapes)
        raise ConfigError(
            f"{step.text} at step {step.position} gets {shape[1]}x{shape[2]}; "
            f"its {spans} window does not fit, nothing would be left",
            hint=f"sizes so far: {trail}; drop a pool or stride before it, pad, or take larger pictures",
        )
    try:
        return tuple(output_shape(layer, (1, *shape))[1:])
    except (RuntimeError, ValueError) as error:
        raise _impossible(step, error) from error


def _build(step: Step, shape: Shape) -> nn.Module:
    known = STEPS[step.word]
    if known.needs_map and len(shape) != 3:
        raise ConfigError(
            f"step {step.position} ({step.text!r}) needs a channels x height x width map, "
            f"but gets a row of {shape[0]} numbers",
            hint="flatten, gap and dense end the map; put this step before them",
        )
    if step.word == "dense" and len(shape) != 1:
        raise ConfigError(
            f"step {step.position} ({step.text!r}) needs a row of numbers, "
            f"but gets a {'x'.join(map(str, shape))} map",
            hint="put `flatten` (keeps every position) or `gap` (averages them) before it",
        )
    try:
        return known.build(step, shape)
    except ValueError as error:
        raise _impossible(step, error) from error


def _impossible(step: Step, error: Exception) -> ConfigError:
    return ConfigError(
        f"step {step.position} ({step.text!r}) is impossible: {error}",
        hint=f"write: {STEPS[step.word].usage}",
    )


def _whole(step: Step, place: int) -> int:
    """Return a plain number that must be a whole one from 1."""
    number = step.numbers[place]
    if not isinstance(number, int) or number < 1:
        raise ConfigError(
            f"step {step.position} ({step.text!r}) needs a whole number from 1, found {number}",
            hint=f"write: {STEPS[step.word].usage}",
        )
    return number


def _kernel(step: Step, place: int) -> tuple[int, int]:
    number = step.numbers[place]
    return number if isinstance(number, tuple) else (_whole(step, place),) * 2


def _option(step: Step, name: str, default: int) -> int:
    value = step.options.get(name, default)
    if isinstance(value, str):
        raise ValueError(f"{name} {value} is for conv only")
    return value


def _pad(step: Step) -> int | str:
    return step.options.get("pad", 0)


def _conv(step: Step, shape: Shape) -> nn.Module:
    return nn.Conv2d(
        shape[0],
        _whole(step, 0),
        _kernel(step, 1),
        stride=_option(step, "stride", 1),
        padding=_pad(step),
        dilation=_option(step, "dilation", 1),
        groups=_option(step, "groups", 1),
        bias="nobias" not in step.options,
    )


def _transposed(step: Step, shape: Shape) -> nn.Module:
    return nn.ConvTranspose2d(
        shape[0],
        _whole(step, 0),
        _kernel(step, 1),
        stride=_option(step, "stride", 1),
        padding=_option(step, "pad", 0),
        dilation=_option(step, "dilation", 1),
        groups=_option(step, "groups", 1),
        bias="nobias" not in step.options,
    )


def _pool(step: Step, _shape: Shape) -> nn.Module:
    kernel = _kernel(step, 0)
    make = nn.MaxPool2d if step.word == "pool" else nn.AvgPool2d
    return make(kernel, stride=_option(step, "stride", 0) or kernel, padding=_option(step, "pad", 0))


def _dropout(step: Step, _shape: Shape) -> nn.Module:
    chance = step.numbers[0] if step.numbers else 0.5
    if isinstance(chance, tuple):
        raise ValueError("the chance is a number between 0 and 1")
    return nn.Dropout(chance)


def _plain(make: Callable[[], nn.Module]) -> Callable[[Step, Shape], nn.Module]:
    return lambda _step, _shape: make()


def _known() -> str:
    return ", ".join(STEPS)


_CONV_OPTIONS = ("stride", "pad", "dilation", "groups", "nobias")

STEPS: Mapping[str, _Word] = {
    "conv": _Word(
        "conv CHANNELS KERNEL [stride N] [pad N|same] [dilation N] [groups N] [nobias], as in conv 6 5x5",
        _conv,
        fewest=2,
        most=2,
        options=_CONV_OPTIONS,
        needs_map=True,
    ),
    "transposed": _Word(
        "transposed CHANNELS KERNEL [stride N] [pad N] [dilation N] [groups N] [nobias]",
        _transposed,
        fewest=2,
        most=2,
        options=_CONV_OPTIONS,
        needs_map=True,
    ),
    "pool": _Word("pool SIZE [stride N] [pad N], as in pool 2", _pool, 1, 1, ("stride", "pad"), True),
    "avgpool": _Word(
        "avgpool SIZE [stride N] [pad N], as in avgpool 2", _pool, 1, 1, ("stride", "pad"), True
    ),
    "gap": _Word(
        "gap",
        _plain(lambda: nn.Sequential(OrderedDict(pool=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten()))),
        needs_map=True,
    ),
    "upsample": _Word(
        "upsample TIMES, as in upsample 2",
        lambda step, _shape: nn.Upsample(scale_factor=_whole(step, 0)),
        fewest=1,
        most=1,
        needs_map=True,
    ),
    "batchnorm": _Word("batchnorm", lambda _step, shape: nn.BatchNorm2d(shape[0]), needs_map=True),
    "dropout": _Word("dropout [CHANCE], as in dropout 0.5", _dropout, most=1),
    "flatten": _Word("flatten", _plain(nn.Flatten)),
    "dense": _Word(
        "dense NUMBERS, as in dense 120",
        lambda step, shape: nn.Linear(shape[0], _whole(step, 0)),
        fewest=1,
        most=1,
    ),
    "relu": _Word("relu", _plain(nn.ReLU)),
    "sigmoid": _Word("sigmoid", _plain(nn.Sigmoid)),
    "tanh": _Word("tanh", _plain(nn.Tanh)),
    "softmax": _Word("softmax", _plain(lambda: nn.Softmax(dim=1))),
}
"""Every word that a description may use."""
