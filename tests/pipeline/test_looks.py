from collections.abc import Iterator, Sequence
from dataclasses import replace
from threading import Semaphore

import numpy as np
import pytest

from anpr_stream.config.flow import FlowSettings
from anpr_stream.errors import BackendError, SourceError
from anpr_stream.metrics import LOOKS_SAVED
from anpr_stream.pipeline.looks import DetectorWorker, LiveLooks, Look, LookRate, RecordedLooks
from anpr_stream.pipeline.worker import FairFrames, Worker
from anpr_stream.types import Detection, Frame, PixelFormat, Planes
from tests.pipeline.fakes import ListSource, find_plate, make_frame

SETTINGS = FlowSettings(detect_rate_hz=15, frames_waiting=4)


@pytest.fixture
def detector() -> Iterator[DetectorWorker]:
    with Worker("detect", find_plate, FairFrames[Frame, list[Detection]](8), 0) as worker:
        yield worker


def looked_at(fps: float, rate_hz: float, count: int = 12) -> list[int]:
    rate = LookRate(rate_hz)
    return [n for n in range(count) if rate.is_due(make_frame(n, fps))]


def test_every_second_frame_of_a_usual_camera_is_looked_at() -> None:
    assert looked_at(30, 15) == [0, 2, 4, 6, 8, 10]
    assert looked_at(29.97, 15) == [0, 2, 4, 6, 8, 10]


def test_the_rate_holds_on_average_where_frames_do_not_divide() -> None:
    assert len(looked_at(25, 15, count=250)) == 150


def test_a_slow_camera_is_looked_at_always() -> None:
    assert looked_at(5, 15) == list(range(12))
    assert looked_at(60, 1000) == list(range(12))


def test_a_pause_is_not_made_up_for() -> None:
    rate = LookRate(10)
    assert [rate.is_due(make_frame(n, 100)) for n in (0, 500, 501, 502)] == [True, True, False, False]


def test_a_new_segment_is_looked_at_at_once() -> None:
    rate = LookRate(1)
    assert rate.is_due(make_frame(0))
    assert not rate.is_due(make_frame(1))
    assert rate.is_due(make_frame(2, segment=1))
    assert not rate.is_due(make_frame(3, segment=1))


def test_a_recording_gives_every_frame_in_order(detector: DetectorWorker) -> None:
    looks = [look for look in RecordedLooks(ListSource(frames(50)), detector, SETTINGS) if look]
    assert [look.frame.index for look in looks] == list(range(50))
    assert [look.frame.index for look in looks if look.detections] == list(range(0, 50, 2))
    assert all(found(look) in (None, look.frame.index) for look in looks)


def test_the_detector_is_only_so_far_ahead(detector: DetectorWorker) -> None:
    source = ListSource(frames(50))
    looks = iter(RecordedLooks(source, detector, SETTINGS))
    next(looks)
    assert source.given <= 1 + SETTINGS.frames_waiting + 1
    assert len(list(looks)) == 49


def test_a_source_that_breaks_gives_its_frames_and_then_the_error(detector: DetectorWorker) -> None:
    source = ListSource(frames(3), SourceError("the file is cut off"))
    seen = []
    with pytest.raises(SourceError, match="cut off"):
        seen.extend(RecordedLooks(source, detector, SETTINGS))
    assert len(seen) == 3


def test_a_detector_that_fails_ends_the_recording_with_its_error() -> None:
    def fail(batch: Sequence[Frame]) -> list[list[Detection]]:
        raise BackendError("out of memory")

    source = ListSource(frames(50))
    with (
        Worker("detect", fail, FairFrames[Frame, list[Detection]](8), 0) as worker,
        pytest.raises(BackendError, match="out of memory"),
    ):
        list(RecordedLooks(source, worker, SETTINGS))
    assert source.closed.is_set()


def test_a_closed_recording_finishes_what_is_decoded(detector: DetectorWorker) -> None:
    looks = RecordedLooks(ListSource(frames(50), stays_open=True), detector, SETTINGS)
    seen = []
    for look in looks:
        seen.append(look)
        if len(seen) == 10:
            looks.close()
            looks.close()
    assert 10 <= len(seen) <= 10 + SETTINGS.frames_waiting + 1


def test_a_live_camera_gives_the_newest_frame_and_says_when_it_is_silent(detector: DetectorWorker) -> None:
    looks = LiveLooks(ListSource(frames(9), stays_open=True), detector, SETTINGS, idle_s=0.01)
    seen: list[Look] = []
    for look in looks:
        if look is None:
            looks.close()
        else:
            seen.append(look)
    indices = [look.frame.index for look in seen]
    assert indices == sorted(indices)
    assert indices[-1] == 8
    assert len(seen) + looks.passed_over == 9
    assert all(found(look) in (None, look.frame.index) for look in seen)


class StepwiseSource:
    """Gives each frame when the one before has been looked at."""

    def __init__(self, frames: Sequence[Frame]) -> None:
        self._frames = frames
        self.may_go_on = Semaphore(1)

    def frames(self) -> Iterator[Frame]:
        for frame in self._frames:
            self.may_go_on.acquire()
            yield frame

    def close(self) -> None:
        self.may_go_on.release()


def looks_of(
    detector: DetectorWorker, shown: Sequence[Frame], settings: FlowSettings = SETTINGS
) -> list[bool]:
    """For each frame of a live camera whether the detector looked at it."""
    source = StepwiseSource(shown)
    seen = []
    for look in LiveLooks(source, detector, settings, idle_s=60):
        assert look is not None
        seen.append(look.detections is not None)
        source.may_go_on.release()
    return seen


def test_the_detector_rests_while_the_picture_stands_still(detector: DetectorWorker) -> None:
    saved = LOOKS_SAVED.labels("gate")._value.get()
    seen = looks_of(detector, [make_frame(index, fps=15) for index in range(150)])
    assert all(seen[:45])
    assert sum(seen[45:]) == 105 / 5
    assert LOOKS_SAVED.labels("gate")._value.get() - saved == 105 * 4 / 5


def test_the_detector_never_rests_where_the_rate_for_still_pictures_is_no_lower(
    detector: DetectorWorker,
) -> None:
    restless = FlowSettings(detect_rate_hz=15, still_rate_hz=15, frames_waiting=4)
    assert all(looks_of(detector, [make_frame(index, fps=15) for index in range(60)], restless))


def test_a_change_brings_the_detector_back_at_once(detector: DetectorWorker) -> None:
    bright = Planes(PixelFormat.GRAY8, (np.pad(np.full((20, 20), 200, np.uint8), 14),))
    shown = [make_frame(index, fps=15) for index in range(120)]
    shown[101:] = [replace(frame, planes=bright, height=48, width=48) for frame in shown[101:]]
    assert looks_of(detector, shown)[100:] == [True, *[True] * 19]


def test_a_live_camera_that_cannot_be_opened_says_why(detector: DetectorWorker) -> None:
    with pytest.raises(SourceError, match="no such device"):
        list(LiveLooks(ListSource([], SourceError("no such device")), detector, SETTINGS, idle_s=1))


def frames(count: int) -> list[Frame]:
    return [make_frame(index) for index in range(count)]


def found(look: Look) -> int | None:
    return round(look.detections[0].confidence * 1000) - 1 if look.detections else None
