"""Augmentation: a picture and a random generator in, another picture of the same thing out.

Parameters are drawn from the generator that is passed in, so a sample's augmentation is a pure
function of (seed, epoch, index); the pixels are changed by torchvision's transforms v2.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from PIL import Image as PillowImage
from torch import Tensor
from torch.nn.functional import interpolate
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as F

from nayan.core.types import Image, Size
from nayan.tasks.base import Batch

Rng = np.random.Generator


@dataclass(frozen=True, slots=True)
class Augment:
    """What may happen to a training picture. The default changes nothing.

    Attributes:
        scale: (least, most) share of the picture's area that a random crop keeps; (1, 1) = no crop.
        ratio: (least, most) change of the crop's aspect.
        spans: instead, (least, most) side of a random crop in multiples of the network's input, in the
            picture's own pixels: (1, 1) leaves pixels as they are. None = crops are shares.
        flip: probability of a mirror image.
        degrees: largest rotation, either way.
        translate: largest shift, as a share of the side.
        zoom: (least, most) factor of an affine zoom.
        shear_deg: largest shear, either way.
        brightness, contrast, saturation: largest relative change; 0.2 means a factor in [0.8, 1.2].
        erase: probability that a random rectangle is made gray (Zhong et al. 2017, arXiv:1708.04896).
    """

    scale: tuple[float, float] = (1.0, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    spans: tuple[float, float] | None = None
    flip: float = 0.0
    degrees: float = 0.0
    translate: float = 0.0
    zoom: tuple[float, float] = (1.0, 1.0)
    shear_deg: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    erase: float = 0.0

    @property
    def crops(self) -> bool:
        """Whether it takes random crops, and so resizes the picture itself."""
        return self.scale != (1.0, 1.0) or self.spans is not None

    @property
    def headroom(self) -> float:
        """How much larger than the network's input a picture must be for a mean crop not to be enlarged."""
        return 1 / math.sqrt(sum(self.scale) / 2)

    def __call__(self, image: Image, rng: Rng, *, size: Size) -> Image:
        """Return an augmented version of an (H, W, 3) uint8 picture.

        Args:
            image: any size.
            rng: decides everything.
            size: (height, width) that a random crop is resized to, in the same single resize.
        """
        if self.crops:
            known = (image.shape[0], image.shape[1])
            box = (
                random_box(known, rng, scale=self.scale, ratio=self.ratio)
                if self.spans is None
                else random_span(known, rng, spans=self.spans, shape=size)
            )
            image = crop_and_resize(image, box, size=size)
        if rng.random() < self.flip:
            image = mirror(image)
        image = self._affine(image, rng)
        image = self._colour(image, rng)
        if self.erase and rng.random() < self.erase:
            left, top, right, bottom = (
                round(v) for v in random_box(image.shape[:2], rng, scale=(0.02, 0.2), ratio=(0.3, 3.3))
            )
            image = image.copy()
            image[top:bottom, left:right] = 128
        return image

    def _affine(self, image: Image, rng: Rng) -> Image:
        if not (self.degrees or self.translate or self.shear_deg or self.zoom != (1.0, 1.0)):
            return image
        height, width = image.shape[:2]
        shift = rng.uniform(-self.translate, self.translate, 2) * (width, height)
        moved = F.affine(
            PillowImage.fromarray(image),
            angle=rng.uniform(-self.degrees, self.degrees),
            translate=[float(shift[0]), float(shift[1])],
            scale=rng.uniform(*self.zoom),
            shear=[rng.uniform(-self.shear_deg, self.shear_deg), 0.0],
            interpolation=InterpolationMode.BILINEAR,
            fill=_border_colour(image),
        )
        return np.asarray(moved)

    def _colour(self, image: Image, rng: Rng) -> Image:
        steps = (
            (F.adjust_brightness, self.brightness),
            (F.adjust_contrast, self.contrast),
            (F.adjust_saturation, self.saturation),
        )
        if not any(most for _, most in steps):
            return image
        picture = PillowImage.fromarray(image)
        for adjust, most in steps:
            if most:
                picture = adjust(picture, rng.uniform(1 - most, 1 + most))
        return np.asarray(picture)


POLICIES: dict[str, Augment] = {
    "none": Augment(),
    "photo": Augment(scale=(0.35, 1.0), flip=0.5, brightness=0.25, contrast=0.25, saturation=0.25),
    "symbol": Augment(degrees=10, translate=0.1, zoom=(0.85, 1.15), shear_deg=10),
}
"""By name. "photo" mirrors and crops; "symbol" (digits, letters, signs) does neither, since both change what
a symbol means."""


def choose_policy(name: str, sizes: Sequence[Size], *, gray: bool) -> tuple[str, Augment]:
    """Return the policy of that name; for "auto" the one that fits the pictures.

    Small gray pictures (shorter side of at most 64 px in the median) are taken for symbols, everything
    else for photographs.
    """
    if name == "auto":
        median = float(np.median([min(size) for size in sizes])) if sizes else math.inf
        name = "symbol" if gray and median <= 64 else "photo"
    return name, POLICIES[name]


def random_box(
    size: Size, rng: Rng, *, scale: tuple[float, float], ratio: tuple[float, float]
) -> tuple[float, float, float, float]:
    """Draw a box (x1, y1, x2, y2) inside a picture with a random area and aspect.

    Source: the crop of Szegedy et al. (2014), arXiv:1409.4842, section 6. Where ten draws do not fit, the
    largest centred box within `ratio` is taken.
    """
    height, width = size
    for _ in range(10):
        area = rng.uniform(*scale) * height * width
        aspect = math.exp(rng.uniform(math.log(ratio[0]), math.log(ratio[1])))
        box_w, box_h = math.sqrt(area * aspect), math.sqrt(area / aspect)
        if box_w <= width and box_h <= height:
            left, top = rng.uniform(0, width - box_w), rng.uniform(0, height - box_h)
            return left, top, left + box_w, top + box_h
    aspect = min(max(width / height, ratio[0]), ratio[1])
    box_w, box_h = min(width, height * aspect), min(height, width / aspect)
    left, top = (width - box_w) / 2, (height - box_h) / 2
    return left, top, left + box_w, top + box_h


def random_span(
    size: Size, rng: Rng, *, spans: tuple[float, float], shape: Size
) -> tuple[float, float, float, float]:
    """Draw a box (x1, y1, x2, y2) of whole pixels that shows a picture as a network's input does, or smaller.

    Args:
        size: (height, width) of the picture.
        rng: decides.
        spans: (least, most) sides of the box, in multiples of `shape`; no more than fits.
        shape: (height, width) of the input. Where even that does not fit, the largest box of its aspect.

    >>> random_span((40, 60), np.random.default_rng(0), spans=(1, 1), shape=(40, 60))
    (0, 0, 60, 40)
    """
    most = min(size[0] / shape[0], size[1] / shape[1])
    factor = min(most, rng.uniform(spans[0], max(spans[0], min(spans[1], most))))
    height, width = max(1, int(shape[0] * factor)), max(1, int(shape[1] * factor))
    top, left = int(rng.integers(size[0] - height + 1)), int(rng.integers(size[1] - width + 1))
    return left, top, left + width, top + height


def crop_and_resize(image: Image, box: tuple[float, float, float, float], *, size: Size) -> Image:
    """Resize the part `box` (x1, y1, x2, y2; rounded to whole pixels) of a picture to `size`, antialiased.

    What `nayan.runtime.preprocess.resize` gives of the part cut out, to within one level of 255, in a third
    of the time: torch works on interleaved 8-bit pixels as they are, Pillow on a copy of four bytes each.

    >>> crop_and_resize(np.zeros((40, 80, 3), np.uint8), (10.2, 0, 50, 40), size=(20, 20)).shape
    (20, 20, 3)
    """
    height, width = image.shape[:2]
    left, top = min(round(box[0]), width - 1), min(round(box[1]), height - 1)
    right, bottom = max(round(box[2]), left + 1), max(round(box[3]), top + 1)
    part = image[None, top:bottom, left:right].copy()  # torch takes no read-only pixels of a cache
    planes = torch.from_numpy(part).permute(0, 3, 1, 2)  # (1, h, w, 3) -> (1, 3, h, w)
    resized = interpolate(planes, size, mode="bilinear", antialias=True)
    pixels: Image = resized.permute(0, 2, 3, 1)[0].numpy()
    return np.ascontiguousarray(pixels)


def mirror(image: Image) -> Image:
    """Return a picture with left and right exchanged.

    >>> mirror(np.array([[[1, 1, 1], [2, 2, 2]]], np.uint8))[0, :, 0].tolist()
    [2, 1]
    """
    mirrored = np.empty_like(image)
    for channel in range(image.shape[2]):  # six times as fast as all at once, whose inner loop has length 3
        mirrored[:, :, channel] = image[:, ::-1, channel]
    return mirrored


def mix(batch: Batch, rng: Rng, *, mixup: float, cutmix: float) -> Batch:
    """Blend every picture of a batch with another one, and their targets in the same proportion.

    Args:
        batch: images (B, C, h, w), targets (B, classes) that sum to 1.
        rng: decides the proportion and the partners.
        mixup: Beta parameter of Zhang et al. (2017), arXiv:1710.09412; 0 = off.
        cutmix: Beta parameter of Yun et al. (2019), arXiv:1905.04899; 0 = off. With both on, a coin decides.
    """
    if not (mixup or cutmix) or len(batch.ids) < 2:
        return batch
    partner = torch.from_numpy(rng.permutation(len(batch.ids)))
    paste = bool(cutmix) and (not mixup or rng.random() < 0.5)
    keep = float(rng.beta(cutmix, cutmix) if paste else rng.beta(mixup, mixup))
    if paste:
        images, keep = _paste(batch.images, partner, rng, keep)
    else:
        images = keep * batch.images.float() + (1 - keep) * batch.images[partner].float()
    targets: Tensor = keep * batch.targets + (1 - keep) * batch.targets[partner]
    return replace(batch, images=images, targets=targets)


def _paste(images: Tensor, partner: Tensor, rng: Rng, keep: float) -> tuple[Tensor, float]:
    """Paste a box of the partner that covers 1 - keep of the picture; return the share really kept."""
    height, width = images.shape[-2:]
    half_h, half_w = height * math.sqrt(1 - keep) / 2, width * math.sqrt(1 - keep) / 2
    centre_y, centre_x = rng.uniform(0, height), rng.uniform(0, width)
    top, bottom = max(0, round(centre_y - half_h)), min(height, round(centre_y + half_h))
    left, right = max(0, round(centre_x - half_w)), min(width, round(centre_x + half_w))
    mixed = images.clone()
    mixed[..., top:bottom, left:right] = images[partner][..., top:bottom, left:right]
    return mixed, 1 - (bottom - top) * (right - left) / (height * width)


def _border_colour(image: Image) -> list[int]:
    """Return the mean colour of the picture's edge: what an affine transform fills in."""
    edge = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
    return [int(v) for v in edge.mean(axis=0)]
