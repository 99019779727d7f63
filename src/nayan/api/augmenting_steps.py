"""The steps of `nayan augment`, each of which is skipped where its result is there already."""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nayan.api.common import open_predictor
from nayan.api.learning import resume, train
from nayan.core.errors import ConfigError
from nayan.core.events import Listener

if TYPE_CHECKING:
    from nayan.data.splits import Splits
    from nayan.report.page import Page
    from nayan.runtime.bundle import Bundle
    from nayan.runtime.spec import Spec
    from nayan.tasks.generation.sampling.augmenting.selecting import Wanted

DRAWING_BATCH = 32
"""Pictures a step of the generator at most; its BatchNorm learns little from eight."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What was asked for: the options of `nayan.augment` on which its result depends."""

    data: str
    model: str
    classifier: str | None
    weights: str | None
    imgsz: int | None
    batch: int | None
    epochs: int | None
    drawing_epochs: int | None
    diffaug: Sequence[str]
    share: float | None
    per_class: int | None
    tries: int
    confidence: float
    seeds: int
    seed: int
    format: str | None

    def wanted(self, counts: Sequence[int]) -> tuple[int, ...]:
        """Return how many drawn pictures of each class are wanted, from how many real ones there are."""
        if self.per_class is not None:
            return (self.per_class,) * len(counts)
        return tuple(max(1, round((self.share or 1.0) * count)) for count in counts)


class Chain:
    """The experiment, step by step.

    Args:
        plan: what was asked for.
        splits: the data.
        listener: called with the events of every run.
        machine: options of every training that do not change its result.
    """

    def __init__(
        self, plan: Plan, splits: Splits, *, listener: Listener | None, machine: Mapping[str, Any]
    ) -> None:
        self.plan = plan
        self.splits = splits
        self._listener = listener
        self._machine = {name: value for name, value in machine.items() if value is not None}
        self._given: Bundle | None = None

    def check_generator(self) -> None:
        """Open the generator, if it is a run that is given, and raise if it cannot draw these classes.

        Raises:
            ConfigError: if it draws no classes, or not all of these.
            NotFound: if it is neither a folder nor the name of a generator.
        """
        from nayan.core.registry import resolve
        from nayan.runtime.bundle import open_bundle
        from nayan.tasks import card_of_model

        name = self.plan.model
        if not Path(name).exists():
            card = card_of_model("generate", name)
            takes = resolve(card.catalog)[name].inputs
        else:
            self._given = open_bundle(Path(name))
            takes = self._given.spec.inputs
        if "noise" not in takes or "label" not in takes:
            raise ConfigError(
                f"{name} draws no classes that one can ask for, and what it draws would have none",
                hint="--model conditional_gan, or a run of it",
            )
        if self._given is not None:
            missing = [c for c in self.splits.train.classes if c not in self._given.spec.classes]
            if missing:
                raise ConfigError(
                    f"{name} does not draw {', '.join(missing[:5])}; it knows "
                    f"{', '.join(self._given.spec.classes[:20])}",
                    hint="name a run on data with these classes, or leave out --model to train one",
                )

    def go(self, folder: Path, begun: float) -> dict[str, Any]:
        """Do what is not done yet, write `result.json` and `report.html`, and return the result."""
        from nayan.data.splits import open_splits
        from nayan.report.html import render
        from nayan.runtime.fsio import write_file

        real = folder / "real"
        self._write_real(real)
        splits = open_splits(real, format="csv")
        plain = [self._plain(folder, 0)]
        generator = self._generator(folder)
        facts = self._selected(folder, splits, generator)
        plain += [self._plain(folder, number) for number in range(1, self.plan.seeds)]
        with_ = []
        if any(row["kept"] for row in facts["classes"].values()):
            with_ = [self._with(folder, number, splits, facts) for number in range(self.plan.seeds)]
        result = self._result(folder, splits, facts, generator=generator.spec, plain=plain, with_=with_)
        result["seconds"] = round(time.monotonic() - begun, 1)
        page = _page(result, folder)
        (folder / "report.html").write_text(render(page, folder / "pictures"), encoding="utf-8")
        write_file(folder / "result.json", json.dumps(result, indent=1, ensure_ascii=False))
        return result

    def _say(self, text: str) -> None:
        if self._listener is not None:
            self._listener({"event": "note", "text": text})

    def _write_real(self, folder: Path) -> None:
        from nayan.runtime.fsio import new_folder
        from nayan.tasks.generation.sampling.augmenting.tables import real_rows, write_rows

        parts = [part for part in (self.splits.train, self.splits.val, self.splits.test) if part is not None]
        if not folder.is_dir():
            with new_folder(folder) as draft:
                write_rows(real_rows(parts, draft), draft)

    def _trained(self, folder: Path, data: Path, *, config: Path | None = None, **options: Any) -> Spec:
        """Train, or go on with, or skip a run; return what came of it."""
        from nayan.runtime.bundle import open_bundle
        from nayan.training.folder import read_status

        if read_status(folder).get("state") != "finished":
            if (folder / "config.yaml").is_file():
                resume(folder, on_event=self._listener)
            else:
                shutil.rmtree(folder, ignore_errors=True)
                given = {name: value for name, value in options.items() if value is not None}
                train(data, config=config, out=folder, on_event=self._listener, **given, **self._machine)
        return open_bundle(folder / "model").spec

    def _plain(self, folder: Path, number: int) -> Spec:
        plan, seed = self.plan, self.plan.seed + number
        self._say(f"classifier without drawn pictures, seed {seed} ({number + 1} of {plan.seeds})")
        return self._trained(
            folder / f"plain_{number}",
            folder / "real",
            task="classify",
            format="csv",
            model=plan.classifier,
            weights=plan.weights,
            imgsz=plan.imgsz,
            batch=plan.batch,
            epochs=plan.epochs,
            seed=seed,
        )

    def _with(self, folder: Path, number: int, splits: Splits, facts: Mapping[str, Any]) -> Spec:
        """Train as the plain run of the same seed was, for as many steps, on drawn pictures, too."""
        from nayan.core.config import make_config

        plan, seed = self.plan, self.plan.seed + number
        self._say(f"classifier with drawn pictures, seed {seed} ({number + 1} of {plan.seeds})")
        file = folder / f"plain_{number}" / "config.yaml"
        config, _ = make_config({}, file)
        count = len(splits.train)
        kept = sum(row["kept"] for row in facts["classes"].values())
        batch, epochs = int(config.batch), config.epochs or 1
        before, after = (math.ceil(pictures / batch) for pictures in (count, count + kept))
        same = max(1, round(epochs * before / after))
        return self._trained(folder / f"with_{number}", folder / "data", config=file, epochs=same)

    def _generator(self, folder: Path) -> Bundle:
        from nayan.runtime.bundle import open_bundle

        if self._given is not None:
            return self._given
        self._say(f"the generator, {self.plan.model}")
        self._trained(
            folder / "generator",
            folder / "real",
            task="generate",
            format="csv",
            model=self.plan.model,
            epochs=self.plan.drawing_epochs,
            diffaug=tuple(self.plan.diffaug) or None,
            batch=min(DRAWING_BATCH, len(self.splits.train)),
            seed=self.plan.seed,
        )
        return open_bundle(folder / "generator" / "model")

    def _selected(self, folder: Path, splits: Splits, generator: Bundle) -> dict[str, Any]:
        """Draw, test and write what was kept; return the facts, in `pictures/selection.json` too."""
        from nayan.runtime.bundle import open_bundle
        from nayan.runtime.fsio import new_folder, write_file
        from nayan.tasks.generation.sampling.augmenting.selecting import select
        from nayan.tasks.generation.sampling.augmenting.sheets import write_sheets
        from nayan.tasks.generation.sampling.augmenting.tables import real_rows, write_drawn, write_rows

        done = folder / "pictures" / "selection.json"
        if done.is_file():
            facts: dict[str, Any] = json.loads(done.read_text(encoding="utf-8"))
            return facts
        names = splits.train.classes
        wanted = self._wanted(splits)
        self._say(f"drawing {self.plan.tries * sum(wanted.counts):,} pictures")
        judge = open_bundle(folder / "plain_0" / "model")
        selection = select(
            open_predictor(generator, "auto"),
            open_predictor(judge, "auto"),
            train=splits.train,
            held_out=splits.val,
            wanted=wanted,
        )
        for index, name in enumerate(names):
            selection.facts["classes"][name]["wanted"] = wanted.counts[index]
        assert splits.test is not None
        with new_folder(folder / "data") as draft:
            drawn = write_drawn(selection, names, draft)
            rows = real_rows([splits.train, splits.val, splits.test], draft)
            write_rows([*rows, *drawn], draft)
        with new_folder(folder / "pictures") as draft:
            write_sheets(selection, draft)
            write_file(draft / done.name, json.dumps(selection.facts, indent=1, ensure_ascii=False))
        return selection.facts

    def _wanted(self, splits: Splits) -> Wanted:
        from nayan.core.types import Label
        from nayan.tasks.generation.sampling.augmenting.selecting import Wanted

        labels = [s.target.index for s in splits.train.samples if isinstance(s.target, Label)]
        counts = [labels.count(index) for index in range(len(splits.train.classes))]
        plan = self.plan
        return Wanted(plan.wanted(counts), plan.tries, plan.confidence, plan.seed)

    def _result(
        self,
        folder: Path,
        splits: Splits,
        facts: Mapping[str, Any],
        *,
        generator: Spec,
        plain: Sequence[Spec],
        with_: Sequence[Spec],
    ) -> dict[str, Any]:
        from nayan.tasks.generation.sampling.augmenting.choosing import FATES
        from nayan.tasks.generation.sampling.augmenting.difference import compared

        parts = (splits.train, splits.val, splits.test)
        rows = facts["classes"].values()
        own = self._given is None
        seeds = range(self.plan.seed, self.plan.seed + self.plan.seeds)
        scores = [[spec.metrics["test"]["accuracy"] for spec in specs] for specs in (plain, with_)]
        return {
            "schema_version": 1,
            "task": "augment",
            "data": self.plan.data,
            "split": "test",
            "classifier": plain[0].model,
            "generator": {
                "model": generator.model,
                "run": str(folder / "generator") if own else self.plan.model,
                "same_data": own or self._same_data(generator),
            },
            "pictures": {
                **{part.split: len(part) for part in parts if part is not None},
                "drawn": sum(row[fate] for row in rows for fate in FATES),
                "kept": sum(row["kept"] for row in rows),
            },
            **{name: facts[name] for name in ("classes", "real", "variety", "features")},
            "steps": {
                "plain": plain[0].provenance["steps"],
                "with": with_[0].provenance["steps"] if with_ else None,
            },
            **compared(seeds, *scores),
            "out": str(folder),
            "set": str(folder / "data"),
            "report": str(folder / "report.html"),
        }

    def _same_data(self, generator: Spec) -> bool:
        """Say whether the generator that was given has learnt from these very training pictures."""
        from nayan.data.fingerprint import fingerprint
        from nayan.data.originals import as_originals

        learnt = (generator.provenance.get("data") or {}).get("fingerprint")
        return learnt == fingerprint(as_originals(self.splits.train))


def _page(result: Mapping[str, Any], folder: Path) -> Page:
    from nayan.report.page import Page, Section
    from nayan.tasks.generation.sampling.augmenting.findings import (
        command_panels,
        limit_panels,
        picture_panels,
        result_panels,
        summary,
    )

    told = summary(result)
    return Page(
        title=f"Synthetic pictures for {Path(result['data']).name}",
        eyebrow="augmentation",
        verdict=told.verdict,
        worries=told.worries,
        tiles=told.tiles,
        sections=[
            Section("result", "With and without", "Result", result_panels(result)),
            Section("pictures", "What was drawn", "Pictures", picture_panels(result, folder / "pictures")),
            Section("limits", "What this does not show", "Limits", limit_panels(result)),
            Section("next", "Commands", "Commands", command_panels(result)),
        ],
    )
