"""Work that is done again and again in a thread of its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

LOG = logging.getLogger(__name__)
END_WITHIN_S = 0.5
"""A call that takes longer is left behind at the end of the process, which has a time limit."""


class Periodic:
    """Calls a function every few seconds until it is closed; a context manager.

    What the function raises is logged, and it is called again next time.
    """

    def __init__(self, name: str, every_s: float, work: Callable[[], object]) -> None:
        """Start the thread; the first call comes after `every_s`."""
        self._name = name
        self._every_s = every_s
        self._work = work
        self._is_closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"anpr-{name}", daemon=True)
        self._thread.start()

    def close(self, within_s: float | None = None) -> None:
        """End the thread after its present call, or leave it to that; may be called twice."""
        self._is_closing.set()
        self._thread.join(within_s)

    def __enter__(self) -> Periodic:
        return self

    def __exit__(self, *_: object) -> None:
        self.close(END_WITHIN_S)

    def _run(self) -> None:
        while not self._is_closing.wait(self._every_s):
            try:
                self._work()
            except Exception:
                LOG.exception("%s failed, comes again in %g s", self._name, self._every_s)
