"""What an ONNX file says about itself."""

from __future__ import annotations

from collections.abc import Mapping

from nayan.core.errors import MissingExtra
from nayan.runtime.backends.onnx import PRECISION_KEY

__all__ = ["PRECISION_KEY", "SPEC_KEY", "with_metadata"]

SPEC_KEY = "nayan.spec"
"""Key of the spec's JSON, so that a file that lost its bundle still says what it is."""


def with_metadata(content: bytes, metadata: Mapping[str, str]) -> bytes:
    """Return an ONNX model with metadata added; entries with the same key are replaced.

    Raises:
        MissingExtra: without the onnx package.
    """
    try:
        import onnx
    except ImportError as error:
        raise MissingExtra("onnx", "train") from error
    model = onnx.load_from_string(content)
    kept = {entry.key: entry.value for entry in model.metadata_props}
    onnx.helper.set_model_props(model, {**kept, **metadata})
    return bytes(model.SerializeToString())
