from __future__ import annotations

import pytest

from anpr_stream.pipeline.camera import CameraStatus
from anpr_stream.service.health import STUCK_AFTER_S, faults, stuck_cameras, summary
from anpr_stream.types import SourceState, SourceStatus

NOW_S = 1000.0


def camera(state: SourceState, ago_s: float = 0.0, reason: str = "", error: str = "") -> CameraStatus:
    return CameraStatus(SourceStatus(state, reason), progress_s=NOW_S - ago_s, error=error)


@pytest.mark.parametrize(
    ("state", "ago_s", "is_stuck"),
    [
        (SourceState.RUNNING, STUCK_AFTER_S - 1, False),
        (SourceState.RUNNING, STUCK_AFTER_S + 1, True),
        (SourceState.WAITING, 9999, False),
        (SourceState.CONNECTING, 9999, False),
        (SourceState.ENDED, 9999, False),
        (SourceState.FAILED, 9999, False),
    ],
)
def test_only_a_camera_without_progress_or_reason_is_stuck(
    state: SourceState, ago_s: float, is_stuck: bool
) -> None:
    assert stuck_cameras({"gate": camera(state, ago_s)}, NOW_S) == ["gate"] * is_stuck


def test_faults_come_worst_first() -> None:
    cameras = {
        "lost": camera(SourceState.WAITING, reason="connection refused"),
        "hung": camera(SourceState.RUNNING, 99),
        "well": camera(SourceState.RUNNING, reason="times come from the file's date"),
        "over": camera(SourceState.ENDED, reason="times come from the file's date"),
        "new": camera(SourceState.CONNECTING),
        "again": camera(SourceState.CONNECTING, reason="closed the connection"),
        "broken": camera(SourceState.RUNNING, error="engine failed"),
    }
    assert list(
        faults(cameras, {"hook": "HTTP 500", "mqtt": ""}, {"hook": 2, "mqtt": 0}, "disk full", NOW_S)
    ) == [
        "store: disk full",
        "hung: no frame for 99 s and no reason why",
        "lost: connection refused",
        "again: closed the connection",
        "broken: engine failed",
        "output hook: HTTP 500",
        "output hook: 2 events put aside, see 'anpr-stream outbox list'",
    ]


def test_one_line_says_how_it_is() -> None:
    cameras = {"a": camera(SourceState.RUNNING), "b": camera(SourceState.WAITING)}
    assert summary(cameras, []) == "1 of 2 cameras running"
    assert summary(cameras, ["b: lost", "c: gone", "d"]) == "1 of 2 cameras running; b: lost (and 2 more)"
