"""The first half of a camera's way: frames come in and the detector looks at some of them.

A recording keeps every frame and the detector works ahead of the tracker, within a bound. A live
camera gives its newest frame when the tracker is ready for it, and the others are counted; while its picture
stands still the detector rests.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from threading import Thread
from typing import Protocol, TypeAlias

from anpr_stream.config.flow import FlowSettings
from anpr_stream.interfaces import Source
from anpr_stream.metrics import FRAMES_DROPPED, LOOKS_SAVED
from anpr_stream.pipeline.queues import Channel, Closed, Newest
from anpr_stream.pipeline.worker import Job, Worker
from anpr_stream.tracking.stillness import Stillness
from anpr_stream.types import Detection, Frame
from anpr_stream.vision.planes import luma

DetectorWorker: TypeAlias = Worker[Frame, list[Detection]]
Detections: TypeAlias = "Future[list[list[Detection]]]"

_SLACK_S = 0.002
"""A frame this early is on time: stream times are rounded."""


@dataclass(frozen=True, slots=True)
class Look:
    """One frame and what the detector found in it; None where it did not look."""

    frame: Frame
    detections: list[Detection] | None


class Looks(Protocol):
    """Frames in order, looked at.

    Attributes:
        passed_over: frames that came while a live camera's tracker was busy with others.
    """

    passed_over: int

    def __iter__(self) -> Generator[Look | None, None, None]:
        """Yield looks until the source ends or `close` is called; None while a live camera is silent.

        Raises:
            SourceError: the source cannot be opened or played.
            BackendError: the detector failed.
        """

    def close(self) -> None:
        """End the iteration soon; may be called twice and from any thread."""


class LookRate:
    """Chooses the frames that the detector looks at, by stream time alone.

    The same recording so gives the same choice at any speed of the machine.
    """

    def __init__(self, rate_hz: float) -> None:
        self._interval_s = 1.0 / rate_hz
        self._due_s = float("-inf")
        self._segment: int | None = None

    def is_due(self, frame: Frame) -> bool:
        """Tell whether to look at the next frame of the stream."""
        is_first = frame.segment != self._segment
        self._segment = frame.segment
        if not is_first and frame.pts_s < self._due_s - _SLACK_S:
            return False
        keeps_pace = not is_first and frame.pts_s < self._due_s + self._interval_s
        self._due_s = (self._due_s if keeps_pace else frame.pts_s) + self._interval_s
        return True


class _Pump:
    """A thread that takes frames from a source; its error waits for whoever takes the frames."""

    def __init__(self, source: Source, name: str, max_duration_s: float | None) -> None:
        self.source = source
        self.passed_over = 0
        self._max_duration_s = float("inf") if max_duration_s is None else max_duration_s
        self.error: Exception | None = None
        self._thread = Thread(target=self._run, name=f"anpr-{name}", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            for frame in self._wanted():
                self.take(frame)
        except Closed:
            pass
        except Exception as error:  # noqa: BLE001 - raised again where the frames are taken
            self.error = error
        finally:
            self.ended()

    def _wanted(self) -> Iterator[Frame]:
        first_pts_s: float | None = None
        for frame in self.source.frames():
            first_pts_s = frame.pts_s if first_pts_s is None else first_pts_s
            if frame.pts_s - first_pts_s > self._max_duration_s:
                self.source.close()
                return
            yield frame

    def take(self, frame: Frame) -> None:
        """Pass a frame on; raises `Closed` when nobody wants more."""
        raise NotImplementedError

    def ended(self) -> None:
        """Tell the receiver that no more frames come."""
        raise NotImplementedError

    def join(self) -> None:
        """Close the source and wait for the thread."""
        self.source.close()
        self._thread.join()
        if self.error is not None:
            raise self.error


class RecordedLooks(_Pump):
    """All frames of a recording; the detector is up to `frames_waiting` frames ahead."""

    def __init__(self, source: Source, detector: DetectorWorker, settings: FlowSettings) -> None:
        self._detector = detector
        self._rate = LookRate(settings.detect_rate_hz)
        self._channel: Channel[tuple[Frame, Detections | None]] = Channel(settings.frames_waiting)
        super().__init__(source, "recording", settings.max_duration_s)

    def take(self, frame: Frame) -> None:
        """Give the frame to the detector if it is due, then to the tracker's side."""
        found = None
        if self._rate.is_due(frame):
            found = self._detector.submit(Job(frame.camera, [frame], is_alone=True))
        self._channel.put((frame, found))

    def ended(self) -> None:
        """Let the tracker's side finish what is under way."""
        self._channel.close()

    def __iter__(self) -> Generator[Look | None, None, None]:
        """Yield all frames in order."""
        try:
            for frame, found in self._channel:
                yield Look(frame, None if found is None else found.result()[0])
        except CancelledError:
            pass
        finally:
            self._channel.abandon()
            self.join()

    def close(self) -> None:
        """End the source; what was already decoded is still looked at."""
        self.source.close()


class LiveLooks(_Pump):
    """The newest frame of a live camera whenever the tracker is ready."""

    def __init__(
        self, source: Source, detector: DetectorWorker, settings: FlowSettings, idle_s: float
    ) -> None:
        """Begin to take frames.

        Args:
            source: the camera.
            detector: shared with other cameras.
            settings: how often to look.
            idle_s: after so long without a frame, None is yielded, so that visits can end.
        """
        self._detector = detector
        self._rate = LookRate(settings.detect_rate_hz)
        self._still_rate = LookRate(settings.still_rate_hz)
        rests = settings.still_rate_hz < settings.detect_rate_hz
        self._stillness = Stillness(settings.still_after_s) if rests else None
        self._idle_s = idle_s
        self._newest: Newest[Frame] = Newest()
        super().__init__(source, "camera", settings.max_duration_s)

    def take(self, frame: Frame) -> None:
        """Leave the frame for the tracker's side; count one that it had no time for."""
        if not self._newest.put(frame):
            self.passed_over += 1
            FRAMES_DROPPED.labels(frame.camera, "newer_frame").inc()

    def ended(self) -> None:
        """Let the tracker's side end."""
        self._newest.close()

    def __iter__(self) -> Generator[Look | None, None, None]:
        """Yield the newest frames."""
        try:
            while True:
                frame = self._newest.take(self._idle_s)
                yield None if frame is None else self._look(frame)
        except (Closed, CancelledError):
            pass
        finally:
            self._newest.close()
            self.join()

    def _look(self, frame: Frame) -> Look:
        if not self._rate.is_due(frame) or self._may_rest(frame):
            return Look(frame, None)
        return Look(frame, self._detector.submit(Job(frame.camera, [frame])).result()[0])

    def _may_rest(self, frame: Frame) -> bool:
        """Tell whether the picture stands still and was looked at lately."""
        if self._stillness is None:
            return False
        is_still = self._stillness.update(frame.pts_s, luma(frame.search_planes))
        may_rest = not self._still_rate.is_due(frame) and is_still
        if may_rest:
            LOOKS_SAVED.labels(frame.camera).inc()
        return may_rest

    def close(self) -> None:
        """End the source."""
        self.source.close()
