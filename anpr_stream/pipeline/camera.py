"""One camera's thread: looks in, events out, until its source ends or it is stopped."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import chain, repeat
from threading import Event as Flag
from threading import Lock, Thread
from typing import Protocol

from anpr_stream.errors import AnprError, program_fault
from anpr_stream.interfaces import Clock, Source
from anpr_stream.metrics import LATENCY_S
from anpr_stream.pipeline.follower import Follower, Mark
from anpr_stream.pipeline.looks import Look, Looks
from anpr_stream.types import Event, Frame, SourceState, SourceStatus

log = logging.getLogger(__name__)

RETRY_S = (1.0, 2.0, 5.0, 15.0, 60.0)
"""Pauses before a live camera whose flow failed is begun again; the last one repeats."""


@dataclass(frozen=True, slots=True)
class CameraStatus:
    """How a camera is.

    Attributes:
        source: state of its source.
        looked_at: frames that passed the whole flow.
        events: events sent.
        last_event_utc_s: when the last one was made, None before the first.
        progress_s: monotonic time of the last frame or known wait.
        error: why the flow ended or is begun again, empty while all is well.
    """

    source: SourceStatus
    looked_at: int = 0
    events: int = 0
    last_event_utc_s: float | None = None
    progress_s: float = 0.0
    error: str = ""


class FrameObserver(Protocol):
    """Sees every frame after its flow; called in the camera's thread."""

    def __call__(self, frame: Frame, marks: Callable[[Frame], list[Mark]]) -> None:
        """Take a frame; `marks` gives the plates in view, for those who draw them."""


@dataclass(frozen=True)
class Way:
    """One life of a camera's way; a live one is begun again when it fails."""

    is_live: bool
    source: Source
    looks: Looks
    follower: Follower


def _seen_whole(way: Way) -> SourceStatus:
    """A source's state with the frames that it handed over and nobody had time for."""
    source = way.source.status()
    dropped = Counter(source.dropped) + Counter(newer_frame=way.looks.passed_over)
    return replace(source, dropped=dict(dropped))


class CameraRun:
    """Runs one camera in a thread of its own.

    A recording ends with its source or its first error. A live camera whose flow fails, say because
    the engine does, is begun again after a pause; what was found is sent in either case.
    """

    def __init__(
        self,
        name: str,
        begin: Callable[[], Way],
        send: Callable[[Event], None],
        clock: Clock,
        observer: FrameObserver | None = None,
    ) -> None:
        """Start the thread.

        Args:
            name: of the camera.
            begin: builds one life of its way.
            send: takes its events.
            clock: for latency, progress and pauses.
            observer: sees every frame.
        """
        self.name = name
        self.error: AnprError | None = None
        self._begin = begin
        self._send = send
        self._clock = clock
        self._observer = observer
        self._way: Way | None = None
        self._lock = Lock()
        self._stopping = Flag()
        self._status = CameraStatus(SourceStatus(SourceState.CONNECTING), progress_s=clock.monotonic_s())
        self._thread = Thread(target=self._run, name=f"anpr-{name}", daemon=True)
        self._thread.start()

    def status(self) -> CameraStatus:
        """Return the present state; may be called from any thread."""
        with self._lock:
            way, status = self._way, self._status
        return status if way is None else replace(status, source=_seen_whole(way))

    def stop(self) -> None:
        """Let the camera end soon; frames that are decoded already are still looked at."""
        self._stopping.set()
        with self._lock:
            way = self._way
        if way is not None:
            way.looks.close()

    def wait(self, limit_s: float | None = None) -> bool:
        """Wait for the camera's end, its last events sent; tell whether it has ended."""
        self._thread.join(limit_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        for pause_s in chain(RETRY_S, repeat(RETRY_S[-1])):
            self._live_once()
            is_over = self.error is None or self._way is None or not self._way.is_live
            if is_over or self._stopping.wait(pause_s):
                return

    def _live_once(self) -> None:
        self.error = None
        try:
            way = self._begin()
            with self._lock:
                self._way = way
            self._flow(way)
        except AnprError as error:
            self._fail(error)
        except Exception as error:
            log.exception("%s", self.name)
            self._fail(program_fault(self.name, error))

    def _flow(self, way: Way) -> None:
        if self._stopping.is_set():
            way.looks.close()
        try:
            with closing(iter(way.looks)) as looks:
                for look in looks:
                    self._pass(way.follower, look)
        finally:
            self._emit(way.follower.end())

    def _pass(self, follower: Follower, look: Look | None) -> None:
        now_s = self._clock.monotonic_s()
        if look is None:
            self._emit(follower.silent(now_s - self._status.progress_s))
            return
        self._emit(follower.follow(look), look.frame)
        if self._observer is not None:
            self._observer(look.frame, follower.marks)
        with self._lock:
            self._status = replace(
                self._status, looked_at=self._status.looked_at + 1, progress_s=now_s, error=""
            )

    def _emit(self, events: Sequence[Event], frame: Frame | None = None) -> None:
        for event in events:
            self._send(event)
        if not events:
            return
        now_s = self._clock.utc_s()
        if frame is not None and self._way is not None and self._way.is_live:
            LATENCY_S.labels(self.name).observe(max(0.0, now_s - frame.utc_s))
        with self._lock:
            count = self._status.events + len(events)
            self._status = replace(self._status, events=count, last_event_utc_s=now_s)

    def _fail(self, error: AnprError) -> None:
        log.error("%s: %s", self.name, error)
        self.error = error
        with self._lock:
            self._status = replace(self._status, error=str(error))
