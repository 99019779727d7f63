"""How the benchmarks measure: two ways in turn (A B A B ...), medians, and one JSON line at the end.

Whole processes are started by a tiny one, since a process inherits the peak memory of the one that starts
it; what is measured is never below its 9 MB.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from multiprocessing import active_children
from pathlib import Path

HERE = Path(__file__).resolve().parent
WORK = HERE / ".work"  # git-ignored: pictures, bundles and weights that the scripts make
PEERS = HERE / ".venv-peers" / "bin"  # git-ignored; made by benchmarks/peers.sh
ENVIRONMENT = Path(sys.executable).parent

_STARTER = """
import os, sys, time
null = [(os.POSIX_SPAWN_OPEN, at, "/dev/null", os.O_RDWR, 0) for at in range(3)]
began = time.perf_counter()
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=null)
_, status, usage = os.wait4(child, 0)
wall = time.perf_counter() - began
print(os.waitstatus_to_exitcode(status), wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss)
"""

_FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")


@dataclass(frozen=True, slots=True)
class Cost:
    """What something took.

    Attributes:
        wall_s: seconds on the clock.
        cpu_s: seconds of processor time, all threads together.
        peak_mb: largest resident memory of a process, in MB of 10^6 bytes; 0 where not measured.
    """

    wall_s: float
    cpu_s: float
    peak_mb: float = 0.0


@dataclass(frozen=True, slots=True)
class Claim:
    """A figure and its target.

    Attributes:
        name: what is claimed.
        measured: the figure.
        target: the bound.
        unit: behind both, such as "x" or "MB".
        at_most: whether the target is an upper bound.
    """

    name: str
    measured: float
    target: float
    unit: str = "x"
    at_most: bool = False

    @property
    def met(self) -> bool:
        return self.measured <= self.target if self.at_most else self.measured >= self.target

    def __str__(self) -> str:
        bound = "<=" if self.at_most else ">="
        word = "met" if self.met else "NOT met"
        return f"{self.name}: {self.measured:.3g} {self.unit} (target {bound} {self.target:g}, {word})"


def in_turn(ways: Mapping[str, Callable[[], Cost]], *, rounds: int, warm: bool = True) -> dict[str, Cost]:
    """Return the median cost of each way, measured A B A B ...; with `warm` a first round does not count."""
    costs: dict[str, list[Cost]] = {name: [] for name in ways}
    for _ in range(rounds + warm):
        for name, way in ways.items():
            costs[name].append(way())
            print(f"  ... {name}: {costs[name][-1].wall_s:.3g} s", file=sys.stderr, flush=True)
    return {name: median(values[int(warm) :]) for name, values in costs.items()}


def median(costs: Sequence[Cost]) -> Cost:
    """Return the median of each quantity by itself."""
    return Cost(
        statistics.median(cost.wall_s for cost in costs),
        statistics.median(cost.cpu_s for cost in costs),
        statistics.median(cost.peak_mb for cost in costs),
    )


def timed(work: Callable[[], object]) -> Cost:
    """Run something in this process; what its worker processes take counts as processor time."""
    wall, cpu = time.perf_counter(), processor_s()
    work()
    return Cost(time.perf_counter() - wall, processor_s() - cpu)


def processor_s() -> float:
    """Return the processor seconds of this process and of its children, those that still run included."""
    times = os.times()
    ended = times.children_user + times.children_system
    return time.process_time() + ended + sum(_running_s(child.pid) for child in active_children())


def _running_s(pid: int | None) -> float:
    status = Path(f"/proc/{pid}/stat")
    if not status.is_file():
        return 0.0
    fields = status.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def process(command: Sequence[str | Path], *, cwd: Path | None = None) -> Cost:
    """Run a whole process, its output thrown away; it has to succeed."""
    arguments = [str(part) for part in command]
    starter = [sys.executable, "-I", "-S", "-c", _STARTER, *arguments]
    result = subprocess.run(starter, cwd=cwd, check=True, capture_output=True, text=True)
    status, wall, cpu, peak = result.stdout.split()
    if status != "0":
        raise SystemExit(f"{' '.join(arguments)} ended with {status}")
    unit = 1 if sys.platform == "darwin" else 1024
    return Cost(float(wall), float(cpu), int(peak) * unit / 1e6)


def setup(command: Sequence[str | Path], *, cwd: Path | None = None) -> None:
    """Run something that prepares a measurement, with its errors shown."""
    subprocess.run([str(part) for part in command], cwd=cwd, check=True, stdout=subprocess.DEVNULL)


def peer(name: str) -> Path:
    """Return a command of the peers' environment.

    Raises:
        SystemExit: if it has not been made.
    """
    command = PEERS / name
    if not command.exists():
        raise SystemExit(f"{command} is missing; make the peers' environment first: benchmarks/peers.sh")
    return command


def peer_version(package: str) -> str:
    """Return the version of a package in the peers' environment."""
    code = f"import importlib.metadata as m; print(m.version({package!r}))"
    result = subprocess.run([str(peer("python")), "-c", code], check=True, capture_output=True, text=True)
    return result.stdout.strip()


def machine() -> str:
    """Return the kind of this machine, as far as it matters for speed."""
    info = Path("/proc/cpuinfo")
    words = set(info.read_text(encoding="utf-8").split()) if info.is_file() else set()
    flags = [flag for flag in _FLAGS if flag in words] or [platform.machine()]
    return f"{len(os.sched_getaffinity(0))} cores, {' '.join(flags)}"


def publish(
    name: str,
    claims: Sequence[Claim],
    *,
    costs: Mapping[str, Cost | float],
    versions: Mapping[str, str],
) -> None:
    """Print each cost and claim on a line, and everything as one line of JSON."""
    load = os.getloadavg()[0]
    print(f"{name} on {machine()}, load {load:.1f}; {', '.join(f'{k} {v}' for k, v in versions.items())}")
    for way, cost in costs.items():
        if isinstance(cost, Cost):
            memory = f", {cost.peak_mb:.0f} MB" if cost.peak_mb else ""
            print(f"  {way}: {cost.wall_s:.4g} s on the clock, {cost.cpu_s:.4g} s of processors{memory}")
        else:
            print(f"  {way}: {cost:.4g}")
    for claim in claims:
        print(f"  {claim}")
    record = {
        "benchmark": name,
        "claims": [{**asdict(claim), "met": claim.met} for claim in claims],
        "costs": {way: asdict(cost) if isinstance(cost, Cost) else cost for way, cost in costs.items()},
        "versions": dict(versions),
        "machine": machine(),
        "load": round(load, 1),
    }
    print(json.dumps(record))
