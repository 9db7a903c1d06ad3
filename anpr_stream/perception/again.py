"""A second reading of doubtful plates, seen otherwise than the first time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from anpr_stream.interfaces import PlateReader
from anpr_stream.types import Crop, Read

See = Callable[[Crop], Crop | None]
"""Shows a plate otherwise; None where there is no other way."""

Join = Callable[[Read, Read], Read]
"""Makes one read of the first and the second."""


class SecondReading:
    """A `PlateReader` that has doubtful plates read again."""

    def __init__(self, first: PlateReader, second: PlateReader, see: See, join: Join, below: float) -> None:
        """Begin.

        Args:
            first: reads all plates.
            second: reads those in doubt again; may be `first`.
            see: shows a plate in doubt otherwise.
            join: of both reads, where the first has a text.
            below: a text with less confidence, or none at all, is in doubt.
        """
        self._first = first
        self._second = second
        self._see = see
        self._join = join
        self._below = below

    def read(self, crops: Sequence[Crop]) -> list[Read]:
        """Return one read per crop, in order.

        Raises:
            BackendError: the engine failed.
        """
        reads = self._first.read(crops)
        doubtful = [i for i, read in enumerate(reads) if not read.text or read.confidence < self._below]
        # One at a time: engines compile for each size of a batch, and few plates are doubtful at once.
        seen = [(i, crop) for i in doubtful if (crop := self._see(crops[i])) is not None]
        others = self._second.read([crop for _, crop in seen])
        for (i, _), other in zip(seen, others, strict=True):
            reads[i] = self._join(reads[i], other) if reads[i].text else other
        return reads
