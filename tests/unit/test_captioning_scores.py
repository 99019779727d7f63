"""BLEU, alignments and the metric of captions, against numbers worked out by hand."""

from __future__ import annotations

import math

import pytest

from nayan.core.errors import DataError, ShapeError
from nayan.core.types import Caption, Label
from nayan.tasks.generation.captioning.alignment import align, nearest
from nayan.tasks.generation.captioning.bleu import bleu
from nayan.tasks.generation.captioning.findings import panels, summary
from nayan.tasks.generation.captioning.metric import CaptioningMetric, mistakes

PAPER_SAID = "It is a guide to action which ensures that the military always obeys the commands of the party"
PAPER_KNOWN = (
    "It is a guide to action that ensures that the military will forever heed Party commands",
    "It is the guiding principle which guarantees the military forces always being under the command of the "
    "Party",
    "It is the practical guide for the army always to heed the directions of the party",
)


def words(*texts: str) -> list[list[str]]:
    return [text.lower().split() for text in texts]


def test_the_first_candidate_of_the_paper_has_its_modified_precisions() -> None:
    said, known = words(PAPER_SAID), [words(*PAPER_KNOWN)]
    assert bleu(said, known, orders=1) == pytest.approx(17 / 18)  # section 2.1: all but "obeys"
    pairs = bleu(said, known, orders=2)
    assert pairs == pytest.approx(math.sqrt(17 / 18 * 10 / 17))  # 10 of its 17 pairs, section 2.1


def test_what_is_shorter_than_the_nearest_reference_is_punished() -> None:
    said = words("a red three")
    assert bleu(said, [words("a red three on black")]) == pytest.approx(math.exp(1 - 5 / 3))
    assert bleu(said, [words("a red three on black", "a three")]) == pytest.approx(1.0)  # r = 2
    assert bleu(said, [words("a red three on", "six", "a b c d e")]) == pytest.approx(math.exp(1 - 4 / 3))


def test_it_is_of_the_whole_set_and_not_a_mean_over_sentences() -> None:
    said, known = words("a b c d", "x y"), [words("a b c d"), words("p q")]
    assert bleu(said, known, orders=2) == pytest.approx(math.sqrt(4 / 6 * 3 / 4))


def test_runs_longer_than_all_that_was_said_do_not_count() -> None:
    assert bleu(words("a red three"), [words("a red three")]) == 1.0
    assert bleu(words("three"), [words("three")]) == 1.0


@pytest.mark.parametrize("said", ["", "moon"])
def test_nothing_right_is_zero(said: str) -> None:
    assert bleu([said.split()], [words("a red three")]) == 0


def test_changes_are_as_few_as_can_be() -> None:
    assert align(["a", "b", "c"], ["a", "b", "c"]) == []
    assert align(["a", "x", "b", "c"], ["a", "b", "d"]) == [("x", ""), ("c", "d")]
    assert align([], ["a"]) == [("", "a")]
    assert nearest(["a", "b"], words("c d", "a c"))[1] == [("b", "c")]


def judged() -> CaptioningMetric:
    metric = CaptioningMetric(())
    metric.update(
        [Caption(("a red three", "a red two"), (0.9, 0.1)), Caption(("a blue six",), (0.5,))],
        [Caption(("A red three", "the digit 3 in red")), Caption(("a green six", "the digit 6 in green"))],
    )
    return metric


def test_a_caption_is_exact_where_the_best_sentence_is_one_of_the_true_ones() -> None:
    scores = judged().compute()
    assert scores["exact"] == 0.5
    assert scores["bleu1"] == pytest.approx(5 / 6)
    assert scores["bleu2"] == pytest.approx(math.sqrt(5 / 6 * 2 / 4))
    assert list(scores) == ["exact", "bleu1", "bleu2", "bleu3", "bleu4"]


def test_the_details_name_what_is_never_said_and_what_is_mixed_up() -> None:
    metric = judged()
    details = metric.details()
    assert details["confusions"] == [{"said": "blue", "truth": "green", "count": 1}]
    assert {each["word"] for each in details["never_said"]} == {"the", "digit", "3", "6", "in", "green"}
    assert details["protocol"] == metric.protocol
    assert "2 pictures against 2 true ones of each" in metric.protocol


def test_mistakes_are_the_worst_first_and_say_the_nearest_truth() -> None:
    predictions = [
        Caption(("a red three",), (0.9,)),
        Caption(("a blue six",), (0.5,)),
        Caption(("moon",), (0.2,)),
    ]
    targets = [Caption(("a red three",)), Caption(("a green six",)), Caption(("a red two",))]
    records = mistakes(predictions, targets, (), limit=3)
    assert [record["row"] for record in records] == [2, 1, 0]
    assert [record["is_true"] for record in records] == [False, False, True]
    assert records[1]["truth"] == "a green six"
    assert len(mistakes(predictions, targets, (), limit=2)) == 2


def test_of_equal_mistakes_the_surest_come_first_and_of_true_captions_the_least_sure() -> None:
    predictions = [
        Caption((text,), (score,)) for text, score in (("a", 0.2), ("a", 0.3), ("b", 0.4), ("b", 0.5))
    ]
    records = mistakes(predictions, [Caption(("a",))] * 4, (), limit=4)
    assert [record["row"] for record in records] == [3, 2, 0, 1]


def test_the_report_says_it_in_words() -> None:
    metric = judged()
    document = {
        "metrics": metric.compute(),
        "details": {**metric.details(), "words": 4},
        "split": "test",
        "worst": [{"is_true": False, "said": "a blue six", "truth": "a green six", "score": 0.5}],
    }
    told = summary(document)
    assert "Of 50.0 % of the 2 test pictures it says word for word" in told.verdict[0]
    assert any("6 words that people say here it never says" in worry for worry in told.worries)
    titles = [panel.title for panel in panels(document)]
    assert titles == [
        "The worst captions",
        "Words that it mixes up",
        "Words that it never says",
        "The scores",
    ]
    assert summary({}).verdict == ()
    assert panels({}) == []


def test_what_cannot_be_judged_is_refused() -> None:
    metric = CaptioningMetric(())
    with pytest.raises(DataError, match="no caption could be judged"):
        metric.compute()
    with pytest.raises(ShapeError, match="1 captions for 0 pictures"):
        metric.update([Caption(("a",))], [])
    with pytest.raises(DataError, match="there is none"):
        metric.update([Caption(("a",))], [Label(0)])  # type: ignore[list-item]
