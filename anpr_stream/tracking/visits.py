"""From tracks and reads to events: one visit per vehicle, told once, early, and to its end."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from anpr_stream.config.tracking import TrackingSettings
from anpr_stream.interfaces import ListMatcher
from anpr_stream.plates.formats import FormatSet
from anpr_stream.plates.matching import Confusions
from anpr_stream.tracking.calibration import Calibration
from anpr_stream.tracking.cuts import STILL, SceneChange
from anpr_stream.tracking.fusion import Fusion
from anpr_stream.tracking.memory import PlaceMemory
from anpr_stream.tracking.path import Path, distance_heights, distances_heights, height
from anpr_stream.tracking.strangers import Reading, Strangers
from anpr_stream.tracking.visit import Told, Visit
from anpr_stream.tracking.zones import Places
from anpr_stream.types import (
    Box,
    Crop,
    Event,
    EventKind,
    Frame,
    FusedRead,
    ListHit,
    Point,
    Read,
    Remembered,
    Track,
    TrackState,
)

_ONE_PLATE_HEIGHTS = 1.5
"""Two tracks whose boxes are nearer than this follow one plate."""
_SAME_SPOT_HEIGHTS = 0.25
_LEAST_CONFIDENCE = 0.3
"""Texts less sure than this tell nothing about which visits are one."""
_FRAMES_REMEMBERED = 128
_RELEASE_HEIGHTS = 3.0
"""A parked plate that moved so far has left its place."""


class _Crowd:
    """Where all plates were in the last frames: reads come later than their frames."""

    def __init__(self) -> None:
        self._frames: deque[tuple[int, dict[int, Box]]] = deque(maxlen=_FRAMES_REMEMBERED)

    def remember(self, frame_index: int, tracks: Iterable[Track]) -> None:
        seen = {track.track_id: track.detection.box for track in tracks if track.detection}
        self._frames.append((frame_index, seen))

    def others(self, crop: Crop) -> tuple[Box, ...]:
        """Return the boxes of the other plates in the frame of a crop."""
        boxes = next((seen for index, seen in self._frames if index == crop.frame.index), {})
        return tuple(box for track_id, box in boxes.items() if track_id != crop.track_id)


class VisitKeeper:
    """Keeps the visits of one camera. Pure: time comes with the frames.

    Args:
        camera: its name, as it stands in events.
        settings: all rules.
        formats: plate formats that are expected here; none means that no text is preferred.
        lists: the plate lists; asked when a visit's text changes and when an event is made.
        calibration: turns evidence into probability.
        confusions: how far apart texts are.
        remembered: what an earlier keeper of this camera returned as `remembered`.
    """

    def __init__(
        self,
        camera: str,
        settings: TrackingSettings | None = None,
        formats: FormatSet | None = None,
        lists: ListMatcher | None = None,
        calibration: Calibration | None = None,
        confusions: Confusions | None = None,
        remembered: Sequence[Remembered] = (),
    ) -> None:
        self._camera = camera
        self._settings = settings or TrackingSettings()
        self._formats = formats
        self._lists = lists
        self._calibration = calibration
        self._places = Places(self._settings.places)
        self._confusions = confusions or Confusions()
        self._memory = PlaceMemory(self._settings.visits, self._confusions)
        self._remembered = remembered
        self._crowd = _Crowd()
        self._visits: list[Visit] = []
        self._by_track: dict[int, Visit] = {}
        self._cut_s = float("-inf")
        self._counts: Counter[str] = Counter()
        self._pts_s: float | None = None
        self.frame_px: tuple[int, int] | None = None
        """Width and height of the last picture."""
        self._now_s = 0.0

    def update(
        self,
        frame: Frame,
        tracks: Sequence[Track],
        reads: Sequence[tuple[Crop, Read]] = (),
        scene: SceneChange = STILL,
    ) -> list[Event]:
        """Take what became known with a frame.

        Args:
            frame: the frame looked at; only its numbers and times are used.
            tracks: all tracks after it, with those that ended (also by `PlateTracker.cut`).
            reads: reads that arrived since the last call, also of earlier frames.
            scene: how the frame follows on.

        Returns:
            Events, oldest visit first. `backend` and `models` are left to the caller; `crop` is the
            very crop that was read best.
        """
        if self._pts_s is None:
            self._memory.restore(self._remembered, frame, self._now_s)
        self.frame_px = frame.width, frame.height
        step_s = self._advance(frame.pts_s)
        if scene.break_reason == "cut":
            self._cut_s = self._now_s
        self._crowd.remember(frame.index, tracks)
        for track in tracks:
            self._see(track, frame)
        self._note_company()
        for visit in self._visits:
            visit.note_motion(scene.motion, self._now_s, step_s)
        for visit in self._take(reads):
            if visit in self._visits:  # relating another one may have made this one part of it
                self._relate(visit)
        return self._events()

    def rescale(self, scale: Point) -> None:
        """Take that the next picture is so many times as wide and as high, and shows the same.

        What was seen and what is parked is then found again at its place.
        """
        self._memory.rescale(scale)
        for visit in self._visits:
            visit.rescale(scale)

    def end(self) -> list[Event]:
        """End all visits (end of the recording, stop of the camera) and return their last events."""
        events = [event for visit in list(self._visits) for event in self._close(visit)]
        self._by_track.clear()
        return events

    def plate(self, track_id: int) -> FusedRead | None:
        """Return what the reads of a live track say so far, told or not; None while they contradict it."""
        visit = self._by_track.get(track_id)
        return visit.plate if visit and not visit.strangers else None

    def remembered(self) -> tuple[Remembered, ...]:
        """Return what a later keeper must know so as not to tell again what stands or was just here."""
        in_view = (past.note() for visit in self._visits if (past := visit.as_known))
        notes = (*self._memory.notes(self._now_s), *in_view)
        return tuple(replace(note, frame_px=self.frame_px) for note in notes)

    def take_counts(self) -> Counter[str]:
        """Return, and set to zero, how often nothing was told, by reason.

        `late_read`, `taken_over`, `unconfirmed`, `too_short`, `doubtful`, `unread`, `joined`, `revisit`,
        `parked`, `burned_in`.
        """
        counts, self._counts = self._counts, Counter()
        return counts

    def _advance(self, pts_s: float) -> float:
        """Move the keeper's clock, which never goes back, and return the step."""
        step_s = 0.0 if self._pts_s is None else max(0.0, pts_s - self._pts_s)
        self._pts_s = pts_s
        self._now_s += step_s
        return step_s

    def _see(self, track: Track, frame: Frame) -> None:
        visit = self._by_track.get(track.track_id)
        if visit is None:
            if track.detection is None:
                return
            visit = self._begin(track, frame, self._now_s)
        visit.see(track, frame, self._now_s, self._places)

    def _begin(self, track: Track, frame: Frame, now_s: float) -> Visit:
        path = Path(track.box, frame.moment, now_s, self._settings.visits)
        fusion = Fusion(self._formats, self._settings.fusion, self._calibration)
        strangers = Strangers(self._confusions, self._memory.is_same_text)
        visit = Visit(self._camera, track.track_id, path, fusion, strangers, self._settings)
        if self._memory.is_burned_in(track.box, now_s):
            visit.silenced = "burned_in"
        self._visits.append(visit)
        self._by_track[track.track_id] = visit
        return visit

    def _note_company(self) -> None:
        """Note of each untold visit in view whether another plate is at its place: one plate, two tracks."""
        seen = [visit for visit in self._visits if visit.path.seen_s == self._now_s]
        if all(visit.told for visit in seen):
            return
        is_near = distances_heights([visit.path.box for visit in seen]) <= _ONE_PLATE_HEIGHTS
        np.fill_diagonal(is_near, False)
        for visit, near in zip(seen, is_near, strict=True):
            if visit.told is None:
                visit.beside = seen[near.argmax()].track_id if near.any() else None

    def _take(self, reads: Sequence[tuple[Crop, Read]]) -> list[Visit]:
        """Give reads to their visits and return those visits, each once."""
        changed: dict[str, Visit] = {}
        for crop, read in reads:
            visit = self._by_track.get(crop.track_id)
            if visit is None:
                self._counts["late_read"] += 1
            else:
                visit.take(Reading(crop, read, self._crowd.others(crop), self._time_of(crop)), self._now_s)
                if visit.strangers.are_another:
                    visit = self._part(visit)
                changed[visit.visit_id] = visit
        return list(changed.values())

    def _time_of(self, crop: Crop) -> float:
        """Return the time of a crop's frame on the keeper's clock: its read may have come later."""
        return self._now_s - max(0.0, (self._pts_s or 0.0) - crop.frame.pts_s)

    def _part(self, visit: Visit) -> Visit:
        """Begin the visit of another vehicle that took over the track of this one, and lasts as long."""
        end = visit.path.box, visit.path.last, visit.path.seen_s
        readings = visit.part()
        tracks = [_track_of(reading.crop) for reading in readings]
        other = self._begin(tracks[0], readings[0].crop.frame, readings[0].seen_s)
        for track, reading in zip(tracks, readings, strict=True):
            other.see(track, reading.crop.frame, reading.seen_s, self._places)
            other.take(reading, self._now_s)
        if visit.track_id == other.track_id:
            other.path.end_at(*end)
        self._counts["taken_over"] += 1
        return other

    def _relate(self, visit: Visit) -> None:
        """Find out whether a visit whose text is new or changed belongs to another one."""
        plate = visit.plate
        if plate is None or plate.confidence < _LEAST_CONFIDENCE:
            return
        alike = [other for other in self._visits if self._has_text(other, plate)]
        # The very text before look-alikes of it: which of two plates was found first must not decide.
        for other in sorted(alike, key=lambda v: v.plate is None or v.plate.text != plate.text):
            if other is not visit:
                older, younger = sorted((visit, other), key=lambda v: v.path.first_s)
                if self._meet(older, younger):
                    return
        if visit.told is None and visit.silenced != "burned_in":
            self._silence_repetition(visit, plate)

    def _has_text(self, visit: Visit, of: FusedRead) -> bool:
        plate = visit.plate
        if plate is None or plate.confidence < _LEAST_CONFIDENCE:
            return False
        return self._memory.is_same_plate(plate, of)

    def _silence_repetition(self, visit: Visit, plate: FusedRead) -> None:
        if visit.repeats is None or not self._memory.is_same_plate(visit.repeats, plate):
            past = self._memory.recall(plate, visit.path)
            visit.silenced = None if past is None else "parked" if past.is_parked else "revisit"
            visit.repeats = past

    def _meet(self, older: Visit, younger: Visit) -> bool:
        """Resolve two visits with one text; return True if they became one."""
        if older.path.seen_s > younger.path.first_s:
            if not _are_one_plate(older, younger):
                self._contest(older, younger)
                return False
        elif not older.path.leads_to(younger.path):
            return False
        elif older.path.seen_s < self._cut_s <= younger.path.first_s and _is_same_spot(older, younger):
            older.survive_cut(self._now_s)
        if younger.told is not None and older.told is not None:
            return False
        kept, gone = (older, younger) if younger.told is None else (younger, older)
        gone.take_waiting(self._now_s)
        kept.absorb(gone, self._now_s)
        self._by_track = {track: kept if v is gone else v for track, v in self._by_track.items()}
        self._visits.remove(gone)
        self._counts["joined"] += 1
        return True

    def _contest(self, older: Visit, younger: Visit) -> None:
        """Two plates seen at once cannot both be this text, unless each proves it by itself."""
        _, loser = sorted((older, younger), key=_claim, reverse=True)
        if loser.told is None and loser.plate:
            loser.contested = loser.plate.text

    def _events(self) -> list[Event]:
        events: list[Event] = []
        for visit in list(self._visits):
            self._watch(visit)
            events += self._told(visit)
            is_over = self._now_s - visit.path.seen_s >= self._settings.visits.final_after_s
            # What was told of burned-in text is taken back at once.
            if is_over or (visit.silenced == "burned_in" and visit.told):
                events += self._close(visit)
        return events

    def _watch(self, visit: Visit) -> None:
        """Silence what is part of the picture; let parked plates speak again that drive off."""
        if visit.is_burned_in and visit.silenced != "burned_in":
            visit.silenced = "burned_in"
            self._memory.note_burned_in(visit.path.box, self._now_s)
        elif visit.silenced == "parked" and visit.path.moved_heights > _RELEASE_HEIGHTS:
            visit.silenced = None
            if visit.repeats:
                self._memory.forget(visit.repeats)
                visit.repeats = None
        elif visit.silenced == "burned_in" and visit.path.moved_heights > 1.0:
            visit.silenced = None

    def _told(self, visit: Visit) -> list[Event]:
        """Return the `new` or `update` event that is due, if any."""
        plate = visit.text_now() or visit.told_plate
        if visit.silenced or plate is None or (visit.told is None and not visit.is_due(self._now_s)):
            return []
        told = Told.of(visit, plate, self._hits(visit, plate))
        if visit.told is None:
            return [self._event(visit, EventKind.NEW, plate, told)]
        has_waited = self._now_s - visit.told_s >= self._settings.visits.update_interval_s
        if told == visit.told or not (has_waited or told.zones != visit.told.zones):
            return []
        return [self._event(visit, EventKind.UPDATE, plate, told)]

    def _close(self, visit: Visit) -> list[Event]:
        """End a visit and return its `final`, unless nothing of it is to be told."""
        visit.take_waiting(self._now_s)
        self._visits.remove(visit)
        self._by_track = {track: v for track, v in self._by_track.items() if v is not visit}
        is_burned_in = visit.silenced == "burned_in" or visit.was_burned_in
        if is_burned_in:
            self._memory.note_burned_in(visit.path.box, self._now_s)
        plate = None if is_burned_in else visit.text_at_end()
        if visit.told is None and (silence := self._silence(visit, plate, is_burned_in)):
            self._counts[silence] += 1
            return []
        if plate:
            self._memory.remember(plate, visit.path)
        visit.matched = None
        hits = self._hits(visit, plate) if plate else ()
        reason = None if plate else "burned_in" if is_burned_in else visit.reason()
        return [self._event(visit, EventKind.FINAL, plate, Told.of(visit, plate, hits), reason)]

    def _silence(self, visit: Visit, plate: FusedRead | None, is_burned_in: bool) -> str | None:
        """Return why an untold visit that ends is only counted, or None."""
        if is_burned_in:
            return "burned_in"
        if visit.silenced and visit.repeats:
            self._memory.renew(visit.repeats, visit.path)
            return visit.silenced
        if plate is not None:
            return None
        if not visit.evidence.is_confirmed:
            return "unconfirmed"
        if self._memory.is_parking_space(visit.path):
            return "parked"
        if self._is_part_of_another(visit):
            return "joined"
        if visit.evidence.hits < self._settings.visits.unread_min_hits:
            return "too_short"
        if visit.evidence.surest < self._settings.visits.unread_min_confidence:
            return "doubtful"
        return None if self._settings.visits.unread_events else "unread"

    def _is_part_of_another(self, visit: Visit) -> bool:
        """Tell whether another visit that has not ended holds this one's plate before, after or beside it."""
        beside = self._by_track.get(visit.beside) if visit.beside is not None else None
        return beside is not None or any(
            other.path.precedes(visit.path) or visit.path.precedes(other.path) for other in self._visits
        )

    def _hits(self, visit: Visit, plate: FusedRead) -> tuple[ListHit, ...]:
        """Ask the lists, again only when text or zones are new: fuzzy matching takes a while."""
        zones = visit.path.whereabouts.zones
        if self._lists is not None and visit.matched != (plate, zones):
            visit.matched = (plate, zones)
            visit.hits = self._lists.hits(self._camera, plate, visit.path.last.utc_s, zones)
        return visit.hits

    def _event(
        self, visit: Visit, kind: EventKind, plate: FusedRead | None, told: Told, reason: str | None = None
    ) -> Event:
        shot, path = visit.shot, visit.path
        detection = shot.crop.detection if shot else None
        frame = shot.crop.frame if shot else None
        event = Event(
            visit_id=visit.visit_id,
            revision=visit.revision,
            kind=kind,
            camera=self._camera,
            track_id=shot.crop.track_id if shot else visit.track_id,
            plate=plate,
            reason=reason,
            first_seen=path.first,
            last_seen=path.last,
            dwell_s=path.dwell_s,
            direction=told.direction,
            zones=told.zones,
            box=detection.box if detection else path.box,
            quad=detection.quad if detection else None,
            plate_height_px=shot.crop.quality.height_px if shot else height(path.box),
            frame_index=frame.index if frame else visit.frame_index,
            read_at=frame.moment if frame else path.last,
            list_hits=visit.hits if plate else (),
            other_boxes=shot.other_boxes if shot else (),
            crop=shot.crop if shot else None,
        )
        visit.told, visit.told_plate, visit.told_s = told, plate, self._now_s
        visit.revision += 1
        return event


def _track_of(crop: Crop) -> Track:
    """Return the track of a crop as it stood in the crop's frame."""
    pts_s = crop.frame.pts_s
    return Track(
        crop.track_id, TrackState.CONFIRMED, crop.detection.box, (0.0, 0.0), crop.detection, pts_s, pts_s, 1
    )


def _claim(visit: Visit) -> tuple[bool, int, float]:
    """Order two visits by how well they prove their text."""
    plate = visit.plate
    reads, confidence = (plate.agreeing_reads, plate.confidence) if plate else (0, 0.0)
    return visit.told is not None, reads, confidence


def _are_one_plate(visit: Visit, other: Visit) -> bool:
    """Tell whether two visits in view are so near that they follow one plate."""
    return distance_heights(visit.path.box, other.path.box) <= _ONE_PLATE_HEIGHTS


def _is_same_spot(older: Visit, younger: Visit) -> bool:
    """Tell whether two plates stand at the same pixels, as no two vehicles in two scenes do."""
    return distance_heights(older.path.box, younger.path.first_box) < _SAME_SPOT_HEIGHTS
