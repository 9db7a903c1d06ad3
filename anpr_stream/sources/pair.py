"""Two streams of one camera: plates are looked for in the small one and read from the large one.

The large stream is received all the time and decoded only around a plate: whoever touches the planes
of a frame asks for it. Coordinates are the large picture's throughout.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import replace

import cv2
import numpy as np

from anpr_stream.interfaces import Clock, Source
from anpr_stream.types import ColorMatrix, Frame, Image, PixelFormat, Planes, SourceState, SourceStatus

log = logging.getLogger(__name__)

WANTED_S = 3.0
"""How long the large stream stays decoded after it was last asked for."""
KEPT_PICTURES = 8
"""Newest large pictures that wait to be asked for: a third of a second, 100 MB at 4K."""
CATCH_UP_S = 0.15
"""How long to wait for a picture that is about to be decoded."""
WARM_S = 1.0
"""The decoder is at work, and worth waiting for, if its newest picture is no older than this."""
START_S = 5.0
"""How long the small stream's first pictures are passed over while the large one connects. Less: a car in
view at the start is read from the small one; more: nobody watches while the large stream hangs."""
MISSING = "large_picture_missing"
STARTING = "large_stream_starting"


class Demand:
    """Whether the large stream is wanted: for a while after it was last asked for."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until_s = float("-inf")

    def ask(self) -> None:
        """Want it from now on."""
        self._until_s = self._clock.monotonic_s() + WANTED_S

    def is_on(self) -> bool:
        """Tell whether it is wanted."""
        return self._clock.monotonic_s() < self._until_s


class LargeStream:
    """Runs the large stream in a thread of its own and keeps its newest pictures."""

    def __init__(self, source: Source, demand: Demand) -> None:
        self._source = source
        self._demand = demand
        self._changed = threading.Condition()
        self._recent: deque[Frame] = deque(maxlen=KEPT_PICTURES)
        self._size: tuple[int, int] | None = None
        self._thread = threading.Thread(target=self._run, name="large-stream", daemon=True)

    @property
    def size(self) -> tuple[int, int] | None:
        """Width and height in pixels; None while the stream is not up."""
        return self._size

    @property
    def is_connecting(self) -> bool:
        """Whether it is on its way, and nothing went wrong yet."""
        status = self._source.status()
        return status.state is SourceState.CONNECTING and not status.reason

    def status(self) -> SourceStatus:
        """The large stream's own state."""
        return self._source.status()

    def start(self) -> None:
        """Begin to receive."""
        self._thread.start()

    def close(self) -> None:
        """Stop; may be called twice."""
        self._source.close()
        if self._thread.ident is not None:
            self._thread.join()

    def nearest(self, utc_s: float, limit_s: float) -> Frame | None:
        """Ask for the picture taken at a time; None where none is within `limit_s` of it.

        Waits a moment where the decoder is at work and just behind; while it catches up with the
        stream, it answers None at once.
        """
        self._demand.ask()
        with self._changed:
            if self._recent and abs(self._recent[-1].utc_s - utc_s) < WARM_S:
                self._changed.wait_for(lambda: self._recent[-1].utc_s >= utc_s, CATCH_UP_S)
            best = min(self._recent, key=lambda frame: abs(frame.utc_s - utc_s), default=None)
        return best if best is not None and abs(best.utc_s - utc_s) <= limit_s else None

    def _run(self) -> None:
        for frame in self._source.frames():
            self._size = (frame.width, frame.height)
            if frame.planes.arrays:
                with self._changed:
                    self._recent.append(frame)
                    self._changed.notify_all()


class LatePlanes(Planes):
    """Planes that are found when they are first touched, and are the same ever after."""

    __slots__ = ("_find", "_found", "_lock")
    _find: Callable[[], Planes]
    _found: Planes | None
    _lock: threading.Lock

    def __init__(self, find: Callable[[], Planes]) -> None:
        for name, value in (("_find", find), ("_found", None), ("_lock", threading.Lock())):
            object.__setattr__(self, name, value)

    @property
    def format(self) -> PixelFormat:
        """See `Planes`."""
        return self._planes().format

    @property
    def arrays(self) -> tuple[Image, ...]:
        """See `Planes`."""
        return self._planes().arrays

    @property
    def full_range(self) -> bool:
        """See `Planes`."""
        return self._planes().full_range

    @property
    def matrix(self) -> ColorMatrix:
        """See `Planes`."""
        return self._planes().matrix

    def _planes(self) -> Planes:
        with self._lock:
            found = self._found or self._find()
            object.__setattr__(self, "_found", found)
            return found


class PairedSource:
    """A camera's small stream whose frames hold the large one's pixels; a `Source`.

    A frame's `preview` is the small picture. Its `planes` are the large picture of the same moment, or,
    where there is none, the small one enlarged (counted as `large_picture_missing`). At the start the
    large stream gets a moment to come up (frames passed over are counted as `large_stream_starting`);
    while it is not up then, frames are the small stream's own, and the change begins a new segment.
    """

    def __init__(self, small: Source, large: LargeStream, limit_s: float) -> None:
        self._small = small
        self._large = large
        self._limit_s = limit_s
        self._dropped: Counter[str] = Counter()
        self._began_utc_s: float | None = None
        self._segment = -1
        self._scene: tuple[int, tuple[int, int] | None] | None = None

    def frames(self) -> Iterator[Frame]:
        """Yield the small stream's frames with the large one's pixels; see `Source`."""
        self._large.start()
        try:
            for frame in self._small.frames():
                if self._is_starting(frame.utc_s):
                    self._dropped[STARTING] += 1
                else:
                    yield self._join(frame)
        finally:
            self._large.close()

    def status(self) -> SourceStatus:
        """The small stream's state; its reason also tells what is wrong with the large one."""
        status, large = self._small.status(), self._large.status()
        dropped = {**status.dropped, **self._dropped}
        is_up = large.state in (SourceState.RUNNING, SourceState.ENDED)
        reason = status.reason if is_up or not large.reason else f"large stream: {large.reason}"
        return replace(status, dropped=dropped, reason=status.reason or reason)

    def close(self) -> None:
        """End `frames` soon; may be called twice."""
        self._small.close()

    def _is_starting(self, utc_s: float) -> bool:
        """Tell whether the large stream connects for the first time and may yet be in time."""
        if self._began_utc_s is None:
            self._began_utc_s = utc_s
        is_early = abs(utc_s - self._began_utc_s) < START_S
        return is_early and self._large.size is None and self._large.is_connecting

    def _join(self, frame: Frame) -> Frame:
        size = self._large.size
        if (frame.segment, size) != self._scene:
            self._scene = (frame.segment, size)
            self._segment += 1
        if size is None:
            return replace(frame, segment=self._segment)
        planes = LatePlanes(lambda: self._find(frame, size))
        width, height = size
        return replace(
            frame, width=width, height=height, planes=planes, preview=frame.planes, segment=self._segment
        )

    def _find(self, frame: Frame, size: tuple[int, int]) -> Planes:
        found = self._large.nearest(frame.utc_s, self._limit_s)
        if found is not None and (found.width, found.height) == size:
            return found.planes
        self._dropped[MISSING] += 1
        return enlarged(frame.planes, *size)


def enlarged(planes: Planes, width: int, height: int) -> Planes:
    """Scale planes to another picture size, (W, H) in pixels."""
    half = ((width + 1) // 2, (height + 1) // 2)
    arrays = tuple(
        np.asarray(cv2.resize(array, (width, height) if index == 0 else half), np.uint8)
        for index, array in enumerate(planes.arrays)
    )
    return replace(planes, arrays=arrays, owner=None)
