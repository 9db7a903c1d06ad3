"""The second half of a camera's way: looks in, events out. No threads here; one call per frame."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from anpr_stream.config.packaged import packaged
from anpr_stream.config.schema import CameraSettings
from anpr_stream.interfaces import ListMatcher, Notebook
from anpr_stream.metrics import CROPS_DROPPED, DETECTIONS, READS_REJECTED
from anpr_stream.pipeline.looks import Look
from anpr_stream.pipeline.reading import ReadingDesk, WantedCrop
from anpr_stream.plates.formats import load_formats
from anpr_stream.plates.matching import Confusions
from anpr_stream.tracking.budget import ReadBudget
from anpr_stream.tracking.calibration import Calibration
from anpr_stream.tracking.cuts import CutDetector, SceneChange, thumbnail
from anpr_stream.tracking.tracker import KalmanTracker
from anpr_stream.tracking.visits import VisitKeeper
from anpr_stream.tracking.zones import Places
from anpr_stream.types import Box, Crop, Detection, Event, Frame, Read, Track, TrackState
from anpr_stream.vision.crops import cut_crop
from anpr_stream.vision.planes import luma

NOTE_EVERY_S = 300.0
"""How often what stands is noted, should the program not come to its end. Lower: more writing, higher: cars
that came to stand before a crash are told again."""


@dataclass(frozen=True, slots=True)
class Signature:
    """What made an event: engines, and the hash of each network's file by name."""

    backend: str = ""
    models: tuple[tuple[str, str], ...] = ()

    def sign(self, event: Event) -> Event:
        """Return the event with this signature."""
        return replace(event, backend=self.backend, models=dict(self.models))


@dataclass(frozen=True, slots=True)
class Mark:
    """A plate as it is drawn into a frame: its box, its text so far, and whether it was seen there."""

    track_id: int
    box: Box
    text: str
    is_seen: bool


class Follower:
    """Follows the plates of one camera and makes its events."""

    def __init__(
        self,
        camera: str,
        settings: CameraSettings,
        desk: ReadingDesk,
        lists: ListMatcher | None = None,
        signature: Signature | None = None,
        notebook: Notebook | None = None,
    ) -> None:
        """Begin with nothing in view.

        Args:
            camera: its name.
            settings: its settings.
            desk: where its crops are read.
            lists: the plate lists, if there are any.
            signature: put on every event.
            notebook: what was noted of this camera, and where to note it.

        Raises:
            ConfigError: a plate format is unknown.
            ModelError: what is packaged about the reader's mistakes is damaged.
        """
        self._camera = camera
        self._desk = desk
        self._signature = signature or Signature()
        self._notebook = notebook
        self._noted_s: float | None = None
        rules = settings.tracking
        self._places = Places(rules.places)
        self._cuts = CutDetector(rules.cuts)
        self._tracker = KalmanTracker(rules.tracker)
        self._budget = ReadBudget(rules.budget, rules.fusion)
        engines = packaged("engines")
        self._visits = VisitKeeper(
            camera,
            rules,
            load_formats(settings.formats or None),
            lists,
            Calibration.load(engines / "fusion_calibration.json"),
            Confusions.load(engines / "confusions.json"),
            notebook.recall(camera) if notebook else (),
        )
        self._final_after_s = rules.visits.final_after_s
        self._last: Frame | None = None
        self._tracks: list[Track] = []

    def follow(self, look: Look) -> list[Event]:
        """Take the next frame; return the events it brings."""
        if look.detections is None:
            return []
        frame = self._last = look.frame
        scene = self._cuts.update(frame.segment, frame.pts_s, thumbnail(luma(frame.search_planes)))
        if self._is_resized(frame):
            scene = replace(scene, break_reason=scene.break_reason or "segment")
        tracks = self._track(frame, look.detections, scene)
        self._desk.ask(self._worth_reading(frame, tracks))
        events = self._take(frame, tracks, self._desk.arrived(), scene)
        self._note_at_times(frame.utc_s)
        return events

    def silent(self, for_s: float) -> list[Event]:
        """Take that a live camera gave no frame for so long; return the events of what is over.

        Reads that came in the meantime are taken, and visits end as they would with empty frames.
        """
        if self._last is None:
            return []
        frame, reads = self._last, self._desk.arrived()
        if for_s < self._final_after_s:
            return self._take(frame, (), reads, SceneChange()) if reads else []
        return self.end()

    def end(self) -> list[Event]:
        """End all visits after the last reads; return their events."""
        if self._last is None:
            return []
        frame, self._last = self._last, None
        reads = self._desk.rest()
        events = self._take(frame, self._tracker.cut(), reads, SceneChange())
        self._tracks = []
        last = self._signed(self._visits.end())
        self._note()
        return events + last

    def marks(self, frame: Frame) -> list[Mark]:
        """Return the plates in view for drawing, moved on to a frame that was not looked at."""
        if self._last is None:
            return []
        ahead_s = frame.pts_s - self._last.pts_s
        return [self._mark(track, ahead_s) for track in self._tracks if track.state is not TrackState.ENDED]

    def _is_resized(self, frame: Frame) -> bool:
        """Tell whether a picture has another size than the last one; places then go by its pixels."""
        before = self._visits.frame_px
        if before is None or before == (frame.width, frame.height):
            return False
        self._visits.rescale((frame.width / before[0], frame.height / before[1]))
        return True

    def _note_at_times(self, utc_s: float) -> None:
        if self._noted_s is None:
            self._noted_s = utc_s
        if abs(utc_s - self._noted_s) >= NOTE_EVERY_S:
            self._noted_s = utc_s
            self._note()

    def _note(self) -> None:
        if self._notebook is not None:
            self._notebook.note(self._camera, self._visits.remembered())

    def _track(self, frame: Frame, detections: Sequence[Detection], scene: SceneChange) -> list[Track]:
        admitted, refused = self._places.admit(detections, frame.width, frame.height)
        DETECTIONS.labels(self._camera).inc(len(admitted))
        for reason, count in refused.items():
            CROPS_DROPPED.labels(self._camera, reason).inc(count)
        ended = self._tracker.cut() if scene.break_reason else []
        lost = {track.track_id for track in self._tracks if track.state is TrackState.LOST}
        self._tracks = self._tracker.update(frame.pts_s, admitted)
        for track in self._tracks:
            if track.track_id in lost and track.detection:
                self._budget.doubt(track.track_id)
        return ended + self._tracks

    def _worth_reading(self, frame: Frame, tracks: Iterable[Track]) -> list[WantedCrop]:
        wanted = []
        for track in tracks:
            if track.detection is None:
                continue
            if self._budget.is_too_soon(track.track_id, frame.pts_s):
                CROPS_DROPPED.labels(self._camera, "too_soon").inc()
                continue
            crop = cut_crop(frame, track.detection, track.track_id)
            is_settled = self._budget.is_settled(track.track_id)
            reason = self._budget.refusal(track.track_id, frame.pts_s, crop.quality)
            if reason is None:
                wanted.append(WantedCrop(crop, is_settled))
            else:
                CROPS_DROPPED.labels(self._camera, reason).inc()
        return wanted

    def _take(
        self,
        frame: Frame,
        tracks: Sequence[Track],
        reads: Sequence[tuple[Crop, Read]],
        scene: SceneChange,
    ) -> list[Event]:
        events = self._visits.update(frame, tracks, reads, scene)
        for track_id in {crop.track_id for crop, _ in reads}:
            self._budget.learn(track_id, self._visits.plate(track_id))
        for track in tracks:
            if track.state is TrackState.ENDED:
                self._budget.forget(track.track_id)
        for reason, count in self._visits.take_counts().items():
            READS_REJECTED.labels(self._camera, reason).inc(count)
        return self._signed(events)

    def _signed(self, events: Iterable[Event]) -> list[Event]:
        return [self._signature.sign(event) for event in events]

    def _mark(self, track: Track, ahead_s: float) -> Mark:
        x, y = (speed * ahead_s for speed in track.velocity_px_s)
        x1, y1, x2, y2 = track.box
        plate = self._visits.plate(track.track_id)
        box = (x1 + x, y1 + y, x2 + x, y2 + y)
        return Mark(track.track_id, box, plate.text if plate else "", track.detection is not None)
