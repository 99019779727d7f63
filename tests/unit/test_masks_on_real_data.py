"""The packs with masks: what they are, what their masks mean, and what the doctor says."""

from pathlib import Path

import numpy as np
import pytest

from nayan.core.types import VOID
from nayan.data.doctor import diagnose
from nayan.data.readers import recognise
from nayan.data.readers.masks import MasksReader
from nayan.data.splits import open_splits

pytestmark = pytest.mark.data


@pytest.mark.parametrize(
    ("pack", "summary", "kind"),
    [
        ("segment-camvid", "masks (11 classes, train 110, val 30, test 40)", "ids"),
        ("segment-human", "masks (2 classes, train 175, val 25, test 30)", "ids"),
        ("segment-membrane", "masks (2 classes, train 17, val 4, test 4)", "ids"),
    ],
)
def test_the_packs_are_recognised(data_packs: Path, pack: str, summary: str, kind: str) -> None:
    splits = open_splits(data_packs / pack)
    assert splits.summary == summary
    assert not splits.made
    assert splits.train.info["mapping"]["kind"] == kind
    sample = splits.test.samples[0]
    assert sample.target.load().size == sample.load().shape[:2]


def test_the_void_of_camvid_is_no_class(data_packs: Path) -> None:
    data = MasksReader().read(data_packs / "segment-camvid", "test")
    assert (data.classes[0], data.classes[-1]) == ("sky", "bicyclist")
    assert data.info["mapping"]["values"]["11"] == "void"
    found = set(np.unique(data.samples[0].target.load().ids).tolist())
    assert VOID in found
    assert max(found - {VOID}) <= 10


@pytest.mark.parametrize(
    "pack", ["detect-bccd", "detect-plates", "detect-traffic", "classify-flowers", "style"]
)
def test_nothing_else_is_taken_for_masks(data_packs: Path, pack: str) -> None:
    assert MasksReader().sniff(data_packs / pack).score == 0
    assert recognise(data_packs / pack).reader.name != "masks"


def test_the_masks_of_membranes_lie_on_their_pictures(data_packs: Path) -> None:
    diagnosis = diagnose(data_packs / "segment-membrane", only=["masks"])
    assert [finding.check for finding in diagnosis.findings] == ["masks.classes"]
