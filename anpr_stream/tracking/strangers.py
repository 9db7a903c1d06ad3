"""Reads that contradict what a track's plate is known to say: another vehicle may have taken over the track.

A tracker cannot tell a plate from the next one in its place; their texts can. Until that is clear,
such reads wait: neither may a stranger's text overwrite the known one, nor nonsense begin a visit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from anpr_stream.plates.matching import Confusions
from anpr_stream.types import Box, Crop, Read

AGREEING = 3
"""Reads of one text in a row that prove another vehicle."""
MOST = 5
"""More than so many that do not agree are bad reads of the known plate. Each holds its frame in memory."""
_LEAST_CONFIDENCE = 0.3
_UNLIKE = 0.6
"""Weighted edit distance in parts of the longer text, beyond which two texts are of two plates."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One read as it came.

    Attributes:
        crop: what was read.
        read: what it says.
        other_boxes: of the other plates in its frame.
        seen_s: time of its frame on the keeper's clock.
    """

    crop: Crop
    read: Read
    other_boxes: tuple[Box, ...]
    seen_s: float


class Strangers:
    """The reads of one track that wait.

    Args:
        confusions: how far apart texts are.
        is_same_text: whether two texts may be two reads of one plate.
    """

    def __init__(self, confusions: Confusions, is_same_text: Callable[[str, str], bool]) -> None:
        self._confusions = confusions
        self._is_same_text = is_same_text
        self._waiting: list[Reading] = []

    def __bool__(self) -> bool:
        return bool(self._waiting)

    @property
    def are_another(self) -> bool:
        """Tell whether the last ones prove another vehicle."""
        texts = [reading.read.text for reading in self._waiting[-AGREEING:]]
        return len(texts) == AGREEING and all(self._is_same_text(texts[-1], text) for text in texts)

    def sort(self, known: str, reading: Reading) -> list[Reading]:
        """Return the reads to take now: none while this one waits, all once they are of the known plate."""
        if _says_little(reading):
            return [reading]
        if not self._contradicts(known, reading.read.text):
            return [*self.release(), reading]
        self._waiting.append(reading)
        return self.release() if len(self._waiting) > MOST else []

    def release(self) -> list[Reading]:
        """Return all that wait, and wait for others."""
        released, self._waiting = self._waiting, []
        return released

    def _contradicts(self, known: str, text: str) -> bool:
        # A part of a plate is no other plate: half of it, or one of its lines.
        is_part = text in known or known in text
        far = _UNLIKE * max(len(known), len(text))
        return not is_part and self._confusions.distance(known, text) > far


def _says_little(reading: Reading) -> bool:
    read = reading.read
    return reading.crop.quality.truncated or not read.text or read.confidence < _LEAST_CONFIDENCE
