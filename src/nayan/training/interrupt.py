"""Ctrl-C and SIGTERM: training ends at the next step boundary, saved, not in the middle of one."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from nayan.core.errors import NayanError


class Interrupted(NayanError):
    """Training was asked to stop and has saved its state.

    Args:
        number: of the signal; the exit code is 128 more, as shells do it.
        message: what was saved and how to go on.
    """

    def __init__(self, number: int, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.exit_code = 128 + number


class StopSign:
    """Remembers the first signal; a second Ctrl-C is not held back any more."""

    def __init__(self) -> None:
        self.signal: int | None = None

    def __bool__(self) -> bool:
        return self.signal is not None

    @contextlib.contextmanager
    def watching(self) -> Iterator[StopSign]:
        """Listen to SIGINT and SIGTERM within the block; only the main thread can, others do not."""
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

        def remember(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  the signal's signature
            self.signal = number
            signal.signal(signal.SIGINT, signal.default_int_handler)

        for number in before:
            signal.signal(number, remember)
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
