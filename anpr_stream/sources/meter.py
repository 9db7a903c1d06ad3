"""What all sources share: their state, for `status()` and for the metrics, and how they are told to end."""

from __future__ import annotations

import threading

from anpr_stream.metrics import CAMERA_RECONNECTS, CAMERA_UP, FRAMES, FRAMES_DROPPED
from anpr_stream.types import SourceState, SourceStatus


class Meter:
    """One source's status; every change is one short lock, so any thread may ask at any time."""

    def __init__(self, camera: str) -> None:
        self._camera = camera
        self._lock = threading.Lock()
        self._state = SourceState.CONNECTING
        self._reason = self._decoder = ""
        self._frames = self._reconnects = 0
        self._fps = self._retry_in_s = 0.0
        self._dropped: dict[str, int] = {}
        self._up = CAMERA_UP.labels(camera)
        self._frames_total = FRAMES.labels(camera)
        self._up.set(0)

    def status(self) -> SourceStatus:
        """The present state."""
        with self._lock:
            return SourceStatus(
                self._state,
                self._reason,
                self._decoder,
                self._frames,
                dict(self._dropped),
                self._fps,
                self._reconnects,
                self._retry_in_s,
            )

    def change(self, state: SourceState, reason: str = "", retry_in_s: float = 0.0) -> None:
        """Enter a state."""
        with self._lock:
            self._state, self._reason, self._retry_in_s = state, reason, retry_in_s
        self._up.set(state is SourceState.RUNNING)

    def opened(self, decoder: str, fps: float) -> None:
        """Take note of what decodes the stream, and of the frame rate that it claims."""
        with self._lock:
            self._decoder, self._fps = decoder, fps

    def frame(self, fps: float = 0.0) -> None:
        """Count a frame that is handed over; `fps` where it was measured."""
        with self._lock:
            self._frames += 1
            self._fps = fps or self._fps
        self._frames_total.inc()

    def dropped(self, reason: str, count: int = 1) -> None:
        """Count frames that are not handed over."""
        with self._lock:
            self._dropped[reason] = self._dropped.get(reason, 0) + count
        FRAMES_DROPPED.labels(self._camera, reason).inc(count)

    def reconnect(self, reason: str) -> None:
        """Count a rebuild of a lost camera."""
        with self._lock:
            self._reconnects += 1
        CAMERA_RECONNECTS.labels(self._camera, reason).inc()


class MeteredSource:
    """Base of every `Source` here: keeps its state and whether it was told to end."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._meter = Meter(name)
        self._closed = threading.Event()

    def status(self) -> SourceStatus:
        """The present state."""
        return self._meter.status()

    def close(self) -> None:
        """End `frames` soon; may be called twice."""
        self._closed.set()
