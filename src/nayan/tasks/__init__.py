"""The tasks that nayan knows: one card each, strings and numbers only."""

from collections.abc import Sequence

from nayan.core.errors import NotFound
from nayan.core.registry import Catalog, resolve
from nayan.tasks.cards import PREDICT, Entry, Recipe, TaskCard
from nayan.tasks.generation.cards import GENERATE

_OF_EMBEDDERS = ("pooling", "dim", "margin", "far")
"""Options of training that only embedders know."""
_OF_GENERATORS = (
    "gradient_penalty",
    "spectral_norm",
    "diffaug",
    "ttur",
    "features",
    "scale",
    "adversarial",
    "perceptual",
    "width",
    "cycle",
    "identity",
    "style",
    "content_weight",
    "style_weight",
)
"""Options of training that only networks know that draw."""

CARDS = Catalog(
    "task",
    [
        TaskCard(
            name="classification",
            verb="classify",
            targets=("Label",),
            catalog="nayan.tasks.classification.catalog:MODELS",
            task="nayan.tasks.classification.task:ClassificationTask",
            decode="nayan.tasks.classification.decode:decode",
            metric="nayan.tasks.classification.metric:ClassificationMetric",
            draw="nayan.tasks.classification.draw",
            default_model="mobilenetv2_100",
            recipe=Recipe(
                best_by="accuracy",
                scratch_pictures=150_000,
                tune_pictures=5_000,
                epochs=(10, 60),
                batch=32,
                ema=0.98,  # the mean of about the last 50 steps
                lr={
                    "adamw": {"small": 5e-3, "scratch": 2e-3, "head": 1e-3, "tune": 1e-3},
                    "sgd": {"small": 0.05, "scratch": 0.05, "head": 0.1, "tune": 0.02},
                },
                ignores=("loss", "up", "progressive", *_OF_EMBEDDERS, *_OF_GENERATORS),
            ),
            backbone_is_model=True,
        ),
        TaskCard(
            name="detection",
            verb="detect",
            targets=("Boxes",),
            catalog="nayan.tasks.detection.catalog:MODELS",
            task="nayan.tasks.detection.task:DetectionTask",
            decode="nayan.tasks.detection.decode:decode",
            metric="nayan.tasks.detection.metric:DetectionMetric",
            draw="nayan.tasks.detection.draw",
            default_model="yolo",
            recipe=Recipe(
                best_by="map",
                scratch_pictures=10_000,
                tune_pictures=6_000,
                epochs=(30, 100),
                batch=8,
                ema=0.995,
                lr={
                    "adamw": {"small": 2e-3, "scratch": 2e-3, "head": 2e-3, "tune": 2e-3},
                    "sgd": {"small": 0.02, "scratch": 0.02, "head": 0.01, "tune": 0.01},
                },
                cached=False,
                ignores=(
                    *_OF_EMBEDDERS,
                    *_OF_GENERATORS,
                    "label_smoothing",
                    "dropout",
                    "cutmix",
                    "balance",
                    "views",
                    "head",
                    "loss",
                    "up",
                    "progressive",
                ),
            ),
            shown="auto",
            compare="nayan.tasks.detection.parity:compare",
            places=True,
            prelabels="nayan.tasks.detection.prelabels:prelabels",
        ),
        TaskCard(
            name="segmentation",
            verb="segment",
            targets=("MaskSource",),
            catalog="nayan.tasks.segmentation.catalog:MODELS",
            task="nayan.tasks.segmentation.task:SegmentationTask",
            decode="nayan.tasks.segmentation.decode:decode",
            metric="nayan.tasks.segmentation.metric:SegmentationMetric",
            draw="nayan.tasks.segmentation.draw",
            compact="nayan.tasks.segmentation.packed:compact",
            per_class="iou_per_class",
            default_model="unet",
            photo_model="unet_mobilenetv2_100",
            recipe=Recipe(
                best_by="miou",
                scratch_pictures=6_000,
                tune_pictures=4_000,
                epochs=(30, 200),
                batch=4,
                ema=0.99,
                lr={
                    "adamw": {"small": 2e-3, "scratch": 2e-3, "head": 2e-3, "tune": 4e-3},
                    "sgd": {"small": 0.05, "scratch": 0.05, "head": 0.02, "tune": 0.02},
                },
                cached=False,
                settled=False,
                progressive=0.75,
                ignores=("dropout", "mixup", "cutmix", "views", "head", *_OF_EMBEDDERS, *_OF_GENERATORS),
            ),
        ),
        TaskCard(
            name="embedding",
            verb="compare",
            targets=("Identity",),
            catalog="nayan.tasks.embedding.catalog:MODELS",
            task="nayan.tasks.embedding.task:EmbeddingTask",
            decode="nayan.tasks.embedding.decode:decode",
            metric="nayan.tasks.embedding.metric:EmbeddingMetric",
            draw="nayan.tasks.embedding.draw",
            default_model="supcon",
            photo_model="supcon_mobilenetv2_100",
            compare="nayan.tasks.embedding.parity:compare",
            look="features",
            recipe=Recipe(
                best_by="recall_at_1",
                scratch_pictures=100_000,
                tune_pictures=8_000,
                epochs=(10, 100),
                batch=64,
                ema=0.98,
                lr={
                    "adamw": {"small": 2e-3, "scratch": 1e-3, "head": 1e-3, "tune": 5e-4},
                    "sgd": {"small": 0.05, "scratch": 0.05, "head": 0.05, "tune": 0.02},
                },
                each=4,
                ignores=(
                    "label_smoothing",
                    "mixup",
                    "cutmix",
                    "balance",
                    "head",
                    "loss",
                    "up",
                    "progressive",
                    *_OF_GENERATORS,
                ),
            ),
        ),
        *GENERATE,
    ],
)
"""Every task card by its name."""


def by_verb(verb: str) -> TaskCard:
    """Return the card of a task by its verb ("classify") or its name ("classification").

    Raises:
        NotFound: no task has it.
    """
    return cards_of(verb)[0]


def cards_of(verb: str) -> list[TaskCard]:
    """Return the cards of a verb ("generate" has several), or the one of a name ("restoration").

    Raises:
        NotFound: no task has it.
    """
    cards = [card for card in CARDS if verb in (card.verb, card.name)]
    if not cards:
        verbs = dict.fromkeys(card.verb for card in CARDS)
        raise NotFound("task", verb, [*verbs, *(card.name for card in CARDS)])
    return cards


def wanted_of(cards: Sequence[TaskCard]) -> tuple[str, ...]:
    """Return which types of ground truth data may have for one of these cards, as `data.splits` takes them.

    Where pictures are their own truth, data need none; what is known of whole pictures is kept.

    >>> wanted_of(cards_of("detect"))
    ('Boxes',)
    """
    wanted = dict.fromkeys(target for card in cards for target in (*card.targets, *card.about))
    if "Original" not in wanted:
        return tuple(wanted)
    del wanted["Original"]
    return (*dict.fromkeys((*wanted, "Label")), "None")


def use_of(verb: str, model: str, *, path: str) -> str:
    """Return the command that is proposed for a trained model.

    Args:
        verb: of the task, or its name.
        model: its name, in a catalogue or not.
        path: of the run or bundle, as a shell takes it.

    >>> use_of("generate", "dcgan", path="runs/generate/dcgan")
    'nayan generate runs/generate/dcgan -n 64 --grid'
    >>> use_of("classify", "any_backbone", path="RUN")
    'nayan predict RUN PICTURE...'
    """
    catalogs: list[Catalog[Entry]] = [resolve(card.catalog) for card in cards_of(verb)]
    uses = [catalog[model].use for catalog in catalogs if model in catalog]
    return (uses[0] if uses else PREDICT).replace("{model}", path)


def card_of_model(verb: str, model: str) -> TaskCard:
    """Return the card of a verb whose catalogue has a model.

    Raises:
        NotFound: none of them has it.
    """
    cards = cards_of(verb)
    catalogs: list[Catalog[Entry]] = [resolve(card.catalog) for card in cards]
    for card, catalog in zip(cards, catalogs, strict=True):
        if model in catalog:
            return card
    raise NotFound("model", model, [entry.name for catalog in catalogs for entry in catalog])
