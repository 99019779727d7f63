"""What turns pictures into vectors, and the fingerprint by which an index knows its own model again.

A model that was trained to embed is taken as it is. Of a classifier, trained or published, what its last
layer sees is taken: the network of that is made where an index is made, and stays with it. No torch here: an
index that is added to or asked needs none.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nayan.core.errors import BundleError, ConfigError, NotFound, WeightsError
from nayan.core.registry import resolve
from nayan.runtime.bundle import Bundle, open_bundle, write_files
from nayan.runtime.manifest import GOLDEN, SPEC, WEIGHTS, digest_file
from nayan.tasks import CARDS

POOLINGS = ("gap", "gem", "flatten")
"""From a classifier's last map to a vector: as its last layer sees it, the generalised mean, every cell."""

FINGERPRINT = "fingerprint"
"""Key of the provenance where a made embedder says what it was made of."""

MODEL = "model"
"""The folder of the bundle in the folder of an index."""

_NAME = re.compile(r"[\w.-]+")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What shall embed.

    Attributes:
        model: a run folder or a bundle, of an embedder or a classifier; or the name of a backbone.
        weights: of a name: "imagenet" or a .safetensors file; None for "imagenet".
        pooling: of a name or a classifier, one of `POOLINGS`; None for "gap".
        imgsz: of a name: side of the input in pixels; None for that of the published weights.
    """

    model: str
    weights: str | None = None
    pooling: str | None = None
    imgsz: int | None = None

    @property
    def is_name(self) -> bool:
        """Whether the model is named rather than a place."""
        return not Path(self.model).exists() and _NAME.fullmatch(self.model) is not None


@dataclass(frozen=True, slots=True, eq=False)
class Embedder:
    """What shall embed, found.

    Attributes:
        wanted: what was asked for.
        fingerprint: the same for the same vectors; a word on the model and a digest.
        bundle: what was found at the place; None for a name.
        ready: whether the bundle embeds as it is; else it has to be made into one that does.
    """

    wanted: Wanted
    fingerprint: str
    bundle: Bundle | None
    ready: bool


def find_embedder(wanted: Wanted) -> Embedder:
    """Return what is wanted, with its fingerprint; no network is built.

    Raises:
        ConfigError: if the model gives no vectors, or an option does not fit it.
        BundleError: if the bundle is not as it was written.
        NotFound: if there is no such backbone or pooling.
        WeightsError: if there is no such file of weights.
    """
    if wanted.pooling is not None and wanted.pooling not in POOLINGS:
        raise NotFound("pooling", wanted.pooling, POOLINGS)
    if wanted.is_name:
        return _named(wanted)
    bundle = open_bundle(Path(wanted.model))
    targets = CARDS[bundle.spec.task].targets
    if wanted.weights is not None or wanted.imgsz is not None:
        raise ConfigError(
            f"{wanted.model}: a trained model has its own weights and size",
            hint="leave out --weights and --imgsz",
        )
    if targets == ("Identity",):
        if wanted.pooling is not None:
            raise ConfigError(f"{wanted.model}: an embedder has its own pooling", hint="leave out --pooling")
        return Embedder(wanted, fingerprint_of(bundle), bundle, ready=True)
    if targets != ("Label",):
        raise ConfigError(
            f"{wanted.model}: is for {bundle.spec.task}; vectors come from an embedder or a classifier",
            hint="train one: nayan train DATA --task compare; or name a backbone and its --weights",
        )
    facts = {"of": _graph(bundle), "pooling": wanted.pooling or "gap"}
    return Embedder(wanted, _fingerprint(bundle.spec.model, facts), bundle, ready=False)


def fingerprint_of(bundle: Bundle) -> str:
    """Return what names the model of an embedder's bundle: its network and how pictures are laid into it.

    A bundle that was made of a classifier carries the fingerprint of what it was made of, as the network is
    spelt otherwise by each version of torch.
    """
    made = bundle.spec.provenance.get(FINGERPRINT)
    facts = {"graph": _graph(bundle), "preprocess": bundle.spec.preprocess.to_json()}
    return str(made) if made else _fingerprint(bundle.spec.model, facts)


def keep_model(bundle: Bundle, index: Path) -> Bundle:
    """Put an embedder's bundle, without its weights for training, into the folder of an index.

    Raises:
        OSError: as the operating system reports it.
    """
    folder = index / MODEL
    with tempfile.TemporaryDirectory() as temporary:  # a bundle may be asked to replace itself
        names = [name for name in bundle.files if name not in (SPEC, GOLDEN, WEIGHTS)]
        files = {name: Path(shutil.copyfile(bundle.path / name, Path(temporary) / name)) for name in names}
        write_files(folder, spec=bundle.spec, golden=bundle.golden(), files=files)
    return open_bundle(folder)


def kept_model(index: Path) -> Bundle:
    """Return the bundle that an index was made with.

    Raises:
        BundleError: if it is gone or damaged.
    """
    if not (index / MODEL).is_dir():
        raise BundleError(
            f"{index / MODEL}: the index has lost its model",
            hint="call `nayan index` again as when it was made: it puts the model back",
        )
    return open_bundle(index / MODEL)


def _named(wanted: Wanted) -> Embedder:
    card = CARDS["classification"]
    trained = [other.verb for other in CARDS if other != card and wanted.model in resolve(other.catalog)]
    if trained:
        raise ConfigError(
            f"{wanted.model}: a model to {trained[0]} embeds when it was trained, not by its name",
            hint="name its run folder or bundle, or a backbone such as mobilenetv2_100",
        )
    entry = resolve(card.catalog)[wanted.model]
    facts = {
        "of": entry.name,
        "weights": _weights_digest(wanted.weights or "imagenet"),
        "pooling": wanted.pooling or "gap",
        "imgsz": wanted.imgsz or entry.preprocess.size,
    }
    return Embedder(wanted, _fingerprint(entry.name, facts), None, ready=False)


def _weights_digest(weights: str) -> str:
    if weights == "none":
        raise ConfigError(
            "an untrained network finds nothing alike", hint="use --weights FILE or --weights imagenet"
        )
    if weights == "imagenet":
        return weights
    path = Path(weights) / WEIGHTS if Path(weights).is_dir() else Path(weights)
    if not path.is_file():
        raise WeightsError(f"there is no file of weights at {path}", hint="--weights FILE or imagenet")
    return digest_file(path).sha256


def _graph(bundle: Bundle) -> list[str]:
    return sorted(
        digest.sha256 for name, digest in bundle.files.items() if name not in (SPEC, GOLDEN, WEIGHTS)
    )


def _fingerprint(word: str, facts: Mapping[str, Any]) -> str:
    return f"{word} {hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:24]}"
