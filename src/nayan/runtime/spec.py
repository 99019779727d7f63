"""What a trained model is, in one JSON document: enough to predict, and to say where it came from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from nayan.core.errors import BundleError
from nayan.runtime.preprocess import Preprocess
from nayan.runtime.tiles import Tiling

VERSION = 1


@dataclass(frozen=True, slots=True)
class Spec:
    """Everything but the weights.

    Attributes:
        task: name of the task card, such as "classification".
        model: name of the catalogue entry.
        model_args: what its builder was called with, beside the classes.
        classes: names in the order of the outputs.
        preprocess: from a picture to the network's pixels.
        decode_args: thresholds and the like that turn outputs into predictions; fitted on validation.
        inputs: what the network takes beside the pixels, by name, and how it is made (`runtime.proposals`).
        tiling: the parts in which it looks at a picture, for a detector that was trained on them; None for
            one look at the whole.
        metrics: {split: {name: value}} as measured when the bundle was made.
        provenance: versions, data fingerprint, command, seed, licence of code and weights.
        version: of this document.
    """

    task: str
    model: str
    model_args: Mapping[str, Any]
    classes: tuple[str, ...]
    preprocess: Preprocess
    decode_args: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Any] = field(default_factory=dict)
    tiling: Tiling | None = None
    metrics: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    version: int = VERSION

    def with_(self, **changes: Any) -> Spec:
        """Return a copy with some fields replaced."""
        return replace(self, **changes)

    def to_json(self) -> str:
        """Return the document as indented JSON with sorted keys."""
        record = {**asdict(self), "preprocess": self.preprocess.to_json(), "classes": list(self.classes)}
        return json.dumps(record, indent=2, ensure_ascii=False, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Spec:
        """Read what `to_json` wrote.

        Raises:
            BundleError: if it is no such document, lacks a field, or has a newer version.
        """
        try:
            record = json.loads(text)
            version = record["version"]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise BundleError(f"spec.json is not a nayan model description: {error}") from error
        if type(version) is not int or version < 1:
            raise BundleError(f"spec.json has the version {version!r}, expected a number from 1")
        if version > VERSION:
            raise BundleError(
                f"the bundle has format version {version}, this nayan reads up to {VERSION}",
                hint="pip install --upgrade nayan",
            )
        try:
            _check_types(record)
            record["preprocess"] = Preprocess.from_json(record["preprocess"])
            record["classes"] = tuple(record["classes"])
            if record.get("tiling") is not None:
                record["tiling"] = Tiling(**record["tiling"])
            return cls(**record)
        except (KeyError, TypeError, ValueError) as error:
            raise BundleError(f"spec.json is damaged: {error}") from error


def _check_types(record: dict[str, Any]) -> None:
    """Raise TypeError where a field has another type than a `Spec` is built from."""
    texts = [record["task"], record["model"], *record["classes"]]
    if not isinstance(record["classes"], list) or not all(isinstance(text, str) for text in texts):
        raise TypeError("task, model and the list of classes must be texts")
    "".join(texts).encode("utf-8")  # JSON can spell half a character, which could never be printed
    optional = [record[name] for name in ("decode_args", "inputs", "metrics", "provenance") if name in record]
    if not all(isinstance(value, dict) for value in (record["model_args"], record["preprocess"], *optional)):
        raise TypeError("model_args, preprocess, decode_args, metrics and provenance must be mappings")
