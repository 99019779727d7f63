"""The cards of the families of generation: one verb, and for each its own data, scores and pictures."""

from __future__ import annotations

from nayan.tasks.cards import Recipe, TaskCard

_AT = "nayan.tasks.generation"
_BELIEF = "What the discriminator believes"
_OF_OTHERS = (
    "label_smoothing",
    "mixup",
    "cutmix",
    "balance",
    "views",
    "head",
    "backbone",
    "up",
    "progressive",
    "freeze",
    "tile",
    "overlap",
    "pooling",
    "dim",
    "margin",
    "far",
)
"""Options of training that mean nothing to networks that draw."""

_DECIBELS = "PSNR in dB"
_OF_ADVERSARIES = ("gradient_penalty", "spectral_norm", "diffaug", "ttur")
"""Options of training that only a network knows that draws from noise."""

_OF_RESTORERS = ("scale", "adversarial", "perceptual")
"""Those that only a network knows that restores."""

_OF_TRANSLATORS = ("width", "cycle", "identity")
"""Those that only a network knows that translates."""

_OF_STYLISTS = ("style", "content_weight", "style_weight")
"""Those that only a network knows that restyles."""

_OF_CAPTIONERS = ("label_smoothing", "backbone", "freeze", "dim")
"""Those of others that a network knows too that writes."""

GENERATE: tuple[TaskCard, ...] = (
    TaskCard(
        name="generation",
        verb="generate",
        targets=("Original",),
        catalog=f"{_AT}.sampling.catalog:MODELS",
        task=f"{_AT}.sampling.task:SamplingTask",
        decode=f"{_AT}.sampling.decode:decode",
        metric=f"{_AT}.sampling.metric:SamplingMetric",
        draw=f"{_AT}.sampling.draw",
        default_model="dcgan",
        about=("Caption",),
        default_for={"Caption": "text_to_image"},
        compare=f"{_AT}.parity:compare_pictures",
        look="summary",
        exhibit=f"{_AT}.sampling.exhibit:exhibit",
        charts={
            "train_D(x)": (_BELIEF, "D(x), real"),
            "train_D(G(z))": (_BELIEF, "D(G(z)), drawn"),
            "train_D(wrong)": (_BELIEF, "D(wrong), real under a wrong caption"),
            "val_kid": ("KID", "validation"),
            "val_fid": ("FID", "validation"),
        },
        recipe=Recipe(
            best_by="fid",  # of as many pictures each epoch; of so few, KID is noisier
            best_is="lowest",
            scratch_pictures=150_000,
            tune_pictures=0,
            epochs=(20, 300),
            batch=64,
            ema=0.995,
            lr={
                "adamw": {"small": 4e-4, "scratch": 4e-4, "head": 4e-4, "tune": 4e-4},
                "sgd": {"small": 0.01, "scratch": 0.01, "head": 0.01, "tune": 0.01},
            },
            cached=False,
            own_range=True,
            multiple=4,
            augment="none",
            ignores=(*_OF_OTHERS, *_OF_RESTORERS, *_OF_TRANSLATORS, *_OF_STYLISTS),
        ),
    ),
    TaskCard(
        name="translation",
        verb="generate",
        targets=("Original",),
        about=("Domain",),
        catalog=f"{_AT}.translation.catalog:MODELS",
        task=f"{_AT}.translation.task:TranslationTask",
        decode=f"{_AT}.translation.decode:decode",
        metric=f"{_AT}.translation.metric:TranslationMetric",
        draw=f"{_AT}.translation.draw",
        default_model="cyclegan",
        compare=f"{_AT}.parity:compare_pictures",
        look="summary",
        exhibit=f"{_AT}.translation.exhibit:exhibit",
        charts={
            "train_D(real)": (_BELIEF, "of real pictures"),
            "train_D(made)": (_BELIEF, "of translations"),
            "val_kid": ("KID", "to the other domain"),
            "val_kid_to_a": ("KID", "to A"),
            "val_kid_to_b": ("KID", "to B"),
            "val_kid_untranslated": ("KID", "untranslated"),
        },
        recipe=Recipe(
            best_by="kid",
            best_is="lowest",
            scratch_pictures=12_000,
            tune_pictures=6_000,
            epochs=(10, 200),
            batch=2,
            ema=0.99,
            lr={
                "adamw": {"small": 4e-4, "scratch": 2e-4, "head": 2e-4, "tune": 2e-4},
                "sgd": {"small": 0.01, "scratch": 0.01, "head": 0.01, "tune": 0.01},
            },
            cached=False,
            own_range=True,
            multiple=4,
            shared=True,
            least=2,
            ignores=(
                *_OF_OTHERS,
                *_OF_RESTORERS,
                "gradient_penalty",
                "spectral_norm",
                "diffaug",
                *_OF_STYLISTS,
            ),
        ),
    ),
    TaskCard(
        name="restoration",
        verb="generate",
        targets=("Original",),
        catalog=f"{_AT}.restoration.catalog:MODELS",
        task=f"{_AT}.restoration.task:RestorationTask",
        decode=f"{_AT}.restoration.decode:decode",
        metric=f"{_AT}.restoration.metric:RestorationMetric",
        draw=f"{_AT}.restoration.draw",
        default_model="super_resolution",
        compare=f"{_AT}.parity:compare_pictures",
        look="features",
        charts={
            "val_psnr": (_DECIBELS, "the network"),
            "val_psnr_plain": (_DECIBELS, "without it"),
            "val_psnr_gain": ("What the network wins, in dB", "validation"),
        },
        recipe=Recipe(
            best_by="psnr",
            best_is="highest",
            scratch_pictures=15_000,
            tune_pictures=5_000,
            epochs=(10, 200),
            batch=16,
            ema=0.99,
            lr={
                "adamw": {"small": 2e-3, "scratch": 1e-3, "head": 1e-3, "tune": 5e-4},
                "sgd": {"small": 0.05, "scratch": 0.05, "head": 0.05, "tune": 0.02},
            },
            cached=False,
            settled=False,
            own_range=True,
            multiple=16,
            ignores=(*_OF_OTHERS, "dropout", "loss", *_OF_ADVERSARIES, "cycle", "identity", *_OF_STYLISTS),
        ),
    ),
    TaskCard(
        name="stylization",
        verb="generate",
        targets=("Original",),
        catalog=f"{_AT}.stylization.catalog:MODELS",
        task=f"{_AT}.stylization.task:StylizationTask",
        decode=f"{_AT}.stylization.decode:decode",
        metric=f"{_AT}.stylization.metric:StylizationMetric",
        draw=f"{_AT}.stylization.draw",
        default_model="fast_style",
        compare=f"{_AT}.parity:compare_pictures",
        look="summary",
        recipe=Recipe(
            best_by="loss",
            best_is="lowest",
            scratch_pictures=8_000,
            tune_pictures=0,
            epochs=(4, 500),
            batch=4,
            ema=0.99,
            lr={
                "adamw": {"small": 3e-3, "scratch": 2e-3, "head": 2e-3, "tune": 2e-3},
                "sgd": {"small": 0.05, "scratch": 0.05, "head": 0.05, "tune": 0.05},
            },
            cached=False,
            settled=False,
            own_range=True,
            multiple=4,
            taught=True,
            ignores=(
                *(name for name in _OF_OTHERS if name != "backbone"),
                "loss",
                "features",
                *_OF_ADVERSARIES,
                *_OF_RESTORERS,
                "cycle",
                "identity",
            ),
        ),
    ),
    TaskCard(
        name="captioning",
        verb="generate",
        targets=("Caption",),
        catalog=f"{_AT}.captioning.catalog:MODELS",
        task=f"{_AT}.captioning.task:CaptioningTask",
        decode=f"{_AT}.captioning.decode:decode",
        metric=f"{_AT}.captioning.metric:CaptioningMetric",
        draw=f"{_AT}.captioning.draw",
        default_model="captioner",
        compare=f"{_AT}.captioning.parity:compare_captions",
        look="features",
        recipe=Recipe(
            best_by="bleu4",
            best_is="highest",
            scratch_pictures=60_000,
            tune_pictures=8_000,
            epochs=(10, 100),
            batch=64,
            ema=0.98,
            lr={
                "adamw": {"small": 2e-3, "scratch": 1e-3, "head": 1e-3, "tune": 1e-3},
                "sgd": {"small": 0.05, "scratch": 0.05, "head": 0.05, "tune": 0.02},
            },
            cached=False,
            multiple=16,
            ignores=(
                *(name for name in _OF_OTHERS if name not in _OF_CAPTIONERS),
                "loss",
                "features",
                *_OF_ADVERSARIES,
                *_OF_RESTORERS,
                *_OF_TRANSLATORS,
                *_OF_STYLISTS,
            ),
        ),
    ),
)
"""In the order in which they are proposed for data."""
