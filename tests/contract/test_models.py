"""What every classifier of the catalogue promises."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from nayan.core.types import Label
from nayan.runtime.preprocess import Placement
from nayan.tasks.base import Batch, Network
from nayan.tasks.classification.catalog import MODELS
from nayan.tasks.classification.network import Classifier, ClassLogits
from nayan.tasks.classification.task import ClassificationTask

CLASSES = ("cat", "dog", "owl")
SIZES = {"lenet": 28, "squeezenet1_0": 32, "alexnet": 64, "vgg16": 32, "vgg19": 32, "inception_v3": 75}
HEAVY = {"vgg19", "resnet50", "resnet101", "inception_v3"}

entries = pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=pytest.mark.slow if n in HEAVY else ()) for n in MODELS.names],
    scope="module",  # the tests of one network follow each other
)


def build(name: str, *, head: str | None = None, **args: object) -> Classifier:
    torch.manual_seed(0)
    size = SIZES.get(name, 64)
    chosen = {} if head is None else {"head": head}
    network = ClassificationTask().build(
        MODELS[name], CLASSES, channels=3, size=(size, size), dropout=0.0, **chosen, **args
    )
    assert isinstance(network, Classifier)
    return network


@pytest.fixture(scope="module")
def built(name: str) -> Classifier:
    return build(name)


@pytest.fixture
def network(built: Classifier) -> Classifier:
    """Return the network of the entry, built once for all tests; no test may change its weights."""
    return built.eval()


def batch_of(images: torch.Tensor, labels: list[int]) -> Batch:
    placement = Placement((8, 8), (1.0, 1.0), (0.0, 0.0))
    return Batch(
        images,
        torch.eye(len(CLASSES))[labels],
        tuple(str(n) for n in labels),
        (placement,) * len(labels),
        tuple(Label(n) for n in labels),
    )


def pictures(name: str, count: int = 2) -> torch.Tensor:
    size = SIZES.get(name, 64)
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (count, 3, size, size), generator=generator, dtype=torch.uint8)


@entries
class TestEveryEntry:
    def test_it_keeps_the_protocol_and_gives_the_same_type_in_training_and_evaluation(
        self, name: str, network: Classifier
    ) -> None:
        assert isinstance(network, Network)
        with torch.no_grad():
            for mode in (True, False):
                raw = network.train(mode)(pictures(name), None)
                assert type(raw) is ClassLogits
                assert raw.logits.shape == (2, len(CLASSES))
                assert raw.embedding.ndim == 2
                assert raw.logits.dtype == torch.float32

    def test_a_step_gives_every_trainable_parameter_a_gradient(self, name: str, network: Classifier) -> None:
        network.train()
        losses = ClassificationTask(3).losses(network, batch_of(pictures(name), [0, 1]), "main")
        network.zero_grad()
        sum(losses.values()).backward()
        without = [n for n, p in network.named_parameters() if p.requires_grad and p.grad is None]
        network.zero_grad()
        assert without == []

    def test_one_picture_is_a_batch_and_float_pixels_give_the_same(
        self, name: str, network: Classifier
    ) -> None:
        image = pictures(name, 1)
        with torch.no_grad():
            whole, single = network(pictures(name)).logits[:1], network(image).logits
            as_float = network(image.float().to(memory_format=torch.channels_last)).logits
        close = {"rtol": 1e-3, "atol": 1e-4 * max(1.0, single.abs().max().item())}
        assert torch.allclose(whole, single, **close)
        assert torch.allclose(as_float, single, **close)

    def test_deploy_gives_logits_and_probabilities(self, name: str, network: Classifier) -> None:
        with torch.no_grad():
            outputs = network.deploy(network(pictures(name)))
        assert tuple(outputs) == ClassificationTask.outputs
        assert outputs["logits"].shape == outputs["probabilities"].shape == (2, len(CLASSES))
        assert torch.allclose(outputs["probabilities"].sum(1), torch.ones(2))

    def test_the_chain_of_stages_is_the_forward_pass(self, name: str, network: Classifier) -> None:
        names = [stage for stage, _ in network.stages()]
        assert names[-1] == "head"
        assert len(names) == len(set(names)) > 3
        x = pictures(name)
        with torch.no_grad():
            expected = network(x).logits
            for _, stage in network.stages():
                x = stage(x)
        assert torch.equal(x.logits, expected)

    def test_every_parameter_stands_in_one_stage_and_once_in_the_state_dict(
        self, network: Classifier
    ) -> None:
        staged = [id(p) for _, stage in network.stages() for p in stage.parameters()]
        assert sorted(staged) == sorted(id(p) for p in network.parameters())
        pointers = [t.data_ptr() for t in network.state_dict().values() if t.numel()]
        assert len(pointers) == len(set(pointers))

    def test_saved_and_loaded_it_gives_identical_output(
        self, name: str, network: Classifier, tmp_path: Path
    ) -> None:
        save_file(network.state_dict(), tmp_path / "weights.safetensors")
        torch.manual_seed(5)
        other = build(name)
        for parameter in other.parameters():
            torch.nn.init.zeros_(parameter)
        other.load_state_dict(load_file(tmp_path / "weights.safetensors"))
        with torch.no_grad():
            assert torch.equal(other.eval()(pictures(name)).logits, network(pictures(name)).logits)

    def test_the_first_loss_is_that_of_guessing(self, name: str, network: Classifier) -> None:
        network.train()  # with fresh running statistics, evaluation may see values of any size
        with torch.no_grad():
            loss = ClassificationTask(3).losses(network, batch_of(pictures(name), [0, 1]), "main")
        assert loss["cross_entropy"].item() == pytest.approx(1.0986, abs=0.25)


@pytest.mark.parametrize("name", MODELS.names)
def test_the_published_classifier_has_the_published_number_of_parameters(name: str) -> None:
    entry = MODELS[name]
    gray = entry.gray
    with torch.device("meta"):
        network = ClassificationTask().build(
            entry,
            [str(n) for n in range(10 if gray else 1000)],
            channels=1 if gray else 3,
            **({} if gray else {"head": "paper"}),
        )
    assert sum(parameter.numel() for parameter in network.parameters()) == entry.parameters


@pytest.mark.parametrize("name", ["alexnet", "squeezenet1_0", pytest.param("vgg16", marks=pytest.mark.slow)])
@pytest.mark.parametrize("head", ["flatten", "paper"])
def test_other_heads_chain_and_learn_too(name: str, head: str) -> None:
    network = build(name, head=head)
    x = pictures(name)
    network(x).logits.square().sum().backward()
    assert [n for n, p in network.named_parameters() if p.grad is None] == []
    with torch.no_grad():
        expected = network.eval()(x).logits
        for _, stage in network.stages():
            x = stage(x)
    assert torch.equal(x.logits, expected)


def test_a_flattened_head_drops_the_pooling_and_its_layers() -> None:
    network = build("mobilenetv4_conv_small", head="flatten")
    assert [name for name, _ in network.stages()][-2:] == ["blocks.4", "head"]
    assert not any("conv_head" in key for key in network.state_dict())
    network(pictures("mobilenetv4_conv_small")).logits.sum().backward()
    assert all(p.grad is not None for p in network.parameters())


@pytest.mark.parametrize(
    "name",
    [
        "lenet",
        "squeezenet1_0",
        *(
            pytest.param(n, marks=pytest.mark.slow)
            for n in MODELS.names
            if n not in ("lenet", "squeezenet1_0")
        ),
    ],
)
def test_it_learns_four_pictures_by_heart_in_fifty_steps(name: str) -> None:
    network = build(name).train()
    images = pictures(name, 4)
    batch = batch_of(images, [0, 1, 2, 0])
    task = ClassificationTask(3)
    step = 1e-4 if name.startswith("vgg") else 1e-3  # nothing normalises what VGG's layers give
    optimiser = torch.optim.AdamW(network.parameters(), lr=step)
    for _ in range(50):
        loss = task.losses(network, batch, "main")["cross_entropy"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    # in training mode: fifty steps are too few for the running statistics of batch normalisation
    predicted = network(images).logits.argmax(1).tolist()
    assert predicted == [0, 1, 2, 0]


FAMILIES = {
    "vit_tiny_patch16_224": 224,
    "deit_tiny_distilled_patch16_224": 224,
    "levit_128s": 224,
    "swin_tiny_patch4_window7_224": 224,
    "densenet121": 64,
    "regnety_002": 64,
    "ghostnet_100": 64,
    "fastvit_t8": 64,
    "mobilevit_xxs": 64,
    "edgenext_xx_small": 64,
    "hrnet_w18_small": 64,
    "xcit_nano_12_p16_224": 64,
    "crossvit_tiny_240": 240,  # gives several maps, which only its own pooling can join
}


@pytest.mark.parametrize("name", FAMILIES)
def test_other_families_of_timm_build_and_run(name: str) -> None:
    size = FAMILIES[name]
    network = ClassificationTask().build(MODELS[name], CLASSES, size=(size, size)).eval()
    with torch.no_grad():
        raw = network(torch.zeros(1, 3, size, size, dtype=torch.uint8))
    assert raw.logits.shape == (1, 3)
    staged = {id(p) for _, stage in network.stages() for p in stage.parameters()}
    assert staged == {id(p) for p in network.parameters()}
