"""Crops on their way to the reader and reads on their way back, for one camera.

A recording takes the reads of a look into account a fixed number of looks later, waiting for them
if need be, so that the same recording gives the same events whatever the speed of the machine. A
live camera takes them as they come.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from anpr_stream.interfaces import Clock
from anpr_stream.metrics import READS
from anpr_stream.pipeline.worker import Job, Worker
from anpr_stream.types import Crop, Read

ReaderWorker: TypeAlias = Worker[Crop, Read]
Reads: TypeAlias = "Future[list[Read]]"

LAST_READS_S = 2.0
"""How long a live camera that ends waits for reads under way."""


@dataclass(frozen=True, slots=True)
class WantedCrop:
    """A crop that is worth a read; `is_spare` when its track's text is settled already."""

    crop: Crop
    is_spare: bool = False


class ReadingDesk(Protocol):
    """Takes crops of one camera and gives back reads."""

    def ask(self, wanted: Sequence[WantedCrop]) -> None:
        """Have the crops of a look read; called once for every look, also without crops."""

    def arrived(self) -> list[tuple[Crop, Read]]:
        """Return the reads that count from this look on.

        Raises:
            BackendError: the reader failed.
        """

    def rest(self) -> list[tuple[Crop, Read]]:
        """Wait for what is under way and return it; for the end.

        Raises:
            BackendError: the reader failed.
        """


class RecordedDesk:
    """Reads that count a fixed number of looks after they were asked for."""

    def __init__(self, reader: ReaderWorker, camera: str, delay_looks: int) -> None:
        self._reader = reader
        self._camera = camera
        self._delay_looks = delay_looks
        self._look = 0
        self._under_way: deque[tuple[int, list[Crop], Reads]] = deque()

    def ask(self, wanted: Sequence[WantedCrop]) -> None:
        """Have the crops read, those of one look in one batch."""
        self._look += 1
        if wanted:
            crops = [entry.crop for entry in wanted]
            reads = self._reader.submit(Job(self._camera, crops, is_alone=True))
            self._under_way.append((self._look + self._delay_looks, crops, reads))

    def arrived(self) -> list[tuple[Crop, Read]]:
        """Return the reads whose look has come."""
        return self._until(self._look)

    def rest(self) -> list[tuple[Crop, Read]]:
        """Return all that is under way."""
        return self._until(self._look + self._delay_looks)

    def _until(self, look: int) -> list[tuple[Crop, Read]]:
        found: list[tuple[Crop, Read]] = []
        while self._under_way and self._under_way[0][0] <= look:
            _, crops, reads = self._under_way.popleft()
            found += _results(self._camera, crops, reads, wait_s=None)
        return found


class LiveDesk:
    """Reads that count as soon as they are there; crops may be dropped on the way."""

    def __init__(self, reader: ReaderWorker, camera: str, max_wait_s: float, clock: Clock) -> None:
        self._reader = reader
        self._camera = camera
        self._max_wait_s = max_wait_s
        self._clock = clock
        self._under_way: list[tuple[Crop, Reads]] = []

    def ask(self, wanted: Sequence[WantedCrop]) -> None:
        """Have the crops read, each by itself."""
        expires_s = self._clock.monotonic_s() + self._max_wait_s
        for entry in wanted:
            job = Job[Crop, Read](
                self._camera,
                [entry.crop],
                key=entry.crop.track_id,
                is_spare=entry.is_spare,
                expires_s=expires_s,
            )
            self._under_way.append((entry.crop, self._reader.submit(job)))

    def arrived(self) -> list[tuple[Crop, Read]]:
        """Return the reads that are there."""
        done = [(crop, reads) for crop, reads in self._under_way if reads.done()]
        self._under_way = [(crop, reads) for crop, reads in self._under_way if not reads.done()]
        return [pair for crop, reads in done for pair in _results(self._camera, [crop], reads, wait_s=None)]

    def rest(self) -> list[tuple[Crop, Read]]:
        """Return what comes within `LAST_READS_S`."""
        under_way, self._under_way = self._under_way, []
        deadline_s = self._clock.monotonic_s() + LAST_READS_S
        return [
            pair
            for crop, reads in under_way
            for pair in _results(
                self._camera, [crop], reads, max(0.0, deadline_s - self._clock.monotonic_s())
            )
        ]


def _results(
    camera: str, crops: Sequence[Crop], reads: Reads, wait_s: float | None
) -> list[tuple[Crop, Read]]:
    """Return crops with their reads; nothing for a dropped or too late job."""
    try:
        found = reads.result(wait_s)
    except (CancelledError, FutureTimeout):
        return []
    READS.labels(camera).inc(len(found))
    return list(zip(crops, found, strict=True))
