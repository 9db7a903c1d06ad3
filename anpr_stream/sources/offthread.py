"""Calls that may block for ever, bounded."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


def within(limit_s: float, work: Callable[[], Result]) -> Result | None:
    """Run `work` in a thread of its own; its result, or None if it was not done in time.

    After `limit_s` the work goes on by itself: a dead camera, name server or disk must not hold up its
    caller. `work` must not raise.
    """
    results: list[Result] = []
    thread = threading.Thread(target=lambda: results.append(work()), name="bounded", daemon=True)
    thread.start()
    thread.join(limit_s)
    return results[0] if results else None
