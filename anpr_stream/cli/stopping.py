"""Ctrl-C and SIGTERM: end in good order, with what was found written; a second one ends at once."""

from __future__ import annotations

import signal
from types import FrameType


class Stopping:
    """Takes note of the first signal; a context manager.

    A handler runs between any two steps of the main thread, so it does no more: what it called could wait
    for ever for a lock that the main thread holds.

    Attributes:
        exit_code: 128 plus the signal's number, 0 without one.
    """

    SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __init__(self) -> None:
        self.exit_code = 0

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
