"""The machine's own clocks."""

from __future__ import annotations

import time


class SystemClock:
    """Time as the operating system gives it."""

    def utc_s(self) -> float:
        """Seconds since the Unix epoch."""
        return time.time()

    def monotonic_s(self) -> float:
        """Seconds that never go back."""
        return time.monotonic()
