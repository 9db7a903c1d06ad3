from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry, Histogram

from anpr_stream.service.latency import WINDOW_S, RecentQuantile, quantile

INF = float("inf")


@pytest.mark.parametrize(
    ("counts", "share", "expected"),
    [
        ({}, 0.95, None),
        ({1.0: 0, INF: 0}, 0.95, None),
        ({1.0: 100, 2.0: 100, INF: 100}, 0.5, 0.5),
        ({1.0: 90, 2.0: 100, INF: 100}, 0.95, 1.5),
        ({1.0: 0, 2.0: 100, INF: 100}, 1.0, 2.0),
        ({1.0: 0, 2.0: 0, INF: 100}, 0.95, 2.0),
    ],
)
def test_quantile(counts: dict[float, float], share: float, expected: float | None) -> None:
    assert quantile(counts, share) == expected


def test_only_the_last_minutes_count() -> None:
    histogram = Histogram("t", "t", ["camera"], buckets=(1, 2, 4), registry=CollectorRegistry())
    recent = RecentQuantile(histogram, 1.0)
    histogram.labels("gate").observe(3.0)
    assert recent.update(0.0) == {"gate": 4.0}
    histogram.labels("gate").observe(0.5)
    assert recent.update(WINDOW_S / 2) == {"gate": 4.0}
    assert recent.update(WINDOW_S) == {"gate": 1.0}
    assert recent.update(2 * WINDOW_S) == {}
