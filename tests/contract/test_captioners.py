"""What every network that writes captions promises, checked on tiny pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from nayan.core.errors import ConfigError, LabelError
from nayan.core.types import Caption, Dataset, Label, Sample
from nayan.core.vocabulary import END, PAD, START
from nayan.export.onnx import export_onnx
from nayan.export.parity import check_parity
from nayan.export.torch_backend import TorchBackend
from nayan.runtime.backends.onnx import OnnxBackend
from nayan.runtime.preprocess import Placement, Preprocess
from nayan.runtime.spec import Spec
from nayan.tasks.base import Item, Network
from nayan.tasks.generation.captioning.catalog import MODELS
from nayan.tasks.generation.captioning.decode import OUTPUTS, decode
from nayan.tasks.generation.captioning.decoder import Decoder
from nayan.tasks.generation.captioning.network import CaptionRaw
from nayan.tasks.generation.captioning.task import CaptioningTask

SIDE, CHANNELS = 32, 3
PLACE = Placement((SIDE, SIDE), (1.0, 1.0), (0.0, 0.0))
DOCS = Path(__file__).parents[2] / "docs" / "models"
TINY: dict[str, dict[str, Any]] = {"captioner": {"dim": 32}}
TRUE = (
    Caption(("a red bar", "the bar is red")),
    Caption(("a green dot",)),
    Caption(("a blue bar", "the bar is blue")),
    Caption(("nothing",)),
)

entries = pytest.mark.parametrize("name", MODELS.names, scope="module")


def items(count: int = 4) -> list[Item]:
    rng = np.random.default_rng(1)
    pixels = [rng.integers(0, 256, (SIDE, SIDE, CHANNELS), dtype=np.uint8) for _ in range(count)]
    return [
        Item(each, truth, str(number), PLACE, truth)
        for number, (each, truth) in enumerate(zip(pixels, TRUE[:count], strict=True))
    ]


def build(name: str, **args: Any) -> tuple[CaptioningTask, Any]:
    torch.manual_seed(0)
    task = CaptioningTask()
    data = Dataset(tuple(Sample(str(n), lambda: None, each) for n, each in enumerate(TRUE)), (), Path(), "x")
    fitted = task.data_args(MODELS[name], data, preprocess=MODELS[name].preprocess)
    return task, task.build(MODELS[name], (), **{"size": (SIDE, SIDE), **TINY[name], **fitted, **args})


def answer(network: Any, images: Tensor) -> dict[str, Tensor]:
    with torch.no_grad():
        named: dict[str, Tensor] = network.deploy(network(images))
    return named


@entries
class TestEveryEntry:
    def test_it_gives_the_same_type_in_training_and_evaluation(self, name: str) -> None:
        task, network = build(name)
        assert isinstance(network, Network)
        batch = task.collate(items())
        for mode in (True, False):
            raw = network.train(mode)(batch.images, **batch.extra)
            assert type(raw) is CaptionRaw
            assert raw.logits.shape == (*batch.extra["tokens"].shape, len(task.vocabulary))
        assert network(batch.images).logits is None

    @pytest.mark.parametrize("count", [1, 2])
    def test_a_step_gives_every_parameter_a_finite_gradient(self, name: str, count: int) -> None:
        task, network = build(name)
        batch = task.collate(items(count))
        (loss,) = task.losses(network, batch, "main").values()
        loss.backward()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())

    def test_a_batch_of_one_is_answered_as_a_batch_of_two(self, name: str) -> None:
        task, network = build(name)
        images = task.collate(items(2)).images
        both, alone = answer(network.eval(), images), answer(network, images[:1])
        assert tuple(both) == OUTPUTS
        assert torch.equal(alone["tokens"], both["tokens"][:1])
        torch.testing.assert_close(alone["logprob"], both["logprob"][:1], rtol=1e-4, atol=1e-4)

    def test_what_is_deployed_is_decoded_to_whole_sentences(self, name: str) -> None:
        task, network = build(name)
        named = answer(network.eval(), task.collate(items()).images)
        assert named["tokens"].shape == (4, 3, network.length)
        for said in named["tokens"].flatten(0, 1).tolist():
            assert said.count(END) == 1
            assert set(said[said.index(END) + 1 :]) <= {PAD}
        found = decode({key: value.numpy() for key, value in named.items()}, [PLACE] * 4, **task.decode_args)
        known = {word for each in TRUE for text in each.texts for word in text.split()}
        assert all(set(text.split()) <= known for each in found for text in each.texts)
        assert all(list(each.scores) == sorted(each.scores, reverse=True) for each in found)

    def test_the_chain_of_its_stages_is_what_it_sees(self, name: str) -> None:
        task, network = build(name)
        batch = task.collate(items(2))
        x: Any = batch.images
        network.eval()
        with torch.no_grad():
            for _, stage in network.stages():
                x = stage(x)
            assert torch.equal(x.cells, network(batch.images).cells)
        staged = [id(p) for _, stage in network.stages() for p in stage.parameters()]
        assert sorted(staged) == sorted(id(p) for p in network.parameters())
        assert network.stages()[-1][0] == "head"

    def test_saved_and_loaded_it_answers_identically(self, name: str, tmp_path: Path) -> None:
        task, network = build(name)
        save_file(network.state_dict(), tmp_path / "weights.safetensors")
        _, other = build(name)
        torch.nn.init.zeros_(other.head.places)
        other.load_state_dict(load_file(tmp_path / "weights.safetensors"))
        images = task.collate(items()).images
        first, second = answer(network.eval(), images), answer(other.eval(), images)
        assert all(torch.equal(first[key], second[key]) for key in OUTPUTS)

    @pytest.mark.parametrize("beam", [1, 3])
    def test_its_graph_says_what_it_says(self, name: str, beam: int, tmp_path: Path) -> None:
        _, network = build(name, beam=beam)
        spec = Spec("captioning", name, {}, (), Preprocess((SIDE, SIDE), "stretch"))
        export_onnx(network.eval(), spec, tmp_path / "model.onnx")
        placed = [(item.pixels, PLACE) for item in items(3)]
        backend = OnnxBackend(tmp_path / "model.onnx")
        parity = check_parity(TorchBackend(network), backend, placed, spec=spec, batch=2)
        assert parity.holds, str(parity)

    def test_it_learns_four_pictures_by_heart(self, name: str) -> None:
        task, network = build(name, dropout=0.0)
        batch = task.collate(items())
        optimiser = torch.optim.AdamW(network.parameters(), lr=5e-3)
        for _ in range(50):
            (loss,) = task.losses(network, batch, "main").values()
            loss.backward()
            optimiser.step()
            optimiser.zero_grad()
        named = answer(network.eval(), batch.images)
        found = decode({key: value.numpy() for key, value in named.items()}, [PLACE] * 4, **task.decode_args)
        assert [caption.texts[0] in true.texts for caption, true in zip(found, TRUE, strict=True)] == [
            True
        ] * 4

    def test_it_has_a_page(self, name: str) -> None:
        assert f"`{name}`" in (DOCS / f"{name}.md").read_text(encoding="utf-8")

    def test_a_published_backbone_takes_the_place_of_its_own(self, name: str) -> None:
        _, network = build(name, backbone="mobilenetv2_100", size=(64, 64))
        assert network.head.places.shape[0] == 4
        assert network.backbone.published.name == "mobilenetv2_100"
        with pytest.raises(ConfigError, match="looks at maps"):
            build(name, backbone="vit_tiny_patch16_224", size=(224, 224))


def test_all_sentences_of_a_picture_are_learnt_at_once() -> None:
    task, _ = build("captioner")
    batch = task.collate(items())
    assert batch.extra["of"].tolist() == [0, 0, 1, 2, 2, 3]
    assert batch.targets.shape == (6, 6)
    assert batch.targets[0].tolist()[:1] == [START]
    assert torch.equal(batch.extra["tokens"], batch.targets[:, :-1])
    assert batch.targets[5].tolist()[2:] == [END, PAD, PAD, PAD]


def test_word_by_word_it_thinks_what_it_thinks_of_the_whole_sentence() -> None:
    task, network = build("captioner")
    batch = task.collate(items())
    decoder: Decoder = network.eval().head.decoder
    with torch.no_grad():
        raw = network(batch.images, **batch.extra)
        seen = [(k[batch.extra["of"]], v[batch.extra["of"]]) for k, v in decoder.remember(raw.cells)]
        said: Any = ()
        for number in range(batch.extra["tokens"].shape[1]):
            logits, said = decoder(batch.extra["tokens"][:, number : number + 1], seen, said)
            torch.testing.assert_close(logits[:, 0], raw.logits[:, number], rtol=1e-4, atol=1e-4)


def test_a_picture_without_a_caption_is_refused() -> None:
    task, _ = build("captioner")
    item = items(1)[0]
    with pytest.raises(LabelError, match="7: to learn to write captions, every picture needs one"):
        task.collate([Item(item.pixels, Label(0), "7", PLACE, Label(0))])
    nothing = Dataset((Sample("a", lambda: None, Label(0)),), (), Path("d"), "x")
    with pytest.raises(LabelError, match="d: to learn to write captions, pictures need some"):
        task.data_args(MODELS["captioner"], nothing, preprocess=MODELS["captioner"].preprocess)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"dim": 30}, "--dim 30 is no multiple of 4"),
        ({"size": (8, 8)}, "needs pictures of at least 16 px, got 8x8"),
        ({"beam": 0}, "writes a sentence or more"),
        ({"tail": 1}, "takes no argument 'tail'"),
    ],
)
def test_a_network_that_cannot_be_is_refused(args: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build("captioner", **args)


@pytest.mark.parametrize("smoothing", [-0.1, 1.0])
def test_label_smoothing_is_a_share(smoothing: float) -> None:
    with pytest.raises(ConfigError, match="label smoothing lies in"):
        CaptioningTask(smoothing)
