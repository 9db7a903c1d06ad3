"""All cameras of a process, with the networks that they share."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

import cv2

from anpr_stream.config.flow import BatchSettings
from anpr_stream.config.schema import Camera, Settings
from anpr_stream.errors import AnprError
from anpr_stream.interfaces import Clock, ListMatcher, Notebook, Source
from anpr_stream.pipeline.camera import CameraRun, CameraStatus, FrameObserver, Way
from anpr_stream.pipeline.clips import ClipCutter
from anpr_stream.pipeline.follower import Follower
from anpr_stream.pipeline.looks import DetectorWorker, LiveLooks, Looks, RecordedLooks
from anpr_stream.pipeline.networks import Networks
from anpr_stream.pipeline.reading import LiveDesk, ReaderWorker, ReadingDesk, RecordedDesk
from anpr_stream.pipeline.worker import FairFrames, FreshCrops, Worker
from anpr_stream.sources.clock import SystemClock
from anpr_stream.sources.locate import Kind, locate
from anpr_stream.sources.open import open_source
from anpr_stream.types import Clip, Crop, Detection, Event, Frame, Read

IDLE_S = 0.1
"""How soon a silent camera's late reads and ended visits are noticed."""


class Pipeline:
    """Runs cameras side by side; a context manager that ends them all.

    A camera that fails ends alone. The networks stay the caller's.
    """

    def __init__(
        self,
        settings: Settings,
        networks: Networks,
        send: Callable[[Event], None],
        lists: ListMatcher | None = None,
        clock: Clock | None = None,
        notebook: Notebook | None = None,
        send_clip: Callable[[Clip], None] | None = None,
    ) -> None:
        """Start the networks' threads; cameras come with `start`.

        From then on OpenCV works in the thread that calls it, in the whole process: the stages share the
        cores already, and its own threads made every look on two cores a quarter slower.

        Args:
            settings: batches; the cameras' own settings come with `start`.
            networks: shared by all cameras.
            send: takes the events, called from the cameras' threads.
            lists: the plate lists, if there are any.
            clock: the machine's own by default.
            notebook: what live cameras remember from one life to the next.
            send_clip: takes the clips of cameras whose settings ask for them, called from a thread of
                their own; None: there are none.
        """
        cv2.setNumThreads(1)
        self._networks = networks
        self._send = send
        self._clips = ClipCutter(send_clip) if send_clip else None
        self._lists = lists
        self._notebook = notebook
        self._clock = clock or SystemClock()
        self._lock = Lock()
        self._runs: dict[str, CameraRun] = {}
        self._detector = self._detector_worker(settings.batch)
        crops: FreshCrops[Crop, Read] = FreshCrops(
            settings.batch.crops, settings.batch.crops_waiting, self._clock
        )
        self._reader: ReaderWorker = Worker("read", networks.reader.read, crops, 0.0)

    def start(self, name: str, camera: Camera, observer: FrameObserver | None = None) -> None:
        """Begin to run a camera; its errors stand in `error` and in its status.

        Args:
            name: not that of a running camera.
            camera: its settings.
            observer: sees every frame, in the camera's thread.
        """
        run = CameraRun(name, lambda: self._way(name, camera), self._pass_on, self._clock, observer)
        with self._lock:
            self._runs[name] = run

    def stop(self, name: str) -> None:
        """End a camera, send its last events and forget it."""
        with self._lock:
            run = self._runs.pop(name)
        run.stop()
        run.wait()
        if self._clips is not None:
            self._clips.forget(name)

    def stop_all(self) -> None:
        """Let all cameras end soon; does not wait."""
        for run in self._all():
            run.stop()

    def wait(self, limit_s: float | None = None) -> bool:
        """Wait for the end of all cameras and for their clips, for so long together.

        Returns:
            Whether all cameras have ended.
        """
        until_s = None if limit_s is None else self._clock.monotonic_s() + limit_s
        have_ended = all(run.wait(self._left_s(until_s)) for run in self._all())
        if self._clips is not None:
            self._clips.settle(self._left_s(until_s))
        return have_ended

    def error(self, name: str) -> AnprError | None:
        """Return the error that a camera ended with or waits after."""
        with self._lock:
            return self._runs[name].error

    def statuses(self) -> dict[str, CameraStatus]:
        """Return the state of each camera by name."""
        return {run.name: run.status() for run in self._all()}

    def close(self) -> None:
        """End all cameras, send their last events and end the threads; may be called twice."""
        self.stop_all()
        self.wait()
        self._detector.close()
        self._reader.close()
        if self._clips is not None:
            self._clips.close()

    def __enter__(self) -> Pipeline:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _detector_worker(self, batch: BatchSettings) -> DetectorWorker:
        """Frames go side by side where the engine has streams, in batches where it has one."""
        threads = self._networks.detector.streams
        limit, deadline_s = (batch.frames, batch.deadline_ms / 1000) if threads == 1 else (1, 0.0)
        frames: FairFrames[Frame, list[Detection]] = FairFrames(limit, self._live_cameras)
        return Worker("detect", self._networks.detector.detect, frames, deadline_s, threads)

    def _all(self) -> list[CameraRun]:
        with self._lock:
            return list(self._runs.values())

    def _left_s(self, until_s: float | None) -> float | None:
        return None if until_s is None else max(0.0, until_s - self._clock.monotonic_s())

    def _pass_on(self, event: Event) -> None:
        self._send(event)
        if self._clips is not None:
            self._clips.follow(event)

    def _live_cameras(self) -> int:
        return len(self._runs)

    def _way(self, name: str, camera: Camera) -> Way:
        """Build one life of a camera's way."""
        address = locate(camera.url, camera.source)
        is_live = address.is_live
        if address.kind is Kind.PICTURES:
            camera = _for_lone_pictures(camera)
        ring = self._clips.begin(name, camera.clips, is_live=is_live) if self._clips else None
        source = open_source(camera.url, camera.source, name, self._clock, ring)
        desk = self._desk(name, camera, is_live)
        # A recording tells the same each time, whatever was played before.
        notebook = self._notebook if is_live else None
        follower = Follower(name, camera, desk, self._lists, self._networks.signature, notebook)
        return Way(is_live, source, self._looks(source, camera, is_live), follower)

    def _desk(self, name: str, camera: Camera, is_live: bool) -> ReadingDesk:
        if is_live:
            return LiveDesk(self._reader, name, camera.tracking.budget.max_wait_s, self._clock)
        return RecordedDesk(self._reader, name, camera.flow.read_delay_looks)

    def _looks(self, source: Source, camera: Camera, is_live: bool) -> Looks:
        if is_live:
            return LiveLooks(source, self._detector, camera.flow, IDLE_S)
        return RecordedLooks(source, self._detector, camera.flow)


def _for_lone_pictures(camera: Camera) -> Camera:
    """Return settings under which a plate counts that is seen once: no picture follows on another."""
    rules = camera.tracking
    tracker = rules.tracker.model_copy(update={"confirm_hits": 1})
    visits = rules.visits.model_copy(update={"unread_min_hits": 1})
    tracking = rules.model_copy(update={"tracker": tracker, "visits": visits})
    return camera.model_copy(update={"tracking": tracking})
