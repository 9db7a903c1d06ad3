"""The latency that 95 of 100 events stay under, over the last minutes, from the histogram that is there."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

from prometheus_client import Histogram

WINDOW_S = 300.0

Counts = dict[float, float]
"""Cumulative counts by upper bound in seconds, infinity included."""


def quantile(counts: Mapping[float, float], share: float) -> float | None:
    """Return a quantile, linear inside its bucket as Prometheus does; None without events.

    What lies above the last finite bound counts as that bound.
    """
    bounds = sorted(counts)
    total = counts[bounds[-1]] if bounds else 0.0
    if total <= 0:
        return None
    below, lower = 0.0, 0.0
    for bound in bounds:
        if counts[bound] >= share * total:
            if bound == float("inf"):
                return lower
            return lower + (bound - lower) * (share * total - below) / (counts[bound] - below)
        below, lower = counts[bound], bound
    return lower


class RecentQuantile:
    """A quantile of each camera's latency over the last `WINDOW_S` seconds."""

    def __init__(self, histogram: Histogram, share: float = 0.95) -> None:
        self._histogram = histogram
        self._share = share
        self._past: deque[tuple[float, dict[str, Counts]]] = deque()

    def update(self, now_s: float) -> dict[str, float]:
        """Take the histogram as it stands now; return the quantile in seconds of cameras with events."""
        now = _counts(self._histogram)
        self._past.append((now_s, now))
        while len(self._past) > 1 and now_s - self._past[1][0] >= WINDOW_S:
            self._past.popleft()
        began_s, before = self._past[0]
        # Until the window is full, everything since the start counts.
        before = before if now_s - began_s >= WINDOW_S else {}
        found = {}
        for camera, counts in now.items():
            past = before.get(camera, {})
            recent = {bound: count - past.get(bound, 0.0) for bound, count in counts.items()}
            if (value := quantile(recent, self._share)) is not None:
                found[camera] = value
        return found


def _counts(histogram: Histogram) -> dict[str, Counts]:
    found: dict[str, Counts] = {}
    samples: Sequence[object] = [sample for metric in histogram.collect() for sample in metric.samples]
    for sample in samples:
        name, labels, value = sample[:3]  # type: ignore[index]
        if name.endswith("_bucket"):
            found.setdefault(labels["camera"], {})[float(labels["le"])] = value
    return found
