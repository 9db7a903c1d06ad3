"""Clips of one drive: where each lies in time."""

from __future__ import annotations

import pytest

from anpr_stream.sources.playlist import Placement, Timeline

DAY = 1_700_000_000.0


def test_clips_without_dates_follow_on_each_other() -> None:
    timeline = Timeline(jump_s=10)
    assert timeline.place(None, DAY) == Placement(0.0, DAY, 0)
    timeline.end(60.0)
    assert timeline.place(None, DAY + 9999) == Placement(60.0, DAY + 60, 0)
    timeline.end(30.5)
    assert timeline.place(None, 0.0) == Placement(90.5, DAY + 90.5, 0)


@pytest.mark.parametrize(
    ("gap_s", "expected"),
    [
        (0.0, Placement(60.0, DAY + 60, 0)),
        (1.4, Placement(60.0, DAY + 60, 0)),
        (-1.4, Placement(60.0, DAY + 60, 0)),
        (5.0, Placement(65.0, DAY + 65, 0)),
        (3600.0, Placement(3660.0, DAY + 3660, 1)),
        (-3600.0, Placement(60.0, DAY - 3540, 1)),
    ],
    ids=["seamless", "rounded up", "rounded down", "short gap", "jump", "back in time"],
)
def test_dates_tell_gaps(gap_s: float, expected: Placement) -> None:
    timeline = Timeline(jump_s=10)
    timeline.place(DAY, 0.0)
    timeline.end(60.0)
    assert timeline.place(DAY + 60 + gap_s, 0.0) == expected


def test_stream_time_never_goes_back() -> None:
    timeline = Timeline(jump_s=10)
    pts_s = []
    for created_utc_s in (DAY, DAY + 500, DAY - 500, None, DAY + 9000, DAY + 9010):
        pts_s.append(timeline.place(created_utc_s, 0.0).pts_s)
        timeline.end(10.0)
    assert pts_s == sorted(pts_s)
    assert timeline.place(None, 0.0).segment == 3
