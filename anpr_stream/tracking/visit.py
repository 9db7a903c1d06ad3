"""One vehicle's visit as it stands: its tracks, reads, way, best picture, and what was told of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timezone

from anpr_stream.config.tracking import TrackingSettings
from anpr_stream.tracking.budget import worth
from anpr_stream.tracking.fusion import Fusion
from anpr_stream.tracking.memory import Past
from anpr_stream.tracking.path import Path, height, scaled
from anpr_stream.tracking.strangers import Reading, Strangers
from anpr_stream.tracking.zones import Places
from anpr_stream.types import Box, Crop, Frame, FusedRead, ListHit, Moment, Point, Track, TrackState

_SHORT_S = 0.5
"""Text that stood still for less time before a moving scene may be a plate."""
_RECENT_S = 1.0
"""Text is not told before the camera has stood still for this time, unless it moved itself."""
_FORGIVING = 0.05
"""Part of the time in which the scene stands still that is taken off the time in which it moved: a lorry or a
flashing light now and then is no moving camera."""


def visit_id(camera: str, moment: Moment, track_id: int) -> str:
    """Return an id that is unique over cameras and restarts, and the same for the same recording.

    It begins with the time, so that ids sort by it, and holds nothing of the camera's name that could
    harm a path or a topic.
    """
    utc = datetime.fromtimestamp(moment.utc_s, timezone.utc)
    digest = hashlib.sha256(f"{camera}\0{moment.utc_s:.6f}\0{moment.pts_s:.6f}\0{track_id}".encode())
    return f"{utc:%Y%m%dT%H%M%S}{utc.microsecond // 1000:03d}Z-{digest.hexdigest()[:10]}"


@dataclass(frozen=True, slots=True)
class Shot:
    """The crop that was read best, and where the other plates were in its frame."""

    crop: Crop
    text: str
    worth: float
    other_boxes: tuple[Box, ...]


@dataclass(frozen=True, slots=True)
class Told:
    """What the receivers know of a visit.

    Attributes:
        text: None while unread.
        lists: name and entry of each list hit.
        zones: in order of entry.
        direction: or None.
    """

    text: str | None
    lists: tuple[tuple[str, str], ...]
    zones: tuple[str, ...]
    direction: str | None

    @staticmethod
    def of(visit: Visit, plate: FusedRead | None, hits: tuple[ListHit, ...]) -> Told:
        """Return what an event of this visit would tell."""
        return Told(
            plate.text if plate else None,
            tuple((hit.list_name, hit.entry) for hit in hits),
            visit.path.whereabouts.zones,
            visit.direction,
        )


@dataclass(slots=True)
class Evidence:
    """What was seen of a visit, for the reason of an unread one.

    Attributes:
        surest: largest confidence of the detector, 0..1.
        highest_px: height of the largest box.
        sharpest: sharpness of the sharpest crop read, 0..1.
        whole: reads of plates that the picture's edge did not cut.
        read: reads.
        hits: detections.
        is_confirmed: its track was confirmed.
    """

    surest: float = 0.0
    highest_px: float = 0.0
    sharpest: float = 0.0
    whole: int = 0
    read: int = 0
    hits: int = 0
    is_confirmed: bool = False

    def join(self, other: Evidence) -> None:
        """Add that of another visit, which is the same."""
        self.surest = max(self.surest, other.surest)
        self.highest_px = max(self.highest_px, other.highest_px)
        self.sharpest = max(self.sharpest, other.sharpest)
        self.whole += other.whole
        self.read += other.read
        self.hits += other.hits
        self.is_confirmed |= other.is_confirmed


class Visit:
    """A visit that has not ended.

    Args:
        camera: name of the camera.
        track_id: of its first track.
        path: its way, just begun.
        fusion: for its reads, still empty.
        strangers: for reads of another vehicle, still empty.
        settings: all rules.

    Attributes:
        visit_id: for all its events.
        track_id: its newest track.
        path: its way.
        fusion: its reads.
        strangers: reads that contradict them.
        evidence: of its crops.
        shot: its best crop.
        told: what the last event told, None before the first.
        told_plate: the text of that event.
        told_s: its time on the keeper's clock.
        revision: of the next event.
        hits: lists that its text is on.
        contested: text that a neighbour carries at the same time.
        beside: track of another plate at its place when it was last seen.
        matched: the text and the zones that `hits` belong to.
        silenced: why it is not told: `revisit`, `parked`, `burned_in`, or None.
        repeats: the ended visit that it repeats.
    """

    def __init__(
        self,
        camera: str,
        track_id: int,
        path: Path,
        fusion: Fusion,
        strangers: Strangers,
        settings: TrackingSettings,
    ) -> None:
        self._settings = settings
        self.visit_id = visit_id(camera, path.first, track_id)
        self.track_id = track_id
        self.path = path
        self.fusion = fusion
        self.strangers = strangers
        self.evidence = Evidence()
        self.frame_index = 0
        self.shot: Shot | None = None
        self.told: Told | None = None
        self.told_plate: FusedRead | None = None
        self.told_s = path.first_s
        self.revision = 0
        self.hits: tuple[ListHit, ...] = ()
        self.matched: tuple[FusedRead, tuple[str, ...]] | None = None
        self.contested: str | None = None
        self.beside: int | None = None
        self.silenced: str | None = None
        self.repeats: Past | None = None
        self._last_own: tuple[Box, Moment, float] | None = None
        self._static_s = 0.0
        self._cuts_survived = 0
        self._suspect_until_s = float("-inf")
        self._agreed: tuple[str, float] | None = None

    @property
    def plate(self) -> FusedRead | None:
        """What its reads say so far, told or not."""
        return self.fusion.plate()

    @property
    def as_known(self) -> Past | None:
        """As receivers know this vehicle, from this visit or from the one it repeats."""
        known = self.repeats or self.told_plate
        if known is None:
            return None
        # It is parked, or goes on being where a parked one was.
        stands = self.path.is_parked or (self.repeats is not None and self.repeats.is_parked)
        return Past(known.text, known.confidence, self.path, stands)

    @property
    def direction(self) -> str | None:
        """The last line crossed, else the direction of its way."""
        return self.path.whereabouts.crossed or self.path.direction

    @property
    def is_contested(self) -> bool:
        """True while its text is one that a neighbour has the better claim to."""
        return self.plate is not None and self.plate.text == self.contested

    @property
    def is_burned_in(self) -> bool:
        """True for text that belongs to the picture: the camera moved long enough, the text did not."""
        return self._unmoved_s >= self._settings.visits.burned_in_after_s

    @property
    def was_burned_in(self) -> bool:
        """The same for a visit that ends before there was time to be sure."""
        return self._unmoved_s > max(_SHORT_S, self.path.dwell_s / 2)

    @property
    def _unmoved_s(self) -> float:
        """Time for which it did not move though the scene did; the second hard cut survived makes it sure."""
        return self._static_s + self._cuts_survived * self._settings.visits.burned_in_after_s / 2

    def see(self, track: Track, frame: Frame, now_s: float, places: Places) -> None:
        """Take its track as it stands after a frame."""
        if track.state is TrackState.CONFIRMED:
            self.evidence.is_confirmed = True
        if track.detection is None:
            return
        self.track_id = track.track_id
        self.frame_index = frame.index
        self.evidence.hits += 1
        self.evidence.surest = max(self.evidence.surest, track.detection.confidence)
        self.evidence.highest_px = max(self.evidence.highest_px, height(track.box))
        size = frame.width, frame.height
        self.path.follow(track.box, track.velocity_px_s, frame.moment, now_s, size, places)

    def rescale(self, scale: Point) -> None:
        """Go on in the pixels of a picture so many times as wide and as high."""
        self.path.rescale(scale)
        if self._last_own:
            box, moment, seen_s = self._last_own
            self._last_own = scaled(box, scale), moment, seen_s

    def note_motion(self, motion: float | None, now_s: float, step_s: float) -> None:
        """Take how much of the scene moved; text that does not move along is part of the picture."""
        settings = self._settings.visits
        if self.path.moved_heights > settings.burned_in_heights:
            self._static_s, self._cuts_survived, self._suspect_until_s = 0.0, 0, float("-inf")
        elif motion is None:
            self._suspect_until_s = max(self._suspect_until_s, now_s)
        elif motion >= settings.camera_motion and self.path.seen_s == now_s:
            self._static_s += step_s
            self._suspect_until_s = now_s + _RECENT_S
        else:
            self._static_s = max(0.0, self._static_s - _FORGIVING * step_s)

    def survive_cut(self, now_s: float) -> None:
        """Take that the same text stood at the same pixels before a hard cut; the second time it is sure."""
        self._cuts_survived += 1
        self._suspect_until_s = now_s + _RECENT_S

    def take(self, reading: Reading, now_s: float) -> None:
        """Take one of its track's reads; one that contradicts its text waits until others decide."""
        known = self.text_now() or self.told_plate
        for each in self.strangers.sort(known.text, reading) if known else [reading]:
            self._take(each, now_s)

    def take_waiting(self, now_s: float) -> None:
        """Take the reads that wait: nothing proved them to be of another vehicle."""
        for reading in self.strangers.release():
            self._take(reading, now_s)

    def part(self) -> list[Reading]:
        """End where it was last read itself; return the reads of the vehicle that has its track now."""
        if self._last_own:
            self.path.end_at(*self._last_own)
        return self.strangers.release()

    def _take(self, reading: Reading, now_s: float) -> None:
        crop, read = reading.crop, reading.read
        self._last_own = crop.detection.box, crop.frame.moment, reading.seen_s
        self.fusion.add(read, crop.quality)
        self.evidence.read += 1
        self.evidence.whole += not crop.quality.truncated
        self.evidence.sharpest = max(self.evidence.sharpest, crop.quality.sharpness)
        value = worth(crop.quality, self._settings.fusion) * (0.5 + read.confidence / 2)
        self._keep_better(Shot(crop, read.text, value, reading.other_boxes))
        self._note_agreement(now_s)

    def absorb(self, other: Visit, now_s: float) -> None:
        """Take over another visit that turned out to be this one; the other must not be used again."""
        self.fusion.merge(other.fusion)
        if other.path.seen_s >= self.path.seen_s:
            self._last_own = other._last_own or self._last_own
            self.track_id, self.frame_index = other.track_id, other.frame_index
        self.path.join(other.path)
        self.evidence.join(other.evidence)
        if other.shot:
            self._keep_better(other.shot)
        self._note_agreement(now_s)

    def text_now(self) -> FusedRead | None:
        """Return the text if enough reads agree on it to tell it."""
        plate, settings = self.plate, self._settings.visits
        if plate is None or self.fusion.is_truncated or not self._is_legible(plate):
            return None
        agreeing = settings.twin_agreeing if self.is_contested else settings.min_agreeing
        confidence = settings.twin_confidence if self.is_contested else settings.min_confidence
        return plate if plate.agreeing_reads >= agreeing and plate.confidence >= confidence else None

    def text_at_end(self) -> FusedRead | None:
        """Return the text if it may be told when no more reads will come."""
        plate = self.plate
        if self.told is not None:
            return plate or self.told_plate
        least = self._settings.visits.lone_confidence
        is_sure = plate is not None and plate.confidence >= least and self._is_legible(plate)
        is_lone = is_sure and not self.fusion.is_truncated and not self.is_contested
        return plate if is_lone else self.text_now()

    def is_due(self, now_s: float) -> bool:
        """Tell whether its text is to be told now for the first time."""
        plate, settings = self.text_now(), self._settings.visits
        if plate is None or self._agreed is None or self._looks_burned_in(now_s):
            return False
        is_ripe = now_s - self._agreed[1] >= settings.new_after_s - 1e-6
        return is_ripe or plate.confidence >= settings.sure_confidence

    def reason(self) -> str:
        """Return why it has no text."""
        evidence, budget = self.evidence, self._settings.budget
        if self.is_contested:
            return "conflict"
        if evidence.highest_px < budget.min_plate_height_px:
            return "too_small"
        if evidence.read == 0:
            return "not_read"
        if evidence.whole == 0:
            return "truncated"
        if evidence.sharpest < self._settings.visits.blurred_below:
            return "too_blurred"
        if self.plate is None:
            return "blank"
        if self.fusion.is_truncated:
            return "truncated"
        agreed = self.plate.agreeing_reads >= self._settings.visits.min_agreeing
        return "low_confidence" if agreed else "no_agreement"

    def _looks_burned_in(self, now_s: float) -> bool:
        """Tell whether to wait: while the camera moves, or may, and the text has not, it may be burned in."""
        return now_s <= self._suspect_until_s

    def _is_legible(self, plate: FusedRead) -> bool:
        """Tell whether the reader itself was ever somewhat sure of the text."""
        return plate.surest_read >= self._settings.visits.min_read_confidence

    def _note_agreement(self, now_s: float) -> None:
        plate = self.text_now()
        if plate is None:
            self._agreed = None
        elif self._agreed is None or self._agreed[0] != plate.text:
            self._agreed = (plate.text, now_s)

    def _keep_better(self, shot: Shot) -> None:
        if self.shot is None or self._rank(shot) > self._rank(self.shot):
            self.shot = shot

    def _rank(self, shot: Shot) -> tuple[bool, float]:
        """Prefer pictures that show the text that is told."""
        plate = self.plate
        return plate is not None and shot.text in (plate.text, plate.raw_text), shot.worth
