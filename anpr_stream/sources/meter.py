"""Keeps a source's state, for `status()` and for the metrics."""

from __future__ import annotations

import threading
from dataclasses import replace

from anpr_stream.metrics import CAMERA_RECONNECTS, CAMERA_UP, FRAMES, FRAMES_DROPPED
from anpr_stream.types import SourceState, SourceStatus


class Meter:
    """One source's status; every change is one short lock, so any thread may ask at any time."""

    def __init__(self, camera: str) -> None:
        self._camera = camera
        self._lock = threading.Lock()
        self._status = SourceStatus(SourceState.CONNECTING)
        self._up = CAMERA_UP.labels(camera)
        self._frames = FRAMES.labels(camera)
        self._up.set(0)

    def status(self) -> SourceStatus:
        """The present state."""
        with self._lock:
            return self._status

    def change(
        self,
        state: SourceState,
        reason: str = "",
        retry_in_s: float = 0.0,
        decoder: str | None = None,
        fps: float | None = None,
    ) -> None:
        """Enter a state; decoder and frame rate stay as they were where they are None."""
        with self._lock:
            old = self._status
            self._status = replace(
                old,
                state=state,
                reason=reason,
                retry_in_s=retry_in_s,
                decoder=old.decoder if decoder is None else decoder,
                fps=old.fps if fps is None else fps,
            )
        self._up.set(state is SourceState.RUNNING)

    def frame(self, fps: float | None = None) -> None:
        """Count a frame that is handed over."""
        with self._lock:
            old = self._status
            self._status = replace(old, frames=old.frames + 1, fps=old.fps if fps is None else fps)
        self._frames.inc()

    def dropped(self, reason: str, count: int = 1) -> None:
        """Count frames that are not handed over."""
        with self._lock:
            dropped = self._status.dropped
            total = dropped.get(reason, 0) + count
            self._status = replace(self._status, dropped={**dropped, reason: total})
        FRAMES_DROPPED.labels(self._camera, reason).inc(count)

    def reconnect(self, reason: str) -> None:
        """Count a rebuild of a lost camera."""
        with self._lock:
            self._status = replace(self._status, reconnects=self._status.reconnects + 1)
        CAMERA_RECONNECTS.labels(self._camera, reason).inc()
