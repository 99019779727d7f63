"""The verbs that train: a run from the beginning, and from where it stopped."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from nayan.api.common import Place, as_listeners, needs_training
from nayan.core.errors import ConfigError
from nayan.core.events import Listener

if TYPE_CHECKING:
    from nayan.training.run import Run


def train(
    data: Place | None, *, config: Path | None = None, on_event: Listener | None = None, **options: Any
) -> Run:
    """Train a model on a folder of pictures.

    Args:
        data: a data set of any format that `nayan.data.readers` knows; None if the file names it.
        config: a YAML file of options; explicit ones go before it.
        on_event: called with every event of the run, see `nayan.core.events`.
        **options: those of `nayan.core.config.TrainConfig`, by name.

    Returns:
        The finished run: its folder, scores, bundle and report.

    Raises:
        ConfigError: for an unknown or impossible option.
        DataError: if the data cannot be trained on.
        MissingExtra: without `pip install "nayan[train]"`.

    Example:
        run = nayan.train("flowers", model="mobilenetv2_100", epochs=5)
        run.metrics["accuracy"]
    """
    from nayan.core.config import make_config

    if data is None and config is None:
        raise ConfigError("no data to train on", hint="nayan train DATA, with DATA a folder of pictures")
    resolved, origins = make_config({**options, "data": data}, config)
    with needs_training("training"):
        from nayan.delivery import deliver
        from nayan.training.run import train_run

        return deliver(train_run(resolved, origins, listeners=as_listeners(on_event)))


def resume(run: Place, *, on_event: Listener | None = None, **options: Any) -> Run:
    """Go on with an interrupted run where it stopped; the result is that of a run that never was.

    Args:
        run: its folder.
        on_event: called with every event.
        **options: those that may change without changing the result, such as `device` or `workers`.

    Raises:
        ConfigError: if the folder is no run, or an option would change the result.
    """
    with needs_training("training"):
        from nayan.delivery import deliver
        from nayan.training.run import resume_config, train_run

        config, origins = resume_config(Path(run), options)
        listeners = as_listeners(on_event)
        return deliver(train_run(config, origins, listeners=listeners, resume_from=Path(run)))
