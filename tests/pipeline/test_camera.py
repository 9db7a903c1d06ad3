from collections.abc import Callable, Sequence
from threading import Event as Flag
from typing import Any

import pytest

from anpr_stream.config.schema import CameraSettings
from anpr_stream.errors import AnprError, BackendError, SourceError
from anpr_stream.pipeline.camera import CameraRun, Way
from anpr_stream.pipeline.follower import Follower, Mark
from anpr_stream.pipeline.looks import Look
from anpr_stream.sources.clock import SystemClock
from anpr_stream.types import Event, EventKind, Frame
from tests.pipeline.fakes import InstantDesk, ListSource, plate_at, road_frame


class ListLooks:
    """Gives looks, then an error or, held open, nothing until it is closed."""

    def __init__(
        self, looks: Sequence[Look | None], error: Exception | None = None, stays_open: bool = False
    ) -> None:
        self._looks = looks
        self._error = error
        self._stays_open = stays_open
        self.closed = Flag()
        self.passed_over = 0

    def __iter__(self) -> Any:
        yield from self._looks
        if self._error is not None:
            raise self._error
        if self._stays_open:
            assert self.closed.wait(60)

    def close(self) -> None:
        self.closed.set()


def drive() -> list[Look | None]:
    return [Look(road_frame(index), [plate_at(index)]) for index in range(20)]


def begin(looks: ListLooks, is_live: bool = False) -> Callable[[], Way]:
    return lambda: Way(is_live, ListSource([]), looks, Follower("gate", CameraSettings(), InstantDesk()))


def test_a_recording_sends_its_events_and_ends() -> None:
    sent: list[Event] = []
    run = CameraRun("gate", begin(ListLooks(drive())), sent.append, SystemClock())
    assert run.wait(60)
    assert sent[-1].kind is EventKind.FINAL
    assert run.error is None
    assert run.status().looked_at == 20
    assert run.status().events == len(sent)
    assert run.status().last_event_utc_s is not None


def test_frames_that_nobody_had_time_for_are_counted_as_dropped() -> None:
    looks = ListLooks(drive(), stays_open=True)
    looks.passed_over = 7
    run = CameraRun("gate", begin(looks), [].append, SystemClock())
    run.stop()
    assert run.wait(60)
    assert run.status().source.dropped == {"newer_frame": 7}


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (SourceError("the file is cut off"), "the file is cut off"),
        (ZeroDivisionError("oops"), "gate: fault of the program: ZeroDivisionError('oops')"),
    ],
)
def test_what_was_found_before_an_error_is_sent(error: Exception, message: str) -> None:
    sent: list[Event] = []
    run = CameraRun("gate", begin(ListLooks(drive(), error)), sent.append, SystemClock())
    assert run.wait(60)
    assert sent[-1].kind is EventKind.FINAL
    assert isinstance(run.error, AnprError)
    assert run.error.message == message
    assert message in run.status().error


def test_a_source_that_cannot_be_opened_is_the_error() -> None:
    def fail() -> Way:
        raise SourceError("a.mp4 does not exist")

    run = CameraRun("gate", fail, lambda event: None, SystemClock())
    assert run.wait(60)
    assert isinstance(run.error, SourceError)


def test_a_stopped_camera_sends_its_last_events() -> None:
    sent: list[Event] = []
    looks = ListLooks(drive(), stays_open=True)
    run = CameraRun("gate", begin(looks, is_live=True), sent.append, SystemClock())
    assert not run.wait(0.01)
    run.stop()
    assert run.wait(60)
    assert sent[-1].kind is EventKind.FINAL


def test_a_live_camera_that_fails_is_begun_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anpr_stream.pipeline.camera.RETRY_S", (0.001,))
    lives = [ListLooks(drive(), BackendError("out of memory")), ListLooks(drive(), stays_open=True)]
    waiting = list(lives)
    sent: list[Event] = []

    def next_life() -> Way:
        return begin(waiting.pop(0), is_live=True)()

    begun = Flag()

    def observe(frame: Frame, marks: Callable[[Frame], list[Mark]]) -> None:
        if not waiting:
            begun.set()

    run = CameraRun("gate", next_life, sent.append, SystemClock(), observe)
    assert begun.wait(60)
    run.stop()
    assert run.wait(60)
    assert run.error is None
    assert run.status().error == ""
    assert [event.kind for event in sent].count(EventKind.FINAL) == 2


def test_every_frame_is_shown_with_its_plates() -> None:
    seen: list[tuple[int, int]] = []

    def observe(frame: Frame, marks: Callable[[Frame], list[Mark]]) -> None:
        seen.append((frame.index, len(marks(frame))))

    run = CameraRun("gate", begin(ListLooks(drive())), lambda event: None, SystemClock(), observe)
    assert run.wait(60)
    assert [index for index, _ in seen] == list(range(20))
    assert seen[-1][1] == 1
