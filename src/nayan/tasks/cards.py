"""What the rest of the house knows about a task and its models, without importing torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from nayan.runtime.preprocess import Preprocess

PREDICT = "nayan predict {model} PICTURE..."
"""What is proposed for a trained model of most tasks."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a catalogue: a model that can be trained by name.

    Attributes:
        name: what the user types after `--model`.
        build: "module:function" that returns the network.
        preprocess: what its published weights expect.
        summary: one line for the table.
        paper: where it was described, such as "arXiv:1512.03385".
        licence: of the code of the architecture.
        weights: where its published weights come from, with their licence; empty where there are none.
        pretrained: what `--weights` calls them: "imagenet" for a backbone, "coco" for a whole detector.
        parameters: number of them with the paper's own classifier, where known.
        args: passed to the builder.
        gray: whether the network may be built for one channel when all pictures are gray.
        explain: sub-modules worth watching first.
        fitted: arguments of the builder that are worked out from the training data (`Task.data_args`), each
            with what the task has to know for it, such as {"anchors": 9}: how many.
        inputs: what the network takes beside the pixels, by the name of `forward`'s argument, each with how
            it is made, such as {"proposals": {"method": "selective_search", "count": 300}}.
        fixed_size: whether its layers only fit the size of input that it was built for.
        own_backbones: values of `--backbone` that are of our making: nobody publishes weights of them.
        multiple: in px; the side of the input is a multiple of it.
        use: the command that is proposed for the trained model, which stands at "{model}".
    """

    name: str
    build: str
    preprocess: Preprocess
    summary: str = ""
    paper: str = ""
    licence: str = ""
    weights: str = ""
    pretrained: str = "imagenet"
    parameters: int | None = None
    args: Mapping[str, Any] = field(default_factory=dict)
    gray: bool = False
    explain: tuple[str, ...] = ()
    fitted: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Any] = field(default_factory=dict)
    fixed_size: bool = False
    own_backbones: tuple[str, ...] = ()
    multiple: int = 1
    use: str = PREDICT


@dataclass(frozen=True, slots=True)
class Recipe:
    """How the networks of a task are trained unless the user says otherwise.

    Attributes:
        best_by: the validation score by which the best weights are chosen; "" keeps the last.
        best_is: what it is: a "share" in [0, 1] of the pictures, which is as uncertain as they are few; a
            number of which the "highest" is the best, or the "lowest".
        scratch_pictures: pictures that a network sees that starts from nothing.
        tune_pictures: pictures that a network with pretrained weights sees.
        epochs: (least, most) from scratch.
        batch: most pictures a step.
        ema: decay of the averaged weights.
        lr: rate from scratch for small and larger networks, of a new head, and of fine-tuning; by optimiser.
        cached: whether the head learns first, on the cached output of a frozen backbone. It can where what
            lies between the stages is one tensor and augmentation may happen before it.
        settled: whether a pretrained backbone keeps its early stages and statistics, see
            `training.freeze.settle`.
        progressive: share of the epochs, at the beginning, that see pictures of half the side where the
            weights are pretrained; see `training.order.half_size`.
        each: about so many pictures of each identity are put into a batch, so that they meet themselves; 0:
            batches are drawn picture by picture.
        shared: whether every batch holds as many pictures of each class.
        least: pictures of each class that validation needs, or it gives no scores.
        ignores: options of training that mean nothing to the task; to give one is an error.
        own_range: whether pixels are always normalised as the entry says, since what the network draws has
            that range, and never by the mean of the data.
        multiple: where the side of the input follows the data: it is that of the usual picture, down to a
            multiple of this and at most what the entry was made for; 0: it is what the entry was made for.
        taught: whether `--weights` are those of a frozen network that judges what this one makes, so that it
            begins with nothing itself; see `Task.taught_by`.
        augment: what happens to training pictures where the user does not say: the name of a policy.
    """

    best_by: str
    scratch_pictures: int
    tune_pictures: int
    epochs: tuple[int, int]
    batch: int
    ema: float
    lr: Mapping[str, Mapping[str, float]]
    cached: bool = True
    settled: bool = True
    progressive: float = 0.0
    each: int = 0
    ignores: tuple[str, ...] = ()
    best_is: Literal["share", "highest", "lowest"] = "share"
    own_range: bool = False
    multiple: int = 0
    augment: str = "auto"
    taught: bool = False
    shared: bool = False
    least: int = 0


@dataclass(frozen=True, slots=True)
class TaskCard:
    """A task and the addresses ("module:attribute") of its parts, as strings.

    Attributes:
        name: of the slice, such as "classification".
        verb: on the command line, such as "classify"; cards of one verb are chosen by the model.
        targets: names of the target types in `core.types` that it learns from. With "Original" it is the
            picture itself, so that any data will do.
        about: of such a task: what else has to be known of the pictures for a folder to be taken for it.
        catalog: a `Catalog[Entry]`.
        task: the `Task` class (imports torch).
        decode: from raw outputs to predictions.
        metric: the `Metric` class.
        draw: the module that paints predictions and evaluations.
        default_model: when the user names none.
        default_for: the same by the type of what is known of the pictures, where it is another.
        photo_model: the same for colour pictures, where published weights are wanted; empty where it is no
            other.
        recipe: how its networks are trained.
        backbone_is_model: whether `--backbone` names an entry of the catalogue; else it is an argument of the
            entry's builder.
        shown: the least score that is shown where the user does not say: a number, or "auto" for the
            thresholds fitted on validation.
        compare: a `runtime.parity.Compare`, which says whether two engines find the same; empty where it is
            enough to compare their outputs value by value.
        places: whether the network gives places in pixels. A number of 8 bits cannot tell 640 of them apart,
            so that only layers are quantised and the arithmetic between them is not.
        prelabels: from predictions to files of annotations, see `tasks.detection.prelabels`; empty where no
            format of annotations can hold them.
        look: the explanation that is proposed after a training.
        exhibit: what is looked at once a network is trained, beside its scores: a function of (predictor,
            data, what was learnt from, folder) that writes pictures into the folder and returns facts for the
            report; empty where predictions show everything.
        charts: of columns of `results.csv` that are neither losses nor scores of [0, 1]: the title of their
            chart and the name of their line.
        compact: what is kept of each prediction of an evaluation until its worst pictures are known; empty
            where predictions are small.
        per_class: what the `per_class()` of the metric is called among the scores; empty where it has none.
    """

    name: str
    verb: str
    targets: tuple[str, ...]
    catalog: str
    task: str
    decode: str
    metric: str
    draw: str
    default_model: str
    recipe: Recipe
    backbone_is_model: bool = False
    shown: float | str = 0.0
    compare: str = ""
    places: bool = False
    prelabels: str = ""
    look: str = "cam"
    compact: str = ""
    per_class: str = ""
    exhibit: str = ""
    charts: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    photo_model: str = ""
    about: tuple[str, ...] = ()
    default_for: Mapping[str, str] = field(default_factory=dict)
