"""What the machine offers: device, precision and number of processes, through Lightning Fabric."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy

from nayan.core.errors import ConfigError
from nayan.core.machine import cores
from nayan.core.types import Size

SMALL_PICTURE = 64  # px, the longer side

_FABRIC_PRECISION = {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}


def choose_precision(precision: str, device: str) -> str:
    """Return fp32, bf16 or fp16 for "auto": the fastest that the device does in hardware.

    Raises:
        ConfigError: fp16 on a CPU, where it is slow and overflows.
    """
    if precision == "fp16" and device == "cpu":
        raise ConfigError("--precision fp16 needs a GPU", hint="use bf16 or fp32 on a CPU")
    if precision != "auto":
        return precision
    if device == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    return "bf16" if cpu_has_bf16() else "fp32"


@cache
def cpu_has_bf16() -> bool:
    """Return whether the CPU multiplies bfloat16 in hardware (AVX512-BF16 or AMX).

    Elsewhere it is emulated, ten times slower than float32.
    """
    info = Path("/proc/cpuinfo")
    flags = info.read_text(encoding="utf-8", errors="replace") if info.is_file() else ""
    return "avx512_bf16" in flags or "amx_bf16" in flags


def device_kind(device: str) -> str:
    """Return "cpu" or "cuda" for "auto", "cpu", "cuda" or a list of GPU numbers such as "0,1".

    Raises:
        ConfigError: on another word, or where there is no such GPU.
    """
    available = torch.cuda.is_available()
    if device == "auto":
        return "cuda" if available else "cpu"
    if device == "cpu":
        return "cpu"
    numbers = device.removeprefix("cuda:").split(",") if device != "cuda" else []
    if not all(number.strip().isdigit() for number in numbers):
        raise ConfigError(f"--device {device}: expected auto, cpu, cuda, or GPU numbers such as 0,1")
    if not available:
        raise ConfigError(f"--device {device}: PyTorch finds no GPU here", hint="use --device cpu or auto")
    return "cuda"


def make_fabric(device: str, precision: str, *, phases: int = 1) -> Fabric:
    """Return the Fabric for this process; under `torchrun` it joins the others (DDP).

    Args:
        device: as in `device_kind`.
        precision: fp32, bf16 or fp16.
        phases: of the task; with more than one, each step leaves some parameters without gradient.
    """
    kind = device_kind(device)
    numbers = device.removeprefix("cuda:").split(",") if device not in ("auto", "cpu", "cuda") else []
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    local = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    fabric = Fabric(
        accelerator=kind,
        devices=local if processes > 1 else [int(number) for number in numbers] or 1,
        num_nodes=processes // local,
        strategy=DDPStrategy(find_unused_parameters=phases > 1) if processes > 1 else "auto",
        precision=_FABRIC_PRECISION[precision],  # type: ignore[arg-type]
    )
    fabric.launch()
    return fabric


def set_threads(size: Size) -> None:
    """Let torch use every core of this process, or one where pictures are small.

    On small tensors the threads of one operation wait for each other longer than they work, and take the
    core that decodes and augments the next pictures. `OMP_NUM_THREADS` in the environment is a limit: where
    other programs hold the cores, threads that wait for each other are many times slower than one alone.
    """
    local = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    asked = os.environ.get("OMP_NUM_THREADS", "")
    most = int(asked) if asked.isdigit() and int(asked) else cores()
    torch.set_num_threads(1 if max(size) <= SMALL_PICTURE else max(1, min(most, cores()) // local))
