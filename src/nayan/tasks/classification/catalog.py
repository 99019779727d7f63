"""The classifiers that can be trained by name. No torch here: builders are addresses.

The table below is what we recommend or teach with; every other backbone of timm follows by its name,
with or without the tag of its weights ("resnet50.a1_in1k").

Of today's small networks, one of each idea that pays on a CPU or a phone, all with weights that may be
used commercially (ConvNeXt V2 and FastViT are left out for their weights' licences, RepViT because its
published classifier has two halves that only make sense together):

    mobilenetv3_large_100   searched, squeeze-and-excitation      the usual baseline on phones
    mobilenetv4_conv_small  plain convolutions, few of them       the fastest here
    efficientnet_b0         scaled in depth, width and size       the most accurate of its parameters
    convnext_atto           ResNet with a transformer's habits    today's plain convolutional network
    efficientvit_b0         linear attention                      a global view at the price of a convolution
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from nayan.core.errors import NotFound
from nayan.core.registry import Catalog
from nayan.parts import published
from nayan.runtime.preprocess import Interpolation, Preprocess
from nayan.tasks.cards import Entry


class Models(Catalog[Entry]):
    """The hand-written table; names that are not in it are looked up among all published backbones.

    Iteration and length are those of the table; `everything` goes on to the rest.

    >>> len(MODELS) < 30, MODELS["resnet26"].parameters
    (True, 15995176)
    """

    def __getitem__(self, name: str) -> Entry:
        if super().__contains__(name):
            return super().__getitem__(name)
        entry = _published(name)
        if entry is None:
            raise NotFound("model", name, {*self.names, *published.architecture_names(), *_tagged(name)})
        base = name.partition(".")[0]
        if super().__contains__(base):  # other weights of an architecture of the table
            ours = super().__getitem__(base)
            return replace(entry, summary=ours.summary, paper=ours.paper, licence=ours.licence)
        return entry

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or (isinstance(name, str) and _published(name) is not None)

    def everything(self) -> Iterator[Entry]:
        """Give the table and then every other architecture, by name."""
        yield from self
        for name in published.architecture_names():
            if not super().__contains__(name):
                yield self[name]


def _tagged(name: str) -> tuple[str, ...]:
    """Return the names with tags, for a name that has one."""
    return published.weights_names() if "." in name else ()


def _published(name: str) -> Entry | None:
    """Return the entry of a published backbone, with or without a tag; None if there is no such."""
    base, _, tag = name.partition(".")
    if base not in published.architecture_names():
        return None
    known = published.architecture(base)
    weights = [w for w in known.weights if not tag or w.tag == tag]
    if tag and not weights:
        return None
    entry = Entry(
        name,
        _BACKBONE,
        Preprocess((224, 224)),
        paper=known.paper,
        licence="Apache-2.0 (timm)",
        parameters=known.parameters,
        args={"backbone": name},
    )
    if not weights:
        return entry
    best = weights[0]
    interpolation: Interpolation = "bilinear" if best.interpolation == "bilinear" else "bicubic"
    preprocess = Preprocess(
        best.size,
        crop_ratio=min(1.0, best.crop_ratio),
        mean=best.mean,
        std=best.std,
        interpolation=interpolation,
    )
    where = f"timm/{base}.{best.tag}" if best.tag else f"timm/{base}"
    return replace(entry, preprocess=preprocess, weights=f"{where} ({best.licence})")


_BACKBONE = "nayan.tasks.classification.models.backbone_classifier:build"


def _entry(
    name: str,
    summary: str,
    *,
    paper: str,
    parameters: int,
    weights: str,
    licence: str = "Apache-2.0",
    size: int = 224,
    crop: float = 0.875,
    interpolation: Interpolation = "bicubic",
    mean: tuple[float, ...] = (0.485, 0.456, 0.406),
    std: tuple[float, ...] = (0.229, 0.224, 0.225),
    explain: tuple[str, ...] = (),
) -> Entry:
    """Return one line of the table; crop, interpolation, mean and std are those of the default weights."""
    return Entry(
        name,
        _BACKBONE,
        Preprocess((size, size), crop_ratio=crop, interpolation=interpolation, mean=mean, std=std),
        summary=summary,
        paper=paper,
        licence=licence,
        weights=weights,
        parameters=parameters,
        args={"backbone": name},
        explain=explain,
    )


MODELS = Models(
    "model",
    [
        Entry(
            "lenet",
            "nayan.tasks.classification.models.lenet:build",
            Preprocess((28, 28), "stretch", mean=(0.5,) * 3, std=(0.5,) * 3),
            summary="the first reader of digits: two convolutions, three dense layers",
            paper="LeCun et al. 1998, Proc. IEEE 86(11)",
            licence="Apache-2.0",
            parameters=61_706,
            gray=True,
            explain=("c1", "c3"),
        ),
        _entry(
            "alexnet",
            "deep learning's start in 2012: five convolutions, ReLU, dropout",
            paper="Krizhevsky et al. 2012; this variant arXiv:1404.5997",
            parameters=61_100_840,
            weights="torchvision (BSD-3-Clause)",
            licence="BSD-3-Clause",
            interpolation="bilinear",
            explain=("block1", "block3"),
        ),
        _entry(
            "squeezenet1_0",
            "AlexNet's accuracy with fifty times fewer parameters",
            paper="arXiv:1602.07360",
            parameters=1_248_424,
            weights="torchvision (BSD-3-Clause)",
            licence="BSD-3-Clause",
            interpolation="bilinear",
            explain=("block1", "block4"),
        ),
        _entry(
            "vgg16",
            "thirteen 3x3 convolutions, five poolings: depth alone, and heavy",
            paper="arXiv:1409.1556",
            parameters=138_357_544,
            weights="timm/vgg16.tv_in1k (BSD-3-Clause)",
            interpolation="bilinear",
            explain=("block1", "block5"),
        ),
        _entry(
            "vgg19",
            "vgg16 with three more convolutions",
            paper="arXiv:1409.1556",
            parameters=143_667_240,
            weights="timm/vgg19.tv_in1k (BSD-3-Clause)",
            interpolation="bilinear",
            explain=("block1", "block5"),
        ),
        _entry(
            "inception_v3",
            "several kernel sizes side by side in every block",
            paper="arXiv:1512.00567",
            parameters=23_834_568,
            weights="timm/inception_v3.tv_in1k (Apache-2.0)",
            size=299,
            mean=(0.5, 0.5, 0.5),
            std=(0.5, 0.5, 0.5),
            explain=("stem", "Mixed_5d", "Mixed_7c"),
        ),
        *(
            _entry(
                name,
                summary,
                paper="arXiv:1512.03385",
                parameters=parameters,
                weights=f"timm/{name}.{tag} (Apache-2.0)",
                crop=0.95,
                explain=("stem", "layer1", "layer4"),
            )
            for name, tag, parameters, summary in (
                ("resnet18", "a1_in1k", 11_689_512, "shortcuts around every two layers; the usual baseline"),
                ("resnet34", "a1_in1k", 21_797_672, "resnet18 with twice the blocks"),
                (
                    "resnet50",
                    "a1_in1k",
                    25_557_032,
                    "bottleneck blocks; the network that all are compared with",
                ),
                ("resnet101", "a1h_in1k", 44_549_160, "resnet50 with a third stage of 23 blocks"),
            )
        ),
        _entry(
            "mobilenetv2_100",
            "depthwise convolutions between narrow layers; quick to train on a CPU; the default",
            paper="arXiv:1801.04381",
            parameters=3_504_872,
            weights="timm/mobilenetv2_100.ra_in1k (Apache-2.0)",
            explain=("stem", "blocks.2", "conv_head"),
        ),
        _entry(
            "mobilenetv3_large_100",
            "mobilenetv2 improved by search, with squeeze-and-excitation",
            paper="arXiv:1905.02244",
            parameters=5_483_032,
            weights="timm/mobilenetv3_large_100.ra_in1k (Apache-2.0)",
            explain=("stem", "blocks.2", "blocks.6"),
        ),
        _entry(
            "mobilenetv4_conv_small",
            "few, plain convolutions, chosen for speed on every kind of device",
            paper="arXiv:2404.10518",
            parameters=3_774_024,
            weights="timm/mobilenetv4_conv_small.e2400_r224_in1k (Apache-2.0)",
            explain=("stem", "blocks.2", "blocks.4"),
        ),
        _entry(
            "efficientnet_b0",
            "depth, width and resolution in balance; accurate for its size",
            paper="arXiv:1905.11946",
            parameters=5_288_548,
            weights="timm/efficientnet_b0.ra_in1k (Apache-2.0)",
            explain=("stem", "blocks.2", "conv_head"),
        ),
        _entry(
            "convnext_atto",
            "a ResNet with a transformer's habits: 7x7 depthwise, LayerNorm, GELU",
            paper="arXiv:2201.03545",
            parameters=3_695_520,
            weights="timm/convnext_atto.d2_in1k (Apache-2.0)",
            explain=("stem", "stages.0", "stages.3"),
        ),
        _entry(
            "efficientvit_b0",
            "linear attention: a global view at the price of a convolution",
            paper="arXiv:2205.14756",
            parameters=3_410_008,
            weights="timm/efficientvit_b0.r224_in1k (Apache-2.0)",
            crop=0.95,
            explain=("stem", "stages.0", "stages.3"),
        ),
    ],
)
"""Every classifier by its name."""
