"""Ctrl-C and SIGTERM: end in good order, with what was found written; a second one ends at once."""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType


class Stopping:
    """Turns the first signal into a call of `stop`; a context manager.

    Attributes:
        exit_code: 128 plus the signal's number, 0 without one.
    """

    SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __init__(self, stop: Callable[[], None]) -> None:
        self.exit_code = 0
        self._stop = stop

    def __enter__(self) -> Stopping:
        self._before = {number: signal.signal(number, self._caught) for number in self.SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _caught(self, number: int, frame: FrameType | None) -> None:
        self.exit_code = 128 + number
        for each in self.SIGNALS:
            signal.signal(each, signal.SIG_DFL)
        self._stop()
