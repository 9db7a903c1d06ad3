"""Live cameras: rebuilt for ever when they fail, end, go silent or hang."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from anpr_stream.config.source import SourceSettings
from anpr_stream.errors import SourceError
from anpr_stream.interfaces import Clock
from anpr_stream.sources.clip_ring import ClipRing
from anpr_stream.sources.meter import MeteredSource
from anpr_stream.sources.playlist import StreamTime
from anpr_stream.sources.session import EndOfStream, Picture, Session, StreamInfo
from anpr_stream.types import Frame, SourceState

log = logging.getLogger(__name__)

POLL_S = 0.1
"""How soon a live source notices `close`."""
HEALTHY_S = 10.0
"""A camera that ran this long starts again with the shortest wait when it is lost."""
HOPELESS = frozenset({"source-auth", "source-not-found", "source-codec", "source-plugin", "source-still"})
"""Reasons that do not go away by themselves: the longest wait at once, so that no account is locked."""
CLOCK_JUMP_S = 1.0
"""A camera's clock that leaves its pictures' own time by more has jumped."""
CLOCK_SETTLES_S = 10.0
"""A jump that lasts this long is one of the camera's clock. A camera that begins its RTP time anew tells
wrong times until its next report, some seconds later."""
SMOOTHING = 0.1
"""Weight of the newest frame interval in the mean."""


class Watchdog:
    """Notices that no frame comes, by the stream's own frame interval.

    Only the time spent waiting counts: a slow consumer is no hung camera.
    """

    def __init__(self, shown: str, settings: SourceSettings) -> None:
        self._shown = shown
        self._settings = settings
        self._interval_s: float | None = None
        self._last: Picture | None = None
        self._waited_s = 0.0

    @property
    def fps(self) -> float:
        """Frames a second of the stream, 0 before the second frame."""
        return 1 / self._interval_s if self._interval_s else 0.0

    @property
    def limit_s(self) -> float:
        """How long the next frame may take."""
        if self._last is None:
            return self._settings.connect_limit_s
        wished_s = self._settings.stall_frames * (self._interval_s or 0.0)
        return min(max(wished_s, self._settings.stall_min_s), self._settings.stall_max_s)

    def seen(self, picture: Picture) -> None:
        """Take note of a frame."""
        if self._last is not None:
            passed_s = picture.running_s - self._last.running_s
            interval_s = passed_s / max(1, picture.number - self._last.number)
            if interval_s > 0:
                old_s = self._interval_s or interval_s
                self._interval_s = old_s + SMOOTHING * (interval_s - old_s)
        self._last = picture
        self._waited_s = 0.0

    def waited(self, waited_s: float) -> None:
        """Take note of time without a frame.

        Raises:
            SourceError: it has been too long.
        """
        self._waited_s += waited_s
        if self._waited_s < self.limit_s:
            return
        what = "gives no picture" if self._last is None else "hangs: no frame"
        raise SourceError(f"{self._shown} {what} for {self._waited_s:.1f} s", "source-stalled")


class CameraClock:
    """The camera's own time over one connection; a jump counts when it has lasted."""

    def __init__(self) -> None:
        self._ahead_s: float | None = None
        self._jumped_at_s: float | None = None

    def utc_s(self, picture: Picture) -> float | None:
        """Return when the camera took a picture, None where it does not say."""
        if picture.camera_utc_s is None:
            return None
        ahead_s = picture.camera_utc_s - picture.running_s
        if self._ahead_s is None or abs(ahead_s - self._ahead_s) <= CLOCK_JUMP_S:
            self._ahead_s, self._jumped_at_s = ahead_s, None
        elif self._jumped_at_s is None:
            self._jumped_at_s = picture.running_s
        elif abs(picture.running_s - self._jumped_at_s) >= CLOCK_SETTLES_S:
            self._ahead_s, self._jumped_at_s = ahead_s, None
        return self._ahead_s + picture.running_s


class Backoff:
    """How long to wait before the next try: doubling, with jitter, so that cameras do not come in step."""

    def __init__(self, settings: SourceSettings, chance: random.Random) -> None:
        self._min_s = settings.retry_min_s
        self._max_s = max(settings.retry_min_s, settings.retry_max_s)
        self._chance = chance
        self._next_s = self._min_s

    def healthy(self) -> None:
        """The camera ran well: begin with the shortest wait again."""
        self._next_s = self._min_s

    def wait_s(self, slug: str) -> float:
        """Wait after a failure: half of it fixed, half by chance."""
        if slug in HOPELESS:
            self._next_s = self._max_s
        whole_s = self._next_s
        self._next_s = min(self._max_s, 2 * whole_s)
        return whole_s * self._chance.uniform(0.5, 1.0)


class LiveSource(MeteredSource):
    """One camera, for ever; a `Source`. Newest frame wins, those it pushed out are counted."""

    def __init__(
        self,
        name: str,
        shown: str,
        settings: SourceSettings,
        connect: Callable[[], Session],
        clock: Clock,
        chance: random.Random | None = None,
        ring: ClipRing | None = None,
    ) -> None:
        super().__init__(name)
        self._shown = shown
        self._settings = settings
        self._connect = connect
        self._clock = clock
        self._ring = ring
        self._backoff = Backoff(settings, chance or random.Random())
        self._began_s = clock.monotonic_s()
        self._segment = 0
        self._next_index = 0
        self._clock_note = ""
        self._camera_clock = CameraClock()

    def frames(self) -> Iterator[Frame]:
        """Yield the newest frames until `close`; see `Source`."""
        while not self._closed.is_set():
            try:
                yield from self._life()
            except SourceError as error:
                self._lost(error)
        self._meter.change(SourceState.ENDED)

    def _life(self) -> Iterator[Frame]:
        """Frames of one connection."""
        self._meter.change(SourceState.CONNECTING, self._meter.status().reason)
        began_s = self._clock.monotonic_s()
        self._camera_clock, self._clock_note = CameraClock(), ""
        with self._clipped(began_s - self._began_s):
            yield from self._connection(began_s)

    @contextmanager
    def _clipped(self, offset_s: float) -> Iterator[None]:
        """Tell the ring when a connection begins and ends."""
        if self._ring is not None:
            self._ring.begin(offset_s)
        try:
            yield
        finally:
            if self._ring is not None:
                self._ring.end()

    def _connection(self, began_s: float) -> Iterator[Frame]:
        session = self._connect()
        try:
            yield from self._watched(session, began_s - self._began_s)
        except EndOfStream:
            raise SourceError(f"{self._shown} closed the connection", "source-ended") from None
        finally:
            session.close()
            if self._clock.monotonic_s() - began_s > HEALTHY_S:
                self._backoff.healthy()

    def _watched(self, session: Session, offset_s: float) -> Iterator[Frame]:
        watchdog = Watchdog(self._shown, self._settings)
        stream_time = StreamTime(self._settings.jump_s)
        first_index: int | None = None
        while not self._closed.is_set():
            before_s = self._clock.monotonic_s()
            picture = session.pull(POLL_S)
            if picture is None:
                watchdog.waited(self._clock.monotonic_s() - before_s)
                continue
            watchdog.seen(picture)
            self._check_late(picture)
            if first_index is None:
                first_index = self._next_index
                self._up(session.info())
            time_s, is_break = stream_time.next(picture.running_s)
            self._segment += is_break
            yield self._frame(picture, first_index + picture.number, offset_s + time_s, watchdog.fps)

    def _check_late(self, picture: Picture) -> None:
        if picture.age_s > self._settings.late_limit_s:
            behind = f"{self._shown} is decoded {picture.age_s:.1f} s late: this machine is too slow for it"
            raise SourceError(behind, "source-late")

    def _up(self, info: StreamInfo) -> None:
        log.info("%s: running, %s by %s", self._name, info.codec, info.decoder)
        self._meter.opened(info.decoder, info.fps)
        self._tell_running()

    def _tell_running(self) -> None:
        """Tell that it runs, and what is odd about it."""
        no_clips = self._ring.refusal if self._ring else ""
        self._meter.change(SourceState.RUNNING, "; ".join(filter(None, (no_clips, self._clock_note))))

    def _frame(self, picture: Picture, index: int, pts_s: float, fps: float) -> Frame:
        if index > self._next_index:
            self._meter.dropped("newer_frame", index - self._next_index)
        self._next_index = index + 1
        if picture.planes.arrays:  # a stream that is not decoded now gives pictures without planes
            self._meter.frame(fps)
        return picture.frame(self._name, index, pts_s, self._utc_s(picture), self._segment)

    def _utc_s(self, picture: Picture) -> float:
        """The camera's own time where it sends a believable one, else that of arrival."""
        arrival_s = self._clock.utc_s() - picture.age_s
        camera_s = self._camera_clock.utc_s(picture)
        if camera_s is None or self._settings.clock == "arrival":
            return arrival_s
        if abs(camera_s - arrival_s) <= self._settings.clock_limit_s:
            return camera_s
        self._distrust(camera_s - arrival_s)
        return arrival_s

    def _distrust(self, off_s: float) -> None:
        if not self._clock_note:
            self._clock_note = f"the camera's clock is off by {off_s:.0f} s, arrival times are taken"
            log.warning("%s: %s", self._name, self._clock_note)
            self._tell_running()

    def _lost(self, error: SourceError) -> None:
        wait_s = self._backoff.wait_s(error.reason_slug)
        log.warning("%s: %s; next try in %.1f s", self._name, error, wait_s)
        self._segment += 1
        self._meter.reconnect(error.reason_slug)
        self._meter.change(SourceState.WAITING, error.message, retry_in_s=wait_s)
        self._closed.wait(wait_s)
