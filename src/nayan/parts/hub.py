"""Published weights, through the loading code of timm and torchvision; quick to say so when there is no way.

The hub's client tries an unreachable host ten times over 47 seconds. So the cache is asked first, and the
hub only after one short look whether it answers.
"""

from __future__ import annotations

import contextlib
import urllib.error
import urllib.request
from collections.abc import Iterator

import huggingface_hub.constants
import timm
import torchvision
from huggingface_hub.errors import HfHubHTTPError
from torch import Tensor

from nayan.core.errors import WeightsError
from nayan.parts.backbone import Published

PATIENCE_S = 5.0
"""How long the hub may take to answer at all."""

WAYS_ON = (
    "use --weights FILE with a .safetensors file, or --weights none to start from random weights, or fill "
    "a cache on another machine and point {cache} at it"
)


def published_weights(published: Published) -> dict[str, Tensor]:
    """Return the state dict that timm or torchvision publishes for a network, from the cache or the hub.

    Raises:
        WeightsError: there are none, or the hub cannot be reached and the cache does not hold them.
    """
    if published.source == "torchvision":
        return _from_torchvision(published.name)
    if published.source == "timm":
        return _from_timm(published)
    raise WeightsError(
        f"nobody publishes weights for {published.name}",
        hint="use --weights none, or --weights FILE with a model that you trained",
    )


def _from_timm(published: Published) -> dict[str, Tensor]:
    config = timm.get_pretrained_cfg(published.name)
    if config is None or not config.has_weights:
        raise WeightsError(
            f"timm knows no weights for {published.name}",
            hint="use --weights none, or --weights FILE; `nayan models --all` lists those that have some",
        )
    arguments = {key: value for key, value in published.create.items() if key != "in_chans"}
    try:
        with _offline():
            return dict(timm.create_model(published.name, pretrained=True, **arguments).state_dict())
    except (OSError, RuntimeError):  # not in the cache: ask the hub
        where = f"{config.hf_hub_id or config.url}"
    _knock(huggingface_hub.constants.ENDPOINT, published.name, cache="HF_HOME")
    try:
        return dict(timm.create_model(published.name, pretrained=True, **arguments).state_dict())
    except (OSError, HfHubHTTPError, RuntimeError) as error:
        raise WeightsError(
            f"the weights of {published.name} ({where}) cannot be fetched: {error}",
            hint=WAYS_ON.format(cache="HF_HOME"),
        ) from error


def _from_torchvision(name: str) -> dict[str, Tensor]:
    weights = torchvision.models.get_model_weights(name).DEFAULT
    try:
        return dict(weights.get_state_dict(progress=False, check_hash=True, weights_only=True))
    except (OSError, RuntimeError) as error:
        raise WeightsError(
            f"the weights of {name} cannot be fetched from {weights.url}: {error}",
            hint=WAYS_ON.format(cache="TORCH_HOME"),
        ) from error


@contextlib.contextmanager
def _offline() -> Iterator[None]:
    """Let the hub's client look into its cache only; it has no argument for this that timm passes on."""
    constants = huggingface_hub.constants
    before, constants.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE, True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def _knock(address: str, name: str, *, cache: str) -> None:
    """Raise WeightsError unless the host answers within `PATIENCE_S`, whatever it answers."""
    if huggingface_hub.constants.HF_HUB_OFFLINE:
        raise WeightsError(
            f"the weights of {name} are not in the cache, and HF_HUB_OFFLINE forbids to fetch them",
            hint=WAYS_ON.format(cache=cache),
        )
    request = urllib.request.Request(address, method="HEAD")
    try:
        urllib.request.urlopen(request, timeout=PATIENCE_S).close()
    except urllib.error.HTTPError:
        return  # it answered
    except OSError as error:
        raise WeightsError(
            f"the weights of {name} are not in the cache, and {address} cannot be reached: {error}",
            hint=WAYS_ON.format(cache=cache),
        ) from error
