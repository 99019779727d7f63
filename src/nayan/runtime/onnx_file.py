"""A look into an ONNX file without the onnx package: does it keep all its data to itself? And a cut of it.

An ONNX tensor may point to another file ("external data"), by an absolute path, `../..`, or even an
address in memory; ONNX Runtime follows it while it loads the model. A bundle's graph carries its own
weights, so any such pointer is refused before a session is made.

ONNX is a protocol-buffer message (github.com/onnx/onnx, onnx.proto). Only the fields that can lead to a
tensor are followed; everything else is skipped by its length.
"""

from __future__ import annotations

import mmap
from collections.abc import Collection, Iterator
from pathlib import Path

from nayan.core.errors import BundleError

# Message: {field number: message of that field}. TENSOR is where the search ends.
_FIELDS: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "function": {7: "node", 11: "attribute"},
    "training": {1: "graph", 2: "graph"},
    "tensor": {},
}
_GRAPH, _EXTERNAL_DATA, _DATA_LOCATION = 7, 13, 14
_NODE, _INITIALIZER, _OUTPUT = 1, 5, 12  # of a graph
_TAKES, _GIVES = 1, 2  # of a node
_NAME = {_INITIALIZER: 8, _OUTPUT: 1}
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5


def check_self_contained(model: Path | bytes) -> None:
    """Check that no tensor of an ONNX model, however deeply nested, lies outside the file.

    Args:
        model: the file, or its content.

    Raises:
        BundleError: if a tensor points elsewhere, or this is no ONNX model.
    """
    if isinstance(model, bytes):
        _check(memoryview(model), "the ONNX model")
        return
    try:
        with model.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            view = memoryview(content)
            try:
                _check(view, str(model))
            finally:
                view.release()
    except (OSError, ValueError) as error:  # ValueError: an empty file cannot be mapped
        raise BundleError(f"{model}: cannot be read: {error}") from error


def only_outputs(model: bytes, wanted: Collection[str]) -> bytes:
    """Return an ONNX model without the outputs that are not wanted, and without all that only they need.

    ONNX Runtime computes every node of a graph, whatever outputs it is asked for.

    Args:
        model: content of a file whose nodes are in order of computation and hold no graphs of their own.
        wanted: names of outputs.

    Raises:
        BundleError: if this is no ONNX model, or has no such output.
    """
    view, name = memoryview(model), "the ONNX model"
    parts = []
    for field, wire, first, last in _fields(view, 0, len(view), name):
        content = bytes(view[first:last])
        if field == _GRAPH and wire == _LENGTH:
            content = _pruned(view[first:last], set(wanted), name)
        parts.append(_encoded(field, wire, content))
    return b"".join(parts)


def _pruned(graph: memoryview, wanted: set[str], name: str) -> bytes:
    """Return the fields of a graph that the wanted outputs need, in their order."""
    fields = list(_fields(graph, 0, len(graph), name))
    outputs = {_text(graph, entry, _NAME[_OUTPUT], name) for entry in fields if entry[0] == _OUTPUT}
    if missing := wanted - outputs:
        raise BundleError(f"{name}: gives {', '.join(sorted(outputs))}, not {', '.join(sorted(missing))}")
    needed, nodes = set(wanted), set[int]()
    for field, _, first, last in reversed(fields):
        if field == _NODE and needed & set(_texts(graph, first, last, _GIVES, name)):
            nodes.add(first)
            needed |= set(_texts(graph, first, last, _TAKES, name))
    names = {_OUTPUT: wanted, _INITIALIZER: needed}
    kept = [
        entry
        for entry in fields
        if (entry[0] != _NODE or entry[2] in nodes)
        and (entry[0] not in names or _text(graph, entry, _NAME[entry[0]], name) in names[entry[0]])
    ]
    return b"".join(_encoded(field, wire, bytes(graph[first:last])) for field, wire, first, last in kept)


def _texts(data: memoryview, start: int, end: int, wanted: int, name: str) -> list[str]:
    """Return the values of a field of text in a message."""
    return [
        str(data[first:last], "utf-8")
        for field, _, first, last in _fields(data, start, end, name)
        if field == wanted
    ]


def _text(data: memoryview, entry: tuple[int, int, int, int], wanted: int, name: str) -> str:
    """Return the value of a field of text in the message that a field holds; "" where it has none."""
    return next(iter(_texts(data, entry[2], entry[3], wanted, name)), "")


def _encoded(field: int, wire: int, content: bytes) -> bytes:
    """Return a field as it stands in a message."""
    length = _number(len(content)) if wire == _LENGTH else b""
    return _number(field << 3 | wire) + length + content


def _number(value: int) -> bytes:
    digits = bytearray()
    while value > 0x7F:
        digits.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*digits, value])


def _check(model: memoryview, name: str) -> None:
    todo = [("model", 0, len(model))]  # a list, not recursion: nesting is the writer's choice
    has_graph = False
    while todo:
        message, start, end = todo.pop()
        for field, wire, first, last in _fields(model, start, end, name):
            has_graph |= message == "model" and field == _GRAPH
            inner = _FIELDS[message].get(field)
            if inner and wire == _LENGTH:
                todo.append((inner, first, last))
            elif message == "tensor" and (
                (field == _EXTERNAL_DATA and wire == _LENGTH)
                or (field == _DATA_LOCATION and wire == _VARINT and any(model[first:last]))
            ):
                raise BundleError(
                    f"{name}: a tensor keeps its data outside the file, which a bundle must not do",
                    hint="save it again with onnx.save(model, path, save_as_external_data=False)",
                )
    if not has_graph:
        raise BundleError(f"{name}: holds no ONNX graph")


def _fields(data: memoryview, start: int, end: int, name: str) -> Iterator[tuple[int, int, int, int]]:
    """Yield (field number, wire type, first byte, last byte + 1) of a message's fields."""
    position = start
    while position < end:
        key, position = _varint(data, position, end, name)
        field, wire = key >> 3, key & 7
        first = position
        if wire == _VARINT:
            _, position = _varint(data, position, end, name)
        elif wire == _LENGTH:
            length, first = _varint(data, position, end, name)
            position = first + length
        elif wire in (_FIXED64, _FIXED32):
            position += 8 if wire == _FIXED64 else 4
        else:
            raise BundleError(f"{name}: not an ONNX model: wire type {wire} at byte {first}")
        if position > end:
            raise BundleError(f"{name}: not an ONNX model, or cut off: a field at byte {first} ends outside")
        yield field, wire, first, position


def _varint(data: memoryview, position: int, end: int, name: str) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= end:
            break
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise BundleError(f"{name}: not an ONNX model, or cut off: a number at byte {position} does not end")
