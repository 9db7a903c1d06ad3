"""What a camera remembers of visits that ended: who was just here, who is parked, what is burned in."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from anpr_stream.config.tracking import VisitSettings
from anpr_stream.plates.matching import Confusions
from anpr_stream.plates.text import alike
from anpr_stream.tracking.path import Path, distance_heights, scaled
from anpr_stream.types import Box, Candidate, Frame, FusedRead, Moment, Point, Remembered

_LIMIT = 500
"""Most visits of each kind remembered; the oldest are forgotten first."""
_PARKED_HEIGHTS = 2.0
"""Two boxes of one parked plate are at most so far apart."""
_BURNED_S = 3600.0
"""A place where text was part of the picture is forgotten when none was there for so long."""


@dataclass(frozen=True, slots=True)
class Past:
    """A visit that ended.

    Attributes:
        text: fused.
        confidence: of the text.
        path: its way; that of the newest repetition, if it was repeated.
        is_parked: it stood when it was last seen.
    """

    text: str
    confidence: float
    path: Path
    is_parked: bool

    def note(self) -> Remembered:
        """Return it in the form that outlives its camera's flow."""
        path = self.path
        return Remembered(
            self.text, path.box, path.velocity_px_s, path.last.utc_s, self.is_parked, self.confidence
        )


Texted: TypeAlias = Candidate | FusedRead | Past
"""What has a text and is so sure of it."""


class PlaceMemory:
    """Remembers texts together with places.

    Args:
        settings: times and distances.
        confusions: how far apart texts are.
    """

    def __init__(self, settings: VisitSettings, confusions: Confusions) -> None:
        self._settings = settings
        self._confusions = confusions
        # Apart, so that a busy street does not push parked plates out of the memory.
        self._passed: deque[Past] = deque(maxlen=_LIMIT)
        self._parked: deque[Past] = deque(maxlen=_LIMIT)
        self._burned: deque[tuple[Box, float]] = deque(maxlen=_LIMIT)

    def is_same_text(self, one: str, other: str, confidence: float = 0.0) -> bool:
        """Tell whether two texts may be two reads of one plate.

        Args:
            one: a text.
            other: another one.
            confidence: of the less sure one. Where both are sure, a look-alike is another plate: a fleet's
                vehicles have them.
        """
        if alike(one) == alike(other):
            return True
        if confidence >= self._settings.sure_confidence:
            return False
        distance = min(self._confusions.distance(one, other), self._confusions.distance(other, one))
        return distance <= self._settings.revisit_distance

    def is_same_plate(self, one: Texted, other: Texted) -> bool:
        """Tell the same of two plates, each as sure of its text as it is."""
        return self.is_same_text(one.text, other.text, min(one.confidence, other.confidence))

    def remember(self, plate: Texted, path: Path) -> None:
        """Note a visit that ended."""
        self._note(Past(plate.text, plate.confidence, path, path.is_parked))

    def renew(self, past: Past, path: Path) -> None:
        """Note that a visit was repeated, and where it ended this time."""
        self.forget(past)
        self._note(Past(past.text, past.confidence, path, past.is_parked or path.is_parked))

    def recall(self, plate: Texted, path: Path) -> Past | None:
        """Return the visit that a plate of this text and way repeats, if there is one."""
        return next((past for past in self._valid(path.first_s) if self._repeats(past, plate, path)), None)

    def is_parking_space(self, path: Path) -> bool:
        """Tell whether a plate, whatever its text, stays where a parked one is remembered."""
        return any(past.is_parked and self._stays(past, path) for past in self._valid(path.first_s))

    def forget(self, past: Past) -> None:
        """Drop a visit, e.g. of a parked plate that moved."""
        for memory in (self._parked, self._passed):
            if past in memory:
                memory.remove(past)

    def notes(self, now_s: float) -> tuple[Remembered, ...]:
        """Return what is not forgotten yet, oldest first, in a form that outlives this memory."""
        return tuple(past.note() for past in reversed(list(self._valid(now_s))))

    def restore(self, notes: Iterable[Remembered], frame: Frame, now_s: float) -> None:
        """Take what an earlier memory noted, into the pixels of the first frame, which is of `now_s`."""
        for note in notes:
            seen_s = now_s - (frame.utc_s - note.seen_utc_s)
            path = Path(note.box, Moment(seen_s, note.seen_utc_s), seen_s, self._settings)
            path.velocity_px_s = note.velocity_px_s
            width, height = note.frame_px or (frame.width, frame.height)
            path.rescale((frame.width / width, frame.height / height))
            self._note(Past(note.text, note.confidence, path, note.is_parked))

    def rescale(self, scale: Point) -> None:
        """Go on in the pixels of a picture so many times as wide and as high."""
        for past in (*self._passed, *self._parked):
            past.path.rescale(scale)
        burned = [(scaled(box, scale), seen_s) for box, seen_s in self._burned]
        self._burned = deque(burned, maxlen=_LIMIT)

    def note_burned_in(self, box: Box, now_s: float) -> None:
        """Note a place where text is part of the picture."""
        self._burned.append((box, now_s))

    def is_burned_in(self, box: Box, now_s: float) -> bool:
        """Tell whether a box is at a place where text is part of the picture."""
        return any(
            distance_heights(box, burned) < 0.5 and now_s - seen_s <= _BURNED_S
            for burned, seen_s in self._burned
        )

    def _note(self, past: Past) -> None:
        (self._parked if past.is_parked else self._passed).append(past)

    def _valid(self, now_s: float) -> Iterator[Past]:
        """Return what is not forgotten at a time: passing ones, then parked, newest first."""
        settings = self._settings
        for memory, limit_s in ((self._passed, settings.revisit_s), (self._parked, settings.parked_memory_s)):
            yield from (past for past in reversed(memory) if now_s - past.path.seen_s <= limit_s)

    def _repeats(self, past: Past, plate: Texted, path: Path) -> bool:
        is_there = self._stays(past, path) if past.is_parked else past.path.leads_to(path)
        return is_there and self.is_same_plate(past, plate)

    def _stays(self, past: Past, path: Path) -> bool:
        is_near = distance_heights(past.path.box, path.first_box) <= _PARKED_HEIGHTS
        return is_near and path.moved_heights <= _PARKED_HEIGHTS
