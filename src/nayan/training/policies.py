"""Which augmentation a run uses: what the user named, or what fits the task and its pictures."""

from __future__ import annotations

from dataclasses import replace

from nayan.core.errors import ConfigError
from nayan.tasks.cards import Entry, TaskCard
from nayan.training.augment import Augment, choose_policy
from nayan.training.dense import DENSE, DenseAugment
from nayan.training.looks import Looks
from nayan.training.scene import SCENES, SceneAugment

WHOLE = (0.5, 1.0)
"""Share of a picture that a crop shows where it has to be told from others of its kind: most of it."""

OF_DOMAINS = Augment(scale=(0.8, 1.0), flip=0.5)
"""Of pictures whose colours are what is learnt; the share is that of 256 px in 286 px (Zhu et al. 2017)."""

AnyAugment = Augment | SceneAugment | DenseAugment
"""Of whole pictures, of pictures with boxes, of pictures with a mask."""


def choose_augment(
    name: str, card: TaskCard, entry: Entry, *, looks: Looks, mixup: float = 0.0
) -> tuple[str, AnyAugment]:
    """Return the name of the augmentation and the augmentation itself.

    Args:
        name: "auto", or that of a policy.
        card: of the task.
        entry: of the model. Further inputs such as proposals belong to the pixels, so that these stay.
        looks: of the training pictures.
        mixup: of pictures with boxes.

    Raises:
        ConfigError: for a policy that the task does not have.
    """
    if name == "turned" and "Identity" not in card.targets:
        raise ConfigError(
            f"--augment turned is for identities, this is {card.name}: turned classes stay the same",
            hint="use auto, symbol or none",
        )
    if name == "auto":
        name = card.recipe.augment
    if "MaskSource" in card.targets:
        if name == "auto":
            name = choose_policy(name, looks.sizes, gray=looks.gray)[0]
            name = "tissue" if looks.gray and name == "photo" else name
        return name, DENSE[name]
    if name == "tissue":
        raise ConfigError(
            f"--augment tissue is for segmentation, this is {card.name}", hint="use auto, photo or none"
        )
    if "Identity" in card.targets and name == "auto" and looks.drawn:
        name = "turned"  # characters, of any size: mirrored or turned they are others
    policy, augment = choose_policy(name, looks.sizes, gray=looks.gray)
    if "Domain" in card.about:
        return (policy, OF_DOMAINS) if augment.crops else ("none", choose_policy("none", (), gray=False)[1])
    if "Identity" in card.targets and augment.crops:
        return policy, replace(augment, scale=WHOLE)
    if "Caption" in card.targets:  # which may speak of what is at the border, to the left or written
        return policy, replace(augment, scale=WHOLE if augment.crops else augment.scale, flip=0.0)
    if entry.preprocess.fit == "cut":  # what is to be restored must not be blurred by a resize before
        return policy, Augment(spans=None if policy == "none" else (1.0, 1.0), flip=augment.flip)
    if "Boxes" in card.targets:
        return policy, replace(SCENES["none" if entry.inputs else policy], mixup=mixup)
    return policy, augment
