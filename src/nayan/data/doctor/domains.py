"""Checks of two domains: whether there is enough of both, and whether something trivial tells them apart."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from nayan.data.doctor.findings import Finding
from nayan.data.doctor.snapshot import Snapshot

FEW = 100  # pictures to learn from in a domain
RATIO = 4.0  # of the larger domain to the smaller
SCALE = 1.5  # of the usual sizes of pictures


def balance(snapshot: Snapshot) -> Iterator[Finding]:
    """Yield how many pictures of each domain there are to learn from."""
    if not snapshot.of_domains:
        return
    learnt = {
        name: sum(count for split, count in counts.items() if split in ("train", "all"))
        for name, counts in snapshot.class_counts.items()
    }
    least, most = min(learnt.values()), max(learnt.values())
    poor = least < FEW or most > RATIO * least
    yield Finding(
        "domains.balance", "warning" if poor else "info",
        f"to learn from: {', '.join(f'{count:,} of {name}' for name, count in learnt.items())}",
        count=sum(learnt.values()),
        advice="Collect more of the smaller one: what a domain looks like is learnt from its pictures alone, "
        "some hundreds at least."
        if poor
        else "Nothing to do; a translation is judged on both.",
        details={"pictures": learnt},
    )  # fmt: skip


def size(snapshot: Snapshot) -> Iterator[Finding]:
    """Yield that the pictures of one domain are usually larger, or of another shape."""
    if not snapshot.of_domains:
        return
    sizes = {
        name: [picture.look.size for picture in snapshot.pictures if picture.label == name and picture.look]
        for name in snapshot.classes
    }
    if not all(sizes.values()):
        return
    usual = {
        name: (median(height for height, _ in each), median(width for _, width in each))
        for name, each in sizes.items()
    }
    (height, width), (other_height, other_width) = usual.values()
    factors = [height / other_height, width / other_width, height * other_width / (width * other_height)]
    if max(max(factor, 1 / factor) for factor in factors) > SCALE:
        told = " and ".join(f"{h:.0f} x {w:.0f} in {name}" for name, (h, w) in usual.items())
        yield Finding(
            "domains.size", "warning", f"pictures are of another size in each domain, usually {told}",
            count=len(snapshot.pictures),
            advice="A network will tell the domains by how sharp or stretched they are: bring them to one "
            "size and shape first.",
            details={"height_width": {name: list(each) for name, each in usual.items()}},
        )  # fmt: skip
