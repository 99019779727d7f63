"""The table of checks. Each is a pure function of the snapshot; its id is "family.name"."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from nayan.core.errors import ConfigError
from nayan.core.registry import Catalog
from nayan.data.doctor import (
    balance,
    boxes,
    captions,
    domains,
    duplicates,
    files,
    images,
    likeness,
    masks,
    reading,
    sizes,
)
from nayan.data.doctor.findings import Finding
from nayan.data.doctor.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Check:
    """One entry of the table.

    Attributes:
        name: the id that findings carry and that `--only` and `--skip` take.
        run: yields the findings; may yield none.
    """

    name: str
    run: Callable[[Snapshot], Iterable[Finding]]

    @property
    def family(self) -> str:
        """The part before the dot."""
        return self.name.partition(".")[0]


CHECKS: Catalog[Check] = Catalog(
    "check",
    [
        Check("data.unrecognised", files.unrecognised),
        Check("data.unreadable", files.unreadable_data),
        Check("data.empty", balance.empty),
        Check("data.notes", reading.remarks),
        Check("files.unreadable", files.unreadable),
        Check("files.unlisted", files.unlisted),
        Check("files.case_clash", files.case_clash),
        Check("files.non_pictures", files.non_pictures),
        Check("files.hidden", files.hidden),
        *(Check(rule.check, rule) for rule in images.RULES),
        Check("images.tiny", images.tiny),
        Check("images.gray_mixed", images.gray_mixed),
        Check("duplicates.conflict", duplicates.conflict),
        Check("duplicates.exact", duplicates.exact),
        Check("duplicates.other_boxes", duplicates.other_boxes),
        Check("duplicates.near_conflict", duplicates.near_conflict),
        Check("duplicates.near", duplicates.near),
        Check("splits.leakage_exact", duplicates.leakage_exact),
        Check("splits.leakage_near", duplicates.leakage_near),
        Check("splits.leakage_group", duplicates.leakage_group),
        Check("splits.shared_identities", balance.shared_identities),
        Check("likeness.conflict", likeness.conflict),
        Check("likeness.leakage", likeness.leakage),
        Check("likeness.near", likeness.near),
        Check("likeness.label", likeness.doubtful_label),
        Check("likeness.outlier", likeness.outlier),
        Check("splits.missing", balance.splits_missing),
        Check("splits.skew", balance.skew),
        Check("balance.single_class", balance.single_class),
        Check("balance.missing_in_split", balance.missing_in_split),
        Check("balance.empty_class", balance.empty_class),
        Check("balance.few", balance.few),
        Check("balance.ratio", balance.ratio),
        Check("balance.background", balance.background),
        *(Check(told.check, told) for told in reading.TOLD),
        Check("labels.unlabelled", boxes.unlabelled),
        *(Check(rule.check, rule) for rule in boxes.RULES),
        Check("labels.copied", boxes.copied),
        Check("labels.crowded", boxes.crowded),
        Check("labels.nested", boxes.nested),
        Check("sizes.objects", sizes.objects),
        Check("masks.broken", masks.broken),
        Check("masks.classes", masks.classes),
        Check("masks.rare", masks.rare),
        Check("masks.empty", masks.empty),
        Check("masks.specks", masks.specks),
        Check("masks.shifted", masks.shifted),
        Check("captions.words", captions.words),
        Check("captions.repeated", captions.repeated),
        Check("captions.unseen", captions.unseen),
        Check("domains.balance", domains.balance),
        Check("domains.size", domains.size),
        Check("labels.near_names", files.near_names),
        Check("labels.suspicious_folders", files.suspicious_folders),
    ],
)
"""Every check by its id."""


def select(only: Sequence[str] | None, skip: Sequence[str] | None) -> list[Check]:
    """Return the chosen checks in the order of the table.

    Args:
        only: ids, or families such as "images"; None or nothing takes all.
        skip: likewise, taken away afterwards.

    Raises:
        ConfigError: if a name is no check and no family, or nothing is left.

    >>> [check.name for check in select(["splits"], ["splits.skew", "splits.missing"])]
    ['splits.leakage_exact', 'splits.leakage_near', 'splits.leakage_group', 'splits.shared_identities']
    """
    known = {*CHECKS.names, *(check.family for check in CHECKS)}
    for name in (*(only or ()), *(skip or ())):
        if name not in known:
            near = difflib.get_close_matches(name, sorted(known), n=1)
            families = ", ".join(sorted({check.family for check in CHECKS}))
            hint = f"did you mean {near[0]!r}?" if near else f"families of checks: {families}"
            raise ConfigError(f"no check is named {name!r}", hint=hint)
    chosen = [
        check
        for check in CHECKS
        if (not only or {check.name, check.family} & set(only))
        and not {check.name, check.family} & set(skip or ())
    ]
    if not chosen:
        raise ConfigError("no check is left to run", hint="take a name out of --skip, or add one to --only")
    return chosen


def run(checks: Iterable[Check], snapshot: Snapshot) -> Iterator[Finding]:
    """Yield what the checks find; one that crashes yields an error that says so.

    A crash must neither hide what the other checks found nor end in "nothing found", so here, and only
    here, every exception is caught.
    """
    for check in checks:
        try:
            yield from list(check.run(snapshot))
        except Exception as error:
            yield Finding(
                check.name, "error", f"this check crashed: {type(error).__name__}: {error}", count=1,
                advice=f"Report it, with what `nayan doctor DATA --only {check.name}` prints; until it is "
                f"mended, `--skip {check.name}` goes on without it.",
            )  # fmt: skip
