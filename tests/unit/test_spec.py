from __future__ import annotations

import json
from typing import Any

import pytest

from nayan.core.errors import BundleError
from nayan.runtime.preprocess import Preprocess
from nayan.runtime.spec import VERSION, Spec
from nayan.runtime.tiles import Tiling

SPEC = Spec(
    task="classification",
    model="lenet",
    model_args={"size": [28, 28]},
    classes=("Möwe", "kite"),
    preprocess=Preprocess((28, 28), "stretch", mean=(0.5,), std=(0.5,), channels=1),
    decode_args={"thresholds": [0.5, 0.25]},
    metrics={"test": {"accuracy": 0.99}},
)


def changed(**changes: Any) -> str:
    return json.dumps({**json.loads(SPEC.to_json()), **changes})


def test_a_spec_survives_json() -> None:
    assert Spec.from_json(SPEC.to_json()) == SPEC


def test_a_spec_with_tiles_survives_json_and_one_from_before_there_were_any_has_none() -> None:
    tiled = SPEC.with_(tiling=Tiling(640, 0.25))
    assert Spec.from_json(tiled.to_json()) == tiled
    record = json.loads(SPEC.to_json())
    del record["tiling"]
    assert Spec.from_json(json.dumps(record)) == SPEC


def test_a_spec_is_written_the_same_every_time() -> None:
    assert SPEC.to_json() == Spec.from_json(SPEC.to_json()).to_json()
    assert "Möwe" in SPEC.to_json()


def test_a_copy_differs_in_what_was_replaced() -> None:
    copy = SPEC.with_(model="resnet18")
    assert (copy.model, copy.classes, SPEC.model) == ("resnet18", SPEC.classes, "lenet")


def test_a_newer_version_is_refused_with_advice() -> None:
    with pytest.raises(BundleError, match="format version 2, this nayan reads up to 1") as caught:
        Spec.from_json(changed(version=VERSION + 1, novelty={}))
    assert "--upgrade" in caught.value.hint


@pytest.mark.parametrize(
    "text",
    ["", "[]", "7", "null", "{}", "[" * 100_000, '{"version": 1}', '{"version": "1"}', '{"version": 1e999}'],
)
def test_what_is_no_spec_is_refused(text: str) -> None:
    with pytest.raises(BundleError, match=r"spec\.json"):
        Spec.from_json(text)


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 0},
        {"version": True},
        {"surprise": 1},
        {"classes": "ab"},
        {"classes": [1, 2]},
        {"classes": ["\ud800"]},
        {"classes": None},
        {"task": None},
        {"model": 3},
        {"model_args": []},
        {"decode_args": "rm"},
        {"metrics": 3},
        {"preprocess": []},
        {"preprocess": {"size": [10**9, 10**9]}},
        {"preprocess": {"size": [8, 8], "fit": "__import__"}},
        {"tiling": 640},
        {"tiling": {"side": 640, "overlap": "half"}},
        {"tiling": {"side": 0}},
        {"tiling": {"side": 640, "shape": "hexagon"}},
    ],
)
def test_a_damaged_spec_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(BundleError, match=r"spec\.json"):
        Spec.from_json(changed(**changes))
