"""The verbs of nayan: the only place that ties the layers together.

The command line parses into these functions, and `import nayan` shows them. Whatever only some verbs
need (torch, pydantic, ONNX Runtime) is imported inside them, so that each starts as fast as it can.
"""

from nayan.api.augmenting import augment
from nayan.api.bundles import check_bundle, export
from nayan.api.captioning import caption
from nayan.api.data import convert, doctor, sample, split
from nayan.api.generating import generate
from nayan.api.inside import explain, models
from nayan.api.learning import resume, train
from nayan.api.portraits import portrait
from nayan.api.restoring import inpaint, upscale
from nayan.api.searching import duplicates, embed, index, recommend, search
from nayan.api.stylizing import stylize
from nayan.api.translations import translate
from nayan.api.trying import demo
from nayan.api.using import load, predict, val, watch
from nayan.api.verifying import verify, verify_pairs

__all__ = [
    "augment",
    "caption",
    "check_bundle",
    "convert",
    "demo",
    "doctor",
    "duplicates",
    "embed",
    "explain",
    "export",
    "generate",
    "index",
    "inpaint",
    "load",
    "models",
    "portrait",
    "predict",
    "recommend",
    "resume",
    "sample",
    "search",
    "split",
    "stylize",
    "train",
    "translate",
    "upscale",
    "val",
    "verify",
    "verify_pairs",
    "watch",
]
