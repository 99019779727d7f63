"""Sentences as conditions: which are drawn, which are wrong, and which cannot be asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from nayan.core.errors import ConfigError, LabelError, NotFound
from nayan.core.types import Caption, Dataset, Label, Original, Picture, Sample, Target
from nayan.runtime.inputs import make_inputs
from nayan.runtime.predictor import Predictor
from nayan.runtime.preprocess import Placement, Preprocess
from nayan.runtime.spec import Spec
from nayan.tasks.base import Batch, Item
from nayan.tasks.generation.sampling.catalog import MODELS
from nayan.tasks.generation.sampling.conditions import drawn_conditions, some_texts, wrong_conditions
from nayan.tasks.generation.sampling.drawing import asked_for, draw_pictures
from nayan.tasks.generation.sampling.models.text_to_image import SentenceEncoder
from nayan.tasks.generation.sampling.network import Adversaries, SamplingRaw, Turn
from nayan.tasks.generation.sampling.task import SamplingTask

SIDE = 16
PIXELS = np.zeros((SIDE, SIDE, 3), np.uint8)
PLACE = Placement((SIDE, SIDE), (1.0, 1.0), (0.0, 0.0))
ENTRY = MODELS["text_to_image"]
TEXTS = (("a red dot", "dot in red"), ("a blue bar",), ("a red line", "line in red", "a line"))


def data_of(*targets: Target) -> Dataset:
    samples = [
        Sample(f"{number}.png", lambda: PIXELS, Original(lambda: PIXELS, about=target))
        for number, target in enumerate(targets)
    ]
    return Dataset(tuple(samples), (), Path("data"), "captions")


def captions() -> Dataset:
    return data_of(*(Caption(texts) for texts in TEXTS))


def taught() -> tuple[SamplingTask, dict[str, Any]]:
    task = SamplingTask()
    return task, task.data_args(ENTRY, captions(), preprocess=ENTRY.preprocess)


def spec_of(task: SamplingTask, args: dict[str, Any]) -> Spec:
    inputs = task.inputs(ENTRY, (), args=args)
    return Spec("generation", "text_to_image", args, (), Preprocess((SIDE, SIDE)), inputs=inputs)


def batch_of(task: SamplingTask, data: Dataset) -> Batch:
    return task.collate([Item(PIXELS, sample.target, sample.id, PLACE) for sample in data.samples])


def test_the_words_of_the_captions_and_some_of_these_belong_to_the_network() -> None:
    task, args = taught()
    assert args["words"] == ("a", "bar", "blue", "dot", "in", "line", "red")
    assert args["length"] == 5
    assert len(args["captions"]) == 3
    assert {text in TEXTS[row] for text in args["captions"] for row in range(3)} == {True, False}
    inputs = task.inputs(ENTRY, (), args=args)
    made = make_inputs(inputs, [np.full((4, 4, 3), value, np.uint8) for value in range(40)])
    rows = {tuple(row) for row in made["caption"].tolist()}
    assert rows == {tuple(row) for row in inputs["caption"]["rows"]}
    again = make_inputs(inputs, [np.full((4, 4, 3), 7, np.uint8)])["caption"][0]
    assert again.tolist() == made["caption"][7].tolist()


def test_captions_are_kept_as_often_as_the_data_have_them() -> None:
    often = data_of(*[Caption(("an apple",))] * 90, *[Caption(("a pear",))] * 10)
    kept = some_texts(often, 50)
    assert len(kept) == 50
    assert 0 < kept.count("a pear") < 15
    assert kept == some_texts(often, 50)


def test_every_text_of_a_picture_is_drawn_and_the_same_ones_from_the_same_seed() -> None:
    task, _ = taught()
    batch = batch_of(task, captions())
    assert batch.targets.shape == (3, 3, 5)
    drawn = []
    for seed in (*range(30), 0):
        torch.manual_seed(seed)
        drawn.append(drawn_conditions(batch.targets))
    assert torch.equal(drawn[0], drawn[-1])
    for row, texts in enumerate(TEXTS):
        assert len({tuple(each[row].tolist()) for each in drawn}) == len(texts)
    assert all(
        bool((each[:, 0] == 1).all()) for each in drawn
    )  # each has a beginning: none is made of blanks


def test_a_caption_of_another_picture_is_wrong_unless_it_is_one_of_its_own_too() -> None:
    task, _ = taught()
    batch = batch_of(task, data_of(Caption(("a dot",)), Caption(("a bar", "a dot")), Caption(("a line",))))
    known = batch.targets
    torch.manual_seed(0)
    seen = [wrong_conditions(known, known[:, 0]) for _ in range(20)]
    dot, bar, line = (tuple(row.tolist()) for row in known[:, 0])
    given = [{tuple(wrong[row].tolist()) for wrong, _ in seen} for row in range(3)]
    assert given == [{bar, line}, {line}, {dot, bar}]  # the dot fits the second picture as well
    assert all(is_wrong.all() for _, is_wrong in seen)
    assert not wrong_conditions(known[:1], known[:1, 0])[1].any()


def test_most_wrong_captions_are_nearly_right() -> None:
    task, _ = taught()
    texts = ("a red dot", "a red bar", "a blue dot", "a blue line")
    known = batch_of(task, data_of(*(Caption((text,)) for text in texts))).targets
    torch.manual_seed(0)
    wrong = torch.stack([wrong_conditions(known, known[:, 0])[0] for _ in range(200)])
    shares = {
        text: float((wrong[:, 0] == known[row, 0]).all(1).float().mean()) for row, text in enumerate(texts)
    }
    assert shares["a red dot"] == 0
    assert shares["a blue line"] == pytest.approx(1 / 6, abs=0.06)  # a third of those that may be any
    assert shares["a red bar"] == pytest.approx(shares["a blue dot"], abs=0.12)


class Told(nn.Module):
    """Says what it is given: the second number of the sentence."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, _pictures: Tensor, condition: Tensor) -> Tensor:
        return condition[:, 1] * self.weight


def test_a_real_picture_under_a_wrong_caption_counts_as_false() -> None:
    task, args = taught()
    batch = batch_of(task, captions())
    network: Any = task.build(ENTRY, (), size=(SIDE, SIDE), width=8, **args)
    network.discriminator = Told()
    torch.manual_seed(0)
    losses = task.losses(network, batch, "discriminator")
    assert set(losses) == {"discriminator", "D(x)", "D(wrong)", "D(G(z))"}
    torch.manual_seed(0)
    drawn = drawn_conditions(batch.targets)
    said = drawn[:, 1].float()
    wrong, is_wrong = wrong_conditions(batch.targets, drawn)
    assert is_wrong.all()
    false = torch.cat([said, wrong[:, 1].float()])  # drawn ones under the right, real ones under the wrong
    softplus = nn.functional.softplus
    expected = softplus(-said).mean() + softplus(false).mean()
    assert float(losses["discriminator"].detach()) == pytest.approx(float(expected))


def test_both_turns_of_a_step_are_about_the_same_sentences() -> None:
    seen: list[Tensor] = []

    class Watched(Adversaries):
        def forward(self, images: Tensor, targets: Turn | None = None, **given: Any) -> SamplingRaw:
            seen.append(given["caption"])
            return super().forward(images, targets, **given)

    task, args = taught()
    network: Any = task.build(ENTRY, (), size=(SIDE, SIDE), width=8, **args)
    network.__class__ = Watched
    batch = batch_of(task, captions())
    for phase in ("generator", "discriminator"):
        task.losses(network, batch, phase)
    assert seen[0] is seen[1]


def test_what_follows_the_end_of_a_sentence_says_nothing() -> None:
    torch.manual_seed(0)
    read = SentenceEncoder(8)
    short = torch.tensor([[1, 4, 5, 2]])
    long = torch.tensor([[1, 4, 5, 2, 0, 0, 0]])
    torch.testing.assert_close(read(short), read(long))
    other = torch.tensor([[1, 5, 4, 2]])
    assert not torch.allclose(read(short), read(other))  # the order of words matters


def test_a_picture_without_a_caption_cannot_teach_to_draw_from_one() -> None:
    task, args = taught()
    network = task.build(ENTRY, (), size=(SIDE, SIDE), width=8, **args)
    batch = batch_of(task, data_of(Caption(("a red dot",)), None))
    with pytest.raises(LabelError, match=r"1\.png: to learn to draw from sentences, every picture needs one"):
        task.losses(network, batch, "generator")
    with pytest.raises(ConfigError, match="learns from pictures with captions, and these have none"):
        SamplingTask().data_args(ENTRY, data_of(Label(0)), preprocess=ENTRY.preprocess)
    assert SamplingTask().data_args(MODELS["dcgan"], captions(), preprocess=ENTRY.preprocess) == {}


def test_sentences_are_drawn_in_turn_and_without_any_those_that_were_kept() -> None:
    task, args = taught()
    spec = spec_of(task, args)
    asked = asked_for(spec, 3, captions=["a red dot", "a blue bar"])
    assert asked is not None
    assert asked.kind == "caption"
    assert asked.names == ("a red dot", "a blue bar", "a red dot")
    assert asked.values.tolist()[0] == [1, 4, 10, 7, 2]
    kept = asked_for(spec, 4)
    assert kept is not None
    assert kept.names == (*args["captions"], args["captions"][0])
    echo = Predictor(spec, lambda _pixels, **given: given, _echo)
    drawn = draw_pictures(echo, np.zeros((3, 4), np.float32), asked)
    assert [picture[0, 0, 0] for picture in drawn] == [10, 6, 10]


def _echo(outputs: Any, places: Any) -> list[Picture]:
    return [Picture(np.full((1, 1, 3), row[2], np.uint8)) for row in outputs["caption"]]


def test_what_a_model_has_not_learnt_cannot_be_asked_for() -> None:
    task, args = taught()
    spec = spec_of(task, args)
    with pytest.raises(NotFound, match="no word of this model is named 'rde'") as found:
        asked_for(spec, 1, captions=["a rde dot"])
    assert found.value.near == ("red",)
    with pytest.raises(ConfigError, match="longer than any caption that this model has learnt from, 3 words"):
        asked_for(spec, 1, captions=["a red red dot"])
    with pytest.raises(ConfigError, match="reads sentences and knows no classes"):
        asked_for(spec, 1, label="dot")
    plain = Spec("generation", "dcgan", {}, (), Preprocess((SIDE, SIDE)), inputs={})
    with pytest.raises(ConfigError, match="cannot be asked for 'a dot'"):
        asked_for(plain, 1, captions=["a dot"])
    named = Spec(
        "generation", "conditional_gan", {}, ("dot",), Preprocess((SIDE, SIDE)), inputs={"label": {}}
    )
    with pytest.raises(ConfigError, match="knows classes and reads no sentences"):
        asked_for(named, 1, captions=["a dot"])
