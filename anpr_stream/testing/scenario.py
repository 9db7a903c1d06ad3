"""Vehicles, reads and a camera's doings in, events out: in milliseconds, without video or networks.

The real tracker, fusion and visits are played; see `tests/scenarios` for the YAML form.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from pydantic import Field

from anpr_stream.config.section import Section
from anpr_stream.config.tracking import TrackingSettings
from anpr_stream.plates.formats import load_formats
from anpr_stream.plates.matching import Confusions
from anpr_stream.testing.fakes import make_box, make_frame, make_read
from anpr_stream.tracking.cuts import SceneChange
from anpr_stream.tracking.tracker import KalmanTracker
from anpr_stream.tracking.visits import VisitKeeper
from anpr_stream.types import Box, Crop, CropQuality, Detection, Event, Frame, FusedRead, ListHit, Read, Track


class ReadAt(Section):
    """What the reader makes of a vehicle's plate at one time, or again and again."""

    text: str
    """Text read; empty for an illegible crop."""
    at: float | None = None
    """Time of the crop in seconds; left out: see `every`."""
    every: float = Field(default=0.2, gt=0.0)
    """Pause between repeated reads, from the vehicle's first second on."""
    between: tuple[float, float] = (0.0, float("inf"))
    """Repeated reads happen in this time only."""
    confidence: float = 0.9
    """Of each character and the whole."""
    doubts: str = ""
    """See `make_read`."""
    lines: tuple[int, ...] = ()
    """Characters of each line."""
    sharpness: float = 0.8
    """Of the crop."""
    truncated: bool = False
    """The picture's edge cuts the plate."""

    def times(self, start_s: float, end_s: float) -> list[float]:
        """Return when this read happens while its vehicle is in view from `start_s` to `end_s`."""
        if self.at is not None:
            return [self.at]
        first, last = max(start_s, self.between[0]), min(end_s, self.between[1])
        return [first + n * self.every for n in range(int((last - first) / self.every + 1e-9) + 1)]


class Waypoint(Section):
    """Where a plate is at one time."""

    at: float
    """Seconds."""
    x: float
    """Centre, in pixels."""
    y: float = 600.0
    """Centre, in pixels."""
    height: float = 24.0
    """Height, in pixels."""


class Vehicle(Section):
    """One plate on its way."""

    way: tuple[Waypoint, ...] = Field(min_length=1)
    """In order of time; between two the plate moves evenly. One alone is seen in one frame."""
    hidden: tuple[tuple[float, float], ...] = ()
    """Times in which the detector does not see it."""
    reads: tuple[ReadAt, ...] = ()
    """What the reader makes of it."""
    confidence: float = 0.9
    """Of the detector."""

    def box(self, time_s: float) -> Box | None:
        """Return its box at a time, None while it is not seen."""
        first, last = self.way[0].at, self.way[-1].at
        is_hidden = any(start <= time_s < end for start, end in self.hidden)
        if is_hidden or not first - 1e-6 <= time_s <= last + 1e-6:
            return None
        times = [point.at for point in self.way]
        x, y, height = (
            float(np.interp(time_s, times, [getattr(point, name) for point in self.way]))
            for name in ("x", "y", "height")
        )
        return make_box(x, y, height)


class FakeList(Section):
    """A plate list."""

    entries: tuple[str, ...]
    """Normalised texts."""
    action: str = "watch"
    """What a hit means."""
    max_distance: float = 0.0
    """Weighted edit distance."""
    min_agreeing_reads: int = 1
    """Reads that must agree."""
    zones: tuple[str, ...] = ()
    """Only plates that were in one of these."""


class FakeLists:
    """A `ListMatcher` of lists given by name."""

    def __init__(self, lists: dict[str, FakeList]) -> None:
        self._lists = lists
        self._confusions = Confusions()

    def hits(
        self, camera: str, plate: FusedRead, utc_s: float, zones: Collection[str] = ()
    ) -> tuple[ListHit, ...]:
        """Return the nearest entry of each list."""
        found = []
        for name, known in self._lists.items():
            if known.zones and not set(known.zones).intersection(zones):
                continue
            near = [(self._confusions.distance(entry, plate.text), entry) for entry in known.entries]
            distance, entry = min(near)
            if distance <= known.max_distance and plate.agreeing_reads >= known.min_agreeing_reads:
                found.append(ListHit(name, known.action, entry, distance))
        return tuple(found)


class Scenario(Section):
    """Vehicles, reads and a camera in; events out."""

    about: str
    """What it shows."""
    fps: float = 10.0
    """Frames looked at a second."""
    seconds: float
    """How long it lasts."""
    size: tuple[int, int] = (1920, 1080)
    """Of the picture."""
    camera: str = "gate"
    """Its name."""
    vehicles: tuple[Vehicle, ...]
    """What drives or stands there."""
    cuts: tuple[float, ...] = ()
    """Times of hard cuts."""
    segments: tuple[float, ...] = ()
    """Times at which the stream breaks (next clip, reconnect)."""
    camera_moves: tuple[tuple[float, float], ...] = ()
    """Times in which the whole scene moves."""
    read_delay_s: float = 0.0
    """Time from a frame to the reads of its crops."""
    formats: tuple[str, ...] = ()
    """Countries or groups whose plate formats are expected."""
    lists: dict[str, FakeList] = Field(default_factory=dict)
    """Plate lists by name."""
    settings: TrackingSettings = TrackingSettings()
    """Rules."""
    expect: tuple[dict[str, Any], ...]
    """Events in order; of each the given keys are compared, see `summary`."""
    counts: dict[str, int] = Field(default_factory=dict)
    """What `VisitKeeper.take_counts` gives in the end, where it matters."""

    @staticmethod
    def load(path: Path) -> Scenario:
        """Read a YAML file."""
        return Scenario.model_validate(yaml.safe_load(path.read_text("utf-8")))


@dataclass
class Played:
    """What a scenario came to.

    Attributes:
        events: with the time in seconds at which each was told.
        counts: what was only counted.
    """

    events: list[tuple[float, Event]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)


class Player:
    """Plays one scenario."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._tracker = KalmanTracker(scenario.settings.tracker)
        self._keeper = VisitKeeper(
            scenario.camera,
            scenario.settings,
            load_formats(scenario.formats) if scenario.formats else None,
            FakeLists(scenario.lists),
        )
        self._waiting: list[tuple[float, Crop, Read]] = []
        self._segment = 0
        self._scene_since_s = 0.0

    def play(self) -> Played:
        """Play it from start to end."""
        played = Played()
        steps = round(self._scenario.seconds * self._scenario.fps)
        for index in range(steps + 1):
            time_s = index / self._scenario.fps
            played.events += [(time_s, event) for event in self._step(index, time_s)]
        played.events += [(self._scenario.seconds, event) for event in self._keeper.end()]
        played.counts = dict(self._keeper.take_counts())
        return played

    def _step(self, index: int, time_s: float) -> list[Event]:
        scene = self._scene(time_s)
        frame = make_frame(index, time_s, self._scenario.camera, self._scenario.size, segment=self._segment)
        ended = self._tracker.cut() if scene.break_reason else []
        seen = {n: box for n, v in enumerate(self._scenario.vehicles) if (box := v.box(time_s)) is not None}
        detections = [Detection(box, self._scenario.vehicles[n].confidence) for n, box in seen.items()]
        tracks = self._tracker.update(time_s, detections)
        for number, detection in zip(seen, detections, strict=True):
            self._read(self._scenario.vehicles[number], detection, tracks, frame)
        due = [(crop, read) for ready_s, crop, read in self._waiting if ready_s <= time_s + 1e-6]
        self._waiting = [entry for entry in self._waiting if entry[0] > time_s + 1e-6]
        return self._keeper.update(frame, ended + tracks, due, scene)

    def _scene(self, time_s: float) -> SceneChange:
        moves = any(start <= time_s < end for start, end in self._scenario.camera_moves)
        is_break = self._is_now(self._scenario.segments, time_s)
        self._segment += is_break
        reason = "cut" if self._is_now(self._scenario.cuts, time_s) else "segment" if is_break else None
        if reason:
            self._scene_since_s = time_s
        is_known = time_s - self._scene_since_s >= self._scenario.settings.cuts.motion_lag_s
        return SceneChange(reason, (0.9 if moves else 0.0) if is_known else None)

    def _is_now(self, times: Iterable[float], time_s: float) -> bool:
        """Tell whether one of the times falls on this step."""
        return any(-0.5 <= (time_s - event_s) * self._scenario.fps < 0.5 for event_s in times)

    def _read(self, vehicle: Vehicle, detection: Detection, tracks: Sequence[Track], frame: Frame) -> None:
        track_id = next((t.track_id for t in tracks if t.detection is detection), None)
        if track_id is None:
            return
        for read in vehicle.reads:
            if self._is_now(read.times(vehicle.way[0].at, vehicle.way[-1].at), frame.pts_s):
                height = detection.box[3] - detection.box[1]
                quality = CropQuality(height, read.sharpness, read.truncated)
                crop = Crop(np.zeros((1, 1, 3), np.uint8), detection, quality, frame, track_id)
                made = make_read(read.text, read.confidence, read.lines, read.doubts)
                self._waiting.append((frame.pts_s + self._scenario.read_delay_s, crop, made))


def summary(time_s: float, event: Event) -> dict[str, Any]:
    """Return what a scenario may expect of an event."""
    plate = event.plate
    return {
        "at": round(time_s, 3),
        "kind": event.kind.value,
        "text": plate.text if plate else None,
        "raw_text": plate.raw_text if plate else None,
        "format": plate.format if plate else None,
        "lines": list(plate.line_lengths) if plate else None,
        "agreeing_reads": plate.agreeing_reads if plate else 0,
        "confidence": plate.confidence if plate else 0.0,
        "reason": event.reason,
        "direction": event.direction,
        "zones": list(event.zones),
        "lists": [hit.list_name for hit in event.list_hits],
        "dwell_s": round(event.dwell_s, 3),
        "revision": event.revision,
        "track_id": event.track_id,
        "frame_index": event.frame_index,
        "neighbours": len(event.other_boxes),
    }
