"""The life of a live source: lost, waited for, rebuilt; told with sessions that obey a script."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np
import pytest

from anpr_stream.config.source import SourceSettings
from anpr_stream.errors import SourceError
from anpr_stream.sources.session import EndOfStream, Picture, Session, StreamInfo
from anpr_stream.sources.supervise import Backoff, LiveSource, Watchdog
from anpr_stream.types import Frame, PixelFormat, Planes, SourceState

FAST = SourceSettings(retry_min_s=0.001, retry_max_s=0.002)
PLANES = Planes(PixelFormat.GRAY8, (np.zeros((2, 2), np.uint8),))


class FakeClock:
    """A clock that tests wind by hand."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def utc_s(self) -> float:
        return 1_700_000_000.0 + self.now_s

    def monotonic_s(self) -> float:
        return self.now_s


def shot(number: int, running_s: float | None = None, **more: float) -> Picture:
    return Picture(PLANES, 2, 2, number, number / 10 if running_s is None else running_s, **more)


class ScriptedSession:
    """Gives pictures, waits (a float: seconds without one) and errors in order; then ends."""

    def __init__(self, clock: FakeClock, script: Iterable[Picture | float | Exception]) -> None:
        self._clock = clock
        self._script = iter(script)
        self.closed = False

    def pull(self, limit_s: float) -> Picture | None:
        step = next(self._script, EndOfStream())
        if isinstance(step, Exception):
            raise step
        if isinstance(step, float):
            self._clock.now_s += step
            return None
        return step

    def info(self) -> StreamInfo:
        return StreamInfo(10.0, "H.264", "fake")

    def close(self) -> None:
        self.closed = True


def source_of(
    *lives: Iterable[Picture | float | Exception] | SourceError, settings: SourceSettings = FAST
) -> tuple[LiveSource, list[ScriptedSession], FakeClock]:
    """A source whose connections go as told; after the last one it is closed."""
    clock = FakeClock()
    sessions: list[ScriptedSession] = []
    remaining = iter(lives)

    def connect() -> Session:
        life = next(remaining, None)
        if life is None:
            source.close()
            life = ()
        if isinstance(life, SourceError):
            raise life
        sessions.append(ScriptedSession(clock, life))
        return sessions[-1]

    source = LiveSource("cam", "rtsp://cam/live", settings, connect, clock, random.Random(1))
    return source, sessions, clock


def test_a_camera_that_ends_is_rebuilt_and_nothing_continues() -> None:
    source, sessions, _ = source_of([shot(0), shot(1)], [shot(0)], [shot(0), shot(1)])
    frames = list(source.frames())
    assert [(frame.segment, frame.index) for frame in frames] == [(0, 0), (0, 1), (1, 2), (2, 3), (2, 4)]
    assert all(session.closed for session in sessions)
    status = source.status()
    assert (status.state, status.frames) == (SourceState.ENDED, 5)


def test_stream_time_goes_on_over_a_reconnect() -> None:
    source, _, clock = source_of([shot(0), 2.5, shot(25)], [shot(0)])
    pts_s = []
    for frame in source.frames():
        pts_s.append(frame.pts_s)
        clock.now_s += 0.5
    assert pts_s == [0.0, 2.5, 3.5]


def test_every_way_to_fail_is_told_and_tried_again() -> None:
    refused = SourceError("rtsp://cam/live refuses the connection", "source-refused")
    source, _, _ = source_of(refused, [SourceError("broke", "source-broken")], [shot(0)])
    assert len(list(source.frames())) == 1
    assert source.status().reconnects >= 3


def states_while_waiting(source: LiveSource) -> Iterator[tuple[SourceState, str, float]]:
    """Run the source in a thread and look at its status once it waits."""
    thread = threading.Thread(target=lambda: list(source.frames()))
    thread.start()
    while source.status().state is not SourceState.WAITING:
        thread.join(0.01)
    status = source.status()
    yield status.state, status.reason, status.retry_in_s
    source.close()
    thread.join(5)
    assert not thread.is_alive(), "close ends the wait at once"


def test_waiting_is_visible_and_close_interrupts_it() -> None:
    slow = SourceSettings(retry_min_s=500, retry_max_s=1000)
    source, _, _ = source_of(SourceError("rtsp://cam/live refuses", "source-refused"), settings=slow)
    for state, reason, retry_in_s in states_while_waiting(source):
        assert (state, reason) == (SourceState.WAITING, "rtsp://cam/live refuses")
        assert 250 <= retry_in_s <= 500


def test_frames_that_newer_ones_pushed_out_are_counted() -> None:
    source, _, _ = source_of([shot(0), shot(3), shot(4), shot(9)])
    assert [frame.index for frame in source.frames()] == [0, 3, 4, 9]
    assert source.status().dropped == {"newer_frame": 6}


def test_arrival_and_not_processing_stamps_a_frame() -> None:
    source, _, clock = source_of([shot(0, age_s=0.3), 1.0, shot(1, age_s=0.0)])
    frames = list(source.frames())
    assert frames[0].utc_s == pytest.approx(clock.utc_s() - 1.0 - 0.3)
    assert frames[1].utc_s == pytest.approx(clock.utc_s())


@pytest.mark.parametrize(
    ("off_s", "clock", "expected_off_s"),
    [(-2.0, "camera", -2.0), (-2.0, "arrival", 0.0), (1e6, "camera", 0.0)],
)
def test_the_cameras_clock_counts_where_it_can_be_believed(
    off_s: float, clock: str, expected_off_s: float
) -> None:
    settings = SourceSettings(clock=clock, retry_min_s=0.001, retry_max_s=0.001)  # type: ignore[arg-type]
    arrival_s = FakeClock().utc_s()
    source, _, _ = source_of([shot(0, camera_utc_s=arrival_s + off_s)], settings=settings)
    frames = source.frames()
    assert next(frames).utc_s == pytest.approx(arrival_s + expected_off_s)
    assert ("clock is off by 1000000 s" in source.status().reason) == (off_s == 1e6)


def test_a_jump_of_the_cameras_clock_counts_when_it_has_lasted() -> None:
    began_s = FakeClock().utc_s()

    def told(number: int) -> float:
        """Wrong for 4 s, as after a reset of the camera's RTP time; from 10 s on its clock is another."""
        off_s = -100.0 if 20 <= number < 60 else 30.0 if number >= 100 else 0.0
        return began_s + number / 10 + off_s

    source, _, _ = source_of([shot(number, camera_utc_s=told(number)) for number in range(220)])
    times_s = [frame.utc_s - began_s for frame in islice(source.frames(), 220)]
    assert times_s == pytest.approx([number / 10 + 30.0 * (number >= 200) for number in range(220)])


@pytest.mark.parametrize("jump_s", [-3600.0, 3600.0])
def test_a_camera_that_takes_itself_into_another_time_zone_is_not_believed(jump_s: float) -> None:
    began_s = FakeClock().utc_s()
    script: list[Picture | float | Exception] = []
    for number in range(220):
        camera_s = began_s + number / 10 - 0.05 + jump_s * (number >= 20)
        script += (
            [0.1, shot(number, camera_utc_s=camera_s)] if number else [shot(number, camera_utc_s=camera_s)]
        )
    source, _, _ = source_of(script)
    times_s = [frame.utc_s - began_s for frame in islice(source.frames(), 220)]
    assert times_s == sorted(times_s)
    assert times_s == pytest.approx([number / 10 for number in range(220)], abs=0.1)
    assert "clock is off by" in source.status().reason


def test_a_clock_that_is_wrong_is_told_again_after_a_reconnect() -> None:
    settings = SourceSettings(retry_min_s=0.001, retry_max_s=0.001)
    wrong = shot(0, camera_utc_s=1.0)
    source, _, _ = source_of([wrong], [wrong], settings=settings)
    frames = source.frames()
    for _ in range(2):
        next(frames)
        assert "clock is off" in source.status().reason


def test_a_silent_camera_is_rebuilt_after_its_own_intervals() -> None:
    settings = SourceSettings(stall_frames=20, stall_min_s=1, stall_max_s=30, retry_min_s=0.001)
    slow = [shot(n, running_s=2.0 * n) for n in range(4)]
    source, _, _ = source_of([*slow, *[5.0] * 5, shot(9, running_s=33.0), *[6.0] * 9], settings=settings)
    assert len(list(source.frames())) == 5, "25 s of silence is nothing for a camera with 2 s a frame"
    assert source.status().reconnects >= 1


def test_a_decoder_that_falls_behind_begins_anew() -> None:
    settings = SourceSettings(late_limit_s=2.0, retry_min_s=0.001)
    source, sessions, _ = source_of([shot(0, age_s=0.5), shot(1, age_s=2.5), shot(2)], settings=settings)
    assert [frame.index for frame in source.frames()] == [0]
    assert sessions[0].closed


def watch(intervals_s: Iterable[float], settings: SourceSettings) -> Watchdog:
    watchdog = Watchdog("cam", settings)
    running_s = 0.0
    watchdog.seen(shot(0, running_s))
    for number, interval_s in enumerate(intervals_s, 1):
        running_s += interval_s
        watchdog.seen(shot(number, running_s))
    return watchdog


@pytest.mark.parametrize(
    ("interval_s", "limit_s"), [(0.04, 3.0), (0.5, 10.0), (60.0, 30.0)], ids=["fast", "slow", "time lapse"]
)
def test_the_limit_comes_from_the_frame_interval(interval_s: float, limit_s: float) -> None:
    assert watch([interval_s] * 20, SourceSettings()).limit_s == pytest.approx(limit_s)


def test_the_limit_counts_frames_that_were_never_taken() -> None:
    watchdog = Watchdog("cam", SourceSettings())
    watchdog.seen(shot(0, 0.0))
    watchdog.seen(shot(100, 10.0))
    assert watchdog.fps == pytest.approx(10)


def test_the_first_frame_has_a_limit_of_its_own() -> None:
    watchdog = Watchdog("cam", SourceSettings(connect_limit_s=9))
    watchdog.waited(8.9)
    with pytest.raises(SourceError, match=r"cam gives no picture for 9\.1 s"):
        watchdog.waited(0.2)


def test_a_frame_ends_the_silence() -> None:
    watchdog = watch([0.04] * 9, SourceSettings())
    for _ in range(5):
        watchdog.waited(2.9)
        watchdog.seen(shot(99, 99.0))
    with pytest.raises(SourceError, match="cam hangs: no frame for"):
        watchdog.waited(40)


def test_waits_double_with_jitter_up_to_the_longest() -> None:
    backoff = Backoff(SourceSettings(retry_min_s=1, retry_max_s=8), random.Random(3))
    waits = [backoff.wait_s("source-refused") for _ in range(6)]
    for wait_s, whole_s in zip(waits, [1, 2, 4, 8, 8, 8], strict=True):
        assert whole_s / 2 <= wait_s <= whole_s
    assert len({round(wait_s, 6) for wait_s in waits[3:]}) == 3, "cameras must not come in step"
    backoff.healthy()
    assert backoff.wait_s("source-refused") <= 1


def test_a_wrong_password_waits_longest_at_once() -> None:
    backoff = Backoff(SourceSettings(retry_min_s=1, retry_max_s=60), random.Random(3))
    assert backoff.wait_s("source-auth") >= 30


def test_a_consumer_that_stops_frees_the_camera() -> None:
    source, sessions, _ = source_of([shot(0), shot(1)])
    frames: Iterator[Frame] = source.frames()
    next(frames)
    frames.close()  # type: ignore[attr-defined]
    assert sessions[0].closed
