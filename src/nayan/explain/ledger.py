"""The ledger of a network: every layer that runs, in order, with its sums written out.

The network is run once on shapes alone (torch's `meta` device), with hooks on its layers; where that is
impossible, once for real on one black picture, in evaluation mode.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils.flop_counter import FlopCounterMode

from nayan.core.errors import ShapeError
from nayan.core.story import Panel, Story, Table
from nayan.explain.arithmetic import Shape, Sum, macs_sum, parameters_sum, size_text
from nayan.explain.field import Field, FieldTracker
from nayan.explain.record import evaluating, first_tensor
from nayan.explain.subject import Subject


@dataclass(frozen=True, slots=True)
class LayerRow:
    """One layer as it ran.

    Attributes:
        name: as in `named_modules()`.
        kind: its class.
        output: shape for one picture, without the batch.
        size: how height and width came about, as text.
        parameters, parameters_text: its own; 0 when they were counted in an earlier row.
        macs, macs_text: multiply-adds for one picture.
        field: what a unit of its output sees of the input; None where that is unknown.
        learns: "yes", "frozen", "partly", or "" for layers without parameters.
        note: anything unusual.
    """

    name: str
    kind: str
    output: Shape
    size: str = ""
    parameters: int = 0
    parameters_text: str = ""
    macs: int = 0
    macs_text: str = ""
    field: Field | None = None
    learns: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Ledger:
    """All rows and the totals of a network at one input size.

    Attributes:
        input: (channels, h, w).
        rows: in the order of execution.
        parameters, trainable: number of them.
        macs: multiply-adds for one picture, also those outside of layers.
        size_mb: parameters and buffers, in units of 10^6 bytes.
        activations_mb: what the layers put out for one picture, in-place results once, in 10^6 bytes.
        notes: what a reader should know, one sentence each.
    """

    input: Shape
    rows: tuple[LayerRow, ...]
    parameters: int
    trainable: int
    macs: int
    size_mb: float
    activations_mb: float
    notes: tuple[str, ...] = ()

    def to_table(self) -> Table:
        """Return the rows for reading, with thousands separated."""
        columns = (
            "#",
            "layer",
            "kind",
            "output",
            "size arithmetic",
            "parameters",
            "parameter arithmetic",
            "MACs",
            "MAC arithmetic",
            "sees",
            "jump",
            "learns",
            "note",
        )
        rows = [
            (
                number,
                row.name,
                row.kind,
                "x".join(map(str, row.output)),
                row.size,
                f"{row.parameters:,}" if row.parameters else "",
                row.parameters_text,
                f"{row.macs:,}" if row.macs else "",
                row.macs_text,
                field_text(row.field, self.input),
                _jump_text(row.field),
                row.learns,
                row.note,
            )
            for number, row in enumerate(self.rows, start=1)
        ]
        return Table(columns, tuple(rows))

    def to_story(self, title: str = "Layer by layer") -> Story:
        """Return the totals and the table as panels."""
        totals = Table(
            ("what", "value"),
            (
                ("input", "x".join(map(str, self.input))),
                ("parameters", f"{self.parameters:,}"),
                ("of these learning", f"{self.trainable:,}"),
                ("multiply-adds (MACs) a picture", f"{self.macs:,}"),
                ("size in memory", f"{self.size_mb:.2f} MB"),
                ("activations of one picture", f"{self.activations_mb:.2f} MB"),
            ),
        )
        reading = (
            "Output is channels x height x width. A window of k pixels with stride s and padding p turns a "
            "side n into (n - k + 2*p)/s + 1. A convolution has (height*width*input channels + 1 bias)"
            "*output channels parameters. 'sees' is the side of the input window that one unit depends on, "
            "'jump' the distance between the windows of neighbours, both in input pixels; '?' if unknown."
        )
        document = self.to_json()
        return Story(
            title,
            [
                Panel(
                    "Totals",
                    " ".join(self.notes),
                    table=totals,
                    data={k: v for k, v in document.items() if k != "rows"},
                ),
                Panel("Layers", reading, table=self.to_table(), data={"rows": document["rows"]}),
            ],
        )

    def to_json(self) -> dict[str, Any]:
        """Return everything as a JSON-serialisable mapping."""
        return asdict(self)


def explain_summary(subject: Subject) -> Story:
    """Tell the ledger of the subject's network at its own input size."""
    size, channels = subject.preprocess.size, subject.preprocess.channels
    return ledger(subject.model, (channels, *size)).to_story()


def ledger(model: nn.Module, input_shape: tuple[int, int, int]) -> Ledger:
    """Return the ledger of any module for (channels, h, w) pictures.

    Raises:
        ShapeError: if the module cannot take such a picture; the message carries torch's reason.

    >>> ledger(nn.Sequential(nn.Conv2d(3, 100, 3)), (3, 28, 28)).rows[0].size
    '(28 - 3 + 2*0)/1 + 1 = 26'
    """
    watch = _Watch(model)
    with evaluating(model), torch.no_grad(), watch.hooked():
        flops = _run(model, input_shape, watch)
    rows = watch.rows()
    elsewhere = flops // 2 - sum(row.macs for row in rows)
    if elsewhere > 0:
        note = "products outside of any layer, such as attention"
        rows.append(LayerRow("(between layers)", "matmul", (), macs=elsewhere, note=note))
    parameters = list(model.parameters())
    held = [*parameters, *model.buffers()]
    return Ledger(
        input=tuple(input_shape),
        rows=tuple(rows),
        parameters=sum(p.numel() for p in parameters),
        trainable=sum(p.numel() for p in parameters if p.requires_grad),
        macs=sum(row.macs for row in rows),
        size_mb=sum(t.numel() * t.element_size() for t in held) / 1e6,
        activations_mb=watch.activation_bytes / 1e6,
        notes=watch.notes(),
    )


def field_text(seen: Field | None, picture: Shape) -> str:
    """Return a field's size for reading: "7", "7x5", "all (227)" if it covers the picture, "?" if unknown."""
    if seen is None:
        return "?"
    text = _pair_text(seen.size)
    return f"all ({text})" if seen.size[0] >= picture[1] and seen.size[1] >= picture[2] else text


def _jump_text(seen: Field | None) -> str:
    if seen is None:
        return "?"
    return "" if seen.grid == (1, 1) else _pair_text(seen.jump)


def _pair_text(pair: tuple[float, float]) -> str:
    return f"{pair[0]:g}" if pair[0] == pair[1] else f"{pair[0]:g}x{pair[1]:g}"


def _run(model: nn.Module, input_shape: Shape, watch: _Watch) -> int:
    """Run the model once on shapes, or for real where it does not work on them; return its FLOPs."""
    held = [*model.named_parameters(), *model.named_buffers()]
    ghosts = {name: torch.empty_like(tensor, device="meta") for name, tensor in held}
    try:
        picture = torch.empty(1, *input_shape, device="meta")
        return watch.forward(lambda pixels: functional_call(model, ghosts, (pixels,)), picture)
    except (RuntimeError, TypeError, ValueError):
        watch.reset()  # what goes wrong on shapes alone may go well on numbers
    device = next((tensor.device for _, tensor in held), torch.device("cpu"))
    try:
        return watch.forward(model, torch.zeros(1, *input_shape, device=device))
    except (RuntimeError, ValueError) as error:
        raise ShapeError(
            f"{type(model).__name__} cannot take a {'x'.join(map(str, input_shape))} picture: {error}",
            hint=f"the last layer that worked: {watch.last}; choose another --imgsz or other layers",
        ) from error


@dataclass(frozen=True, slots=True)
class _Visit:
    """What a hook saw of one call of a layer."""

    module: nn.Module
    source: Shape
    output: Shape
    field: Field | None


class _Watch:
    """Collects one visit from every call of a layer, and makes rows of them when the run is over."""

    def __init__(self, model: nn.Module) -> None:
        self._names = {module: name or "(network)" for name, module in model.named_modules()}
        self.reset()

    def reset(self) -> None:
        """Forget what was seen."""
        self._visits: list[_Visit | None] = []
        self._open: list[int] = []
        self._tracker: FieldTracker | None = None
        self.activation_bytes = 0
        self.last = "none"

    def forward(self, call: Callable[[Tensor], Any], source: Tensor) -> int:
        """Run `call(source)` and return its FLOPs as torch counts them."""
        self._tracker = FieldTracker(source)
        with FlopCounterMode(display=False) as counter, self._tracker:
            call(source)
        flops: int = counter.get_total_flops()
        return flops

    @contextmanager
    def hooked(self) -> Iterator[None]:
        """Watch every leaf, and every module that holds parameters of its own, for the block."""
        handles: list[Any] = []
        try:
            for module in self._names:
                if not any(module.children()) or any(True for _ in module.parameters(recurse=False)):
                    handles.append(module.register_forward_pre_hook(self._enter))
                    handles.append(module.register_forward_hook(self._leave))
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _enter(self, _module: nn.Module, _inputs: Any) -> None:
        self._open.append(len(self._visits))
        self._visits.append(None)

    def _leave(self, module: nn.Module, inputs: Any, output: Any) -> None:
        place = self._open.pop()
        source, result = first_tensor(inputs), first_tensor(output)
        if source is None or result is None or self._tracker is None:
            return
        if source.untyped_storage()._cdata != result.untyped_storage()._cdata:
            self.activation_bytes += result.numel() * result.element_size()
        field = self._tracker.of(result)
        self._visits[place] = _Visit(module, tuple(source.shape[1:]), tuple(result.shape[1:]), field)
        self.last = self._names[module]

    def rows(self) -> list[LayerRow]:
        """Return the layers in the order in which they started, then those that did not run."""
        counted: set[int] = set()
        visits = [visit for visit in self._visits if visit is not None]
        rows = [self._row(visit, counted) for visit in visits if not isinstance(visit.module, nn.Identity)]
        for module, name in self._names.items():
            held = _fresh(module, counted)
            if held:
                note = "did not run as a layer; its numbers may be used by its parent"
                rows.append(
                    _with_parameters(LayerRow(name, type(module).__name__, (), note=note), module, held)
                )
        return rows

    def notes(self) -> tuple[str, ...]:
        """Return what the reader of the table should know."""
        skipped = sum(visit is not None and isinstance(visit.module, nn.Identity) for visit in self._visits)
        counting = "Multiply-adds count convolutions, linear layers and matrix products; nothing else."
        left_out = f"{skipped} Identity layers, which do nothing, are left out." if skipped else ""
        return tuple(note for note in (counting, left_out) if note)

    def _row(self, visit: _Visit, counted: set[int]) -> LayerRow:
        module = visit.module
        is_leaf = not any(module.children())
        macs = macs_sum(module, visit.source, visit.output) if is_leaf else Sum(0)
        held = _fresh(module, counted)
        own = any(True for _ in module.parameters(recurse=False))
        row = LayerRow(
            name=self._names[module],
            kind=type(module).__name__,
            output=visit.output,
            size=size_text(module, visit.source, visit.output),
            macs=macs.value,
            macs_text=macs.text,
            field=visit.field,
            note="parameters counted in an earlier row" if own and not held else "",
        )
        return _with_parameters(row, module, held)


def _fresh(module: nn.Module, counted: set[int]) -> list[str]:
    """Return the names of a module's own parameters that no earlier row has counted, and count them."""
    held = [name for name, p in module.named_parameters(recurse=False) if id(p) not in counted]
    counted.update(id(p) for p in module.parameters(recurse=False))
    return held


def _with_parameters(row: LayerRow, module: nn.Module, names: list[str]) -> LayerRow:
    total = parameters_sum(module, names)
    learning = {p.requires_grad for p in module.parameters(recurse=False)}
    learns = {(): "", (True,): "yes", (False,): "frozen"}.get(tuple(learning), "partly")
    return replace(row, parameters=total.value, parameters_text=total.text, learns=learns)
