"""Clips of one drive: where each lies in time."""

from __future__ import annotations

from itertools import pairwise

import pytest

from anpr_stream.sources.playlist import LEAST_STEP_S, Placement, StreamTime, Timeline

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


def placed(*stamps_s: float) -> tuple[list[float], list[int]]:
    """Times, and at which frames they jumped."""
    stream_time = StreamTime(jump_s=10)
    answers = [stream_time.next(stamp_s) for stamp_s in stamps_s]
    return [time_s for time_s, _ in answers], [at for at, (_, is_break) in enumerate(answers) if is_break]


def test_time_stamps_in_order_stay_as_they_are() -> None:
    assert placed(0.2, 0.24, 0.3, 5.0) == ([0.2, 0.24, 0.3, 5.0], [])


def test_a_recording_of_single_events_breaks_at_each() -> None:
    assert placed(0.0, 0.1, 300.0, 300.1) == ([0.0, 0.1, 300.0, 300.1], [2])


def test_time_stamps_that_go_back_go_on_after_what_came_before() -> None:
    times_s, breaks = placed(0.0, 7.0, 0.0, 1.0)
    assert times_s == pytest.approx([0.0, 7.0, 7.0 + LEAST_STEP_S, 8.0 + LEAST_STEP_S])
    assert breaks == [2]


def test_two_frames_with_one_time_stamp_are_no_break() -> None:
    times_s, breaks = placed(0.0, 1.0, 1.0, 1.0, 0.9, 2.0)
    assert all(later - sooner >= LEAST_STEP_S * 0.999 for sooner, later in pairwise(times_s))
    assert breaks == []
