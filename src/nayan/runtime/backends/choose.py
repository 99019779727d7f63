"""Which engine runs a bundle on this machine."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from nayan.core.errors import ConfigError, NotFound
from nayan.core.machine import cores
from nayan.runtime.backends.onnx import OnnxBackend
from nayan.runtime.backends.openvino import OpenVinoBackend, Precision

BACKENDS = ("auto", "onnx", "openvino")

MOST_CALLS = 4
"""Each call at the same time takes memory of its own."""

_CPU_FACTS = Path("/proc/cpuinfo")


def choose_backend(
    name: str, graph: Path, *, pictures: int = 1, precision: Precision = "auto"
) -> OnnxBackend | OpenVinoBackend:
    """Load a bundle's graph into an engine.

    "auto" means ONNX Runtime, which starts quickest and answers alike on every machine; but OpenVINO
    for a graph in its own format, and, unless `precision` is "fp32", where it is installed on a CPU
    that computes in bf16.

    Args:
        name: "auto", "onnx" or "openvino".
        graph: `Bundle.graph`.
        pictures: how many there are to predict. For more than one, ONNX Runtime takes several calls at once,
            each on its share of the cores: threads that each see a picture through wait for each other less
            than threads that share one. OpenVINO takes one call at a time.
        precision: for OpenVINO; ONNX Runtime computes as the graph says.

    Raises:
        NotFound: if there is no such engine.
        ConfigError: if ONNX Runtime is asked to run OpenVINO's format, or to compute in bf16.
        MissingExtra: if openvino is needed and not installed.
        BundleError: if the engine cannot load the graph.
    """
    if name not in BACKENDS:
        raise NotFound("backend", name, BACKENDS)
    if name == "auto":
        name = "openvino" if graph.suffix == ".xml" or _prefers_openvino(precision) else "onnx"
    if name == "openvino":
        return OpenVinoBackend(graph, precision=precision)
    if graph.suffix != ".onnx":
        raise ConfigError(
            f"{graph}: ONNX Runtime cannot run it", hint="use the backend openvino, or export to onnx"
        )
    if precision == "bf16":
        raise ConfigError("ONNX Runtime does not compute in bf16 on a CPU", hint="use the backend openvino")
    calls = max(1, min(pictures, cores(), MOST_CALLS))
    return OnnxBackend(graph, threads=cores() // calls if calls > 1 else None, calls=calls)


def _prefers_openvino(precision: Precision) -> bool:
    if precision == "bf16":
        return True
    return precision == "auto" and _cpu_has_bf16() and importlib.util.find_spec("openvino") is not None


def _cpu_has_bf16() -> bool:
    # Asking OpenVINO itself would import it, 0.3 s, only to learn that it is not wanted.
    try:
        flags = _CPU_FACTS.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags
