"""`nayan verify`: do two pictures show the same."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from nayan.cli.output import COMMON, Common, Output
from nayan.cli.val import Backend, Model
from nayan.core.errors import ConfigError, DataError
from nayan.core.phrases import percent

COLUMNS = ("a", "b", "distance", "probability", "same", "expected", "error")


def verify(
    model: Model,
    a: Annotated[Path | None, Parameter(help="a picture", show_default=False)] = None,
    b: Annotated[Path | None, Parameter(help="another picture", show_default=False)] = None,
    /,
    *,
    pairs: Annotated[
        Path | None,
        Parameter(
            help="many pairs instead: a CSV with the columns image_a,image_b, and perhaps same; its paths "
            "are relative to it",
            metavar="FILE.csv",
        ),
    ] = None,
    far: Annotated[
        float | None,
        Parameter(
            help="decide for this false-accept rate, one that the model keeps a threshold for, such as 1e-2 "
            "[default: the one it was trained for]",
            metavar="F",
        ),
    ] = None,
    format: Annotated[
        Literal["json", "csv"] | None, Parameter(help="of the result, instead of plain text")
    ] = None,
    strict: Annotated[bool, Parameter(help="exit 3 if any picture cannot be read", negative="")] = False,
    backend: Backend = "auto",
    common: Common = COMMON,
) -> Output:
    """Say whether two pictures show the same: distance, probability, decision.

    The threshold was fitted on validation for a wanted false-accept rate, and is kept in the bundle. What is
    known of that rate is told on stderr.
    """
    from nayan import api

    if common.json and format == "csv":
        raise ConfigError("--json and --format csv contradict each other", hint="give one of them")
    _check_pictures(a, b, pairs)
    if pairs is not None:
        result = api.verify_pairs(model, pairs, far=far, backend=backend)
    else:
        assert a is not None
        assert b is not None
        result = api.verify(model, a, b, far=far, backend=backend)
    common.say(threshold_text(result))
    records: Sequence[Mapping[str, Any]] = result.get("pairs", [result])
    failed = [record for record in records if "error" in record]
    for record in failed:
        common.say(f"warning: {record['a']} and {record['b']}: {record['error']}")
    if "metrics" in result:
        common.say(_right(result["metrics"], records))
    code = DataError.exit_code if len(failed) == len(records) or (strict and failed) else 0
    if format == "csv":
        return Output(_csv(records), code)
    text = "\n".join(_line(record) for record in records if "error" not in record)
    wanted = Common(json=common.json or format == "json", quiet=common.quiet, debug=common.debug)
    return wanted.output(result, text, exit_code=code)


def threshold_text(result: Mapping[str, Any]) -> str:
    """Return what is known of a threshold as one line.

    >>> far = {"wanted": 0.01, "accepted": 6, "different": 600, "at_most": 0.0196, "evidence": "good"}
    >>> threshold_text({"threshold": 0.8, "far": far, "tar": 0.9, "identities": 4})[:51]
    'up to 0.800 is the same, for a false-accept rate of'
    """
    far = result["far"]
    if result["threshold"] < 0:
        return (
            f"warning: no distance is small enough for a false-accept rate of {percent(far['wanted'])}, so "
            "that nothing is taken for the same: ask for a larger --far"
        )
    who = f" of {result['identities']:,} identities" if result["identities"] else ""
    text = (
        f"up to {result['threshold']:.3f} is the same, for a false-accept rate of {percent(far['wanted'])}; "
    )
    text += f"in validation{who} {far['accepted']:,} of {far['different']:,} pairs of two lay within it"
    text += f", and {percent(result['tar'])} of those of one"
    if far["evidence"] == "good":
        return text
    doubt = "cannot show" if far["evidence"] == "none" else "hardly show"
    return f"warning: {text}. So few {doubt} that rate: it may be up to {percent(far['at_most'])}"


def _check_pictures(a: Path | None, b: Path | None, pairs: Path | None) -> None:
    if pairs is not None and a is not None:
        raise ConfigError("two pictures and --pairs contradict each other", hint="give one of them")
    if pairs is None and (a is None or b is None):
        raise ConfigError(
            "two pictures are compared, and one is missing" if a else "there is nothing to compare",
            hint="nayan verify MODEL A B, or nayan verify MODEL --pairs FILE.csv",
        )


def _line(record: Mapping[str, Any]) -> str:
    """Return a pair as text.

    >>> _line({"a": "x.jpg", "b": "y.jpg", "distance": 0.412, "probability": 0.981, "same": True})
    'x.jpg, y.jpg: the same, distance 0.412, probability 0.98'
    """
    said = "the same" if record["same"] else "different"
    wrong = "expected" in record and record["expected"] != record["same"]
    text = f"{record['a']}, {record['b']}: {said}, distance {record['distance']:.3f}, "
    return f"{text}probability {record['probability']:.2f}{' (wrong)' if wrong else ''}"


def _right(metrics: Mapping[str, float], records: Sequence[Mapping[str, Any]]) -> str:
    judged = [record for record in records if "expected" in record]
    right = sum(record["same"] == record["expected"] for record in judged)
    scores = ", ".join(f"{name} {value:.4f}" for name, value in metrics.items() if name != "right")
    return f"right: {right:,} of {len(judged):,} ({percent(right / len(judged))}); {scores}"


def _csv(records: Sequence[Mapping[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    columns = [name for name in COLUMNS if name != "expected" or any(name in each for each in records)]
    writer.writerow(columns)
    for record in records:
        writer.writerow(_cell(record.get(name, "")) for name in columns)
    return text.getvalue().rstrip("\n")


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return int(value)
    return f"{value:.6f}" if isinstance(value, float) else value
