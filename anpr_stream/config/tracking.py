"""Settings of the rules: following plates, choosing reads, adding them up, and visits."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from anpr_stream.config.section import Section

Share = Annotated[float, Field(ge=0.0, le=1.0)]
"""A probability or a fraction, 0..1."""

Positive = Annotated[float, Field(gt=0.0)]
"""A length, time or rate above zero."""

RelativePoint = tuple[Share, Share]
"""`x y` as fractions of the picture's width and height."""


def _closed(polygon: tuple[RelativePoint, ...]) -> tuple[RelativePoint, ...]:
    if len(polygon) < 3:
        raise ValueError(f"a polygon needs at least 3 corners, this one has {len(polygon)}")
    return polygon


Polygon = Annotated[tuple[RelativePoint, ...], AfterValidator(_closed)]
"""Corners in order, `[[x, y], ...]` as fractions of the picture, at least three."""


class TrackerSettings(Section):
    """How detections of one plate are joined over frames."""

    strong_confidence: Share = 0.45
    """Detections from here on start tracks. Too high: far plates start late; too low: false tracks."""
    weak_confidence: Share = 0.15
    """Weaker detections only continue a track that is there already. Too low: tracks jump to clutter."""
    confirm_hits: int = Field(default=2, ge=1)
    """Detections until a track counts. Too high: fast vehicles are missed; 1: each false one counts."""
    weak_reach_heights: Positive = 2.5
    """How far from the forecast a weak detection may be, in plate heights. Too far: clutter leads away."""
    lost_s: Positive = 1.0
    """A track unseen for so long ends. Too long: it may catch another vehicle; too short: it breaks."""
    lost_reach_heights: Positive = 10.0
    """How far from the forecast a lost plate may come back, in plate heights. Too far: it is mixed up
    with another one; too near: the track breaks (the visit still goes on by its text)."""
    max_gap_s: Positive = 3.0
    """A longer pause between two looked-at frames, or time running backwards, ends all tracks."""
    jitter_heights: Positive = 0.1
    """Noise of the detector's boxes in plate heights. Too high: boxes lag; too low: boxes tremble."""
    start_speed_heights_s: Positive = 30.0
    """Speed that a new plate may have, in plate heights a second (one sigma). Too low: fast vehicles
    break at low frame rates; too high: neighbours are joined."""
    acceleration_heights_s2: Positive = 50.0
    """How fast a plate's speed may change, in plate heights a second squared (one sigma)."""
    gate_sigma: Positive = 3.5
    """Detections further than so many sigma from the forecast are another plate."""
    min_iou: Share = 0.25
    """Boxes that overlap so much are one plate whatever the forecast says."""
    max_growth: float = Field(default=1.8, gt=1.0)
    """Largest change of a plate's height between two looked-at frames, as a factor."""


class CutSettings(Section):
    """When a picture does not follow on from the one before."""

    min_change: Share = 0.42
    """Change of the picture's layout (0 same .. 1 unrelated) that may be a hard cut. Too low: fast
    motion at low frame rates ends tracks; too high: cuts between like scenes are missed."""
    over_usual: float = Field(default=2.0, ge=1.0)
    """A cut must also change so many times more than the frames before it (moving cameras)."""
    motion_lag_s: Positive = 0.4
    """The scene's motion is measured against a picture so much older."""


class BudgetSettings(Section):
    """How often a track's plate is read."""

    min_plate_height_px: Positive = 8.0
    """Smaller plates are not read: no reader makes sense of them and each try costs time."""
    unread_interval_s: Positive = 0.06
    """Least time between reads of a track that has no settled text. Shorter: more load."""
    eager_reads: int = Field(default=12, ge=1)
    """After so many reads without a settled text the pauses grow with each further read. Lower: a plate
    that is far away at first is read too seldom when it is near."""
    max_interval_s: Positive = 2.0
    """Longest pause between reads while there is no settled text: a standing plate never starves."""
    settled_agreeing: int = Field(default=3, ge=1)
    """Agreeing reads (with `settled_confidence`) that settle a text."""
    settled_confidence: Share = 0.95
    """Fused confidence that settles a text. Too high: reads for ever; too low: errors stay."""
    settled_interval_s: Positive = 1.0
    """Least time between reads of a settled track, which must also be clearly better crops."""
    better_by: float = Field(default=1.2, ge=1.0)
    """A crop is clearly better when its worth is so many times that of the best one read."""
    max_wait_s: Positive = 0.5
    """Crops that waited longer for a reader are dropped and counted."""


class FusionSettings(Section):
    """How the reads of a track are added up."""

    full_height_px: Positive = 28.0
    """Plates this high count fully; lower ones in proportion. Too high: early reads count little."""
    blurred_weight: Share = 0.3
    """Weight of a wholly blurred crop (sharpness 0) against a crisp one."""
    truncated_weight: Share = 0.35
    """Weight of a plate that the picture's edge cuts. Too high: half plates win."""
    doubted_weight: Share = 0.1
    """Weight of a read that the reader itself does not believe (confidence 0) against a sure one. Too
    high: many hopeless reads drown a good one; too low: one read decides."""
    smoothing: Share = 0.04
    """Share of doubt mixed into each read, so that no single confident read decides alone."""
    missed_character: Share = 0.015
    """Probability that a read leaves out a character that is there."""
    extra_character: Share = 0.01
    """Probability that a read holds a character that is not there."""
    independent_reads: Positive = 5.0
    """Reads of one track repeat each other's faults: more full reads than this add no certainty."""
    max_variants: int = Field(default=8, ge=2)
    """Different texts of one track that are added up, the heaviest; four times as many are kept. Too low:
    right reads that come late count for nothing; too high: more work for each read."""
    candidates: int = Field(default=5, ge=1)
    """Texts listed in an event."""


class VisitSettings(Section):
    """What becomes an event, and when."""

    min_agreeing: int = Field(default=2, ge=1)
    """Reads that must agree before a text is told. 1 tells each read at once, also wrong ones."""
    min_confidence: Share = 0.5
    """Fused confidence below which a text is not told (the visit then ends unread)."""
    min_read_confidence: Share = 0.2
    """A text that no single read is so sure of is not told, however many agree: reads of a thing that stands
    still repeat each other's faults. Too high: far plates end unread; too low: emblems get a text."""
    lone_confidence: Share = 0.8
    """A visit with fewer agreeing reads is told at its end if its confidence reaches this."""
    new_after_s: float = Field(default=0.15, ge=0.0)
    """Wait after the last needed agreeing read for better ones; the promise is 300 ms with a frame's
    interval on top. Longer: later but surer `new`."""
    sure_confidence: Share = 0.97
    """A text this sure is told without that wait."""
    update_interval_s: float = Field(default=0.5, ge=0.0)
    """Least time between two updates of one visit; entering a zone is told at once."""
    final_after_s: Positive = 4.0
    """A visit ends when its plate was unseen for so long. Shorter: an occlusion makes two visits."""
    revisit_s: float = Field(default=30.0, ge=0.0)
    """The same text at the same place within this time after its end is not told again."""
    revisit_distance: float = Field(default=0.6, ge=0.0)
    """Weighted edit distance up to which two texts are one plate (look-alikes cost about 0.3); two that both
    reach `sure_confidence` are one only if alike but for O and 0, I and 1."""
    same_place_heights: Positive = 6.0
    """Boxes whose centres are nearer than so many plate heights are at the same place."""
    parked_after_s: Positive = 60.0
    """A plate that stood still for so long is parked: remembered, not told again until it moves."""
    parked_memory_s: Positive = 86_400.0
    """How long a parked plate that is out of sight is remembered."""
    still_heights: Positive = 1.0
    """A plate that stays within so many plate heights stands still."""
    twin_agreeing: int = Field(default=4, ge=1)
    """Agreeing reads that each of two plates with one text needs to count as two vehicles."""
    twin_confidence: Share = 0.9
    """Fused confidence that each of two plates with one text needs to count as two vehicles."""
    growth: float = Field(default=1.25, gt=1.0)
    """Change of height from which a vehicle approaches or (inverse) leaves."""
    sideways_heights: Positive = 8.0
    """Way to the side, in plate heights, from which a vehicle goes left or right."""
    burned_in_after_s: Positive = 3.0
    """Text that stays at the same pixels for so long while the camera moves is part of the picture."""
    burned_in_heights: Positive = 0.2
    """How far such text may seem to move, in its heights. Higher: a car followed closely is lost."""
    camera_motion: Share = 0.5
    """Share of the picture's edges that move when the camera itself does."""
    unread_events: bool = True
    """Whether a visit without a text is told (with its reason) or only counted."""
    unread_min_hits: int = Field(default=5, ge=1)
    """Detections that an unread visit needs to be told. Lower: false detections become events."""
    unread_min_confidence: Share = 0.6
    """Confidence that the detector must reach once in an unread visit for it to be told. Lower: false
    detections become events; higher: dirty and far plates are only counted."""
    blurred_below: Share = 0.15
    """A visit whose sharpest crop is below this ends as `too_blurred` when it has no text."""


class ZoneSettings(Section):
    """A named part of the picture."""

    name: str = Field(min_length=1)
    """Name as it stands in events."""
    polygon: Polygon
    """Its corners."""


class LineSettings(Section):
    """A line whose crossing tells the direction."""

    start: RelativePoint
    """One end; seen from here towards `end`, `to_left` is the crossing to the left-hand side."""
    end: RelativePoint
    """The other end."""
    to_left: str = Field(min_length=1)
    """Direction told when a plate crosses to the left-hand side, e.g. `in`."""
    to_right: str = Field(min_length=1)
    """Direction told for the other way, e.g. `out`."""

    @model_validator(mode="after")
    def _has_length(self) -> LineSettings:
        if self.start == self.end:
            raise ValueError("a line needs two different ends")
        return self


class PlaceSettings(Section):
    """Where to look and what places are called."""

    zones: tuple[ZoneSettings, ...] = ()
    """Named zones, reported in order of entry."""
    lines: tuple[LineSettings, ...] = ()
    """Lines that give the direction."""
    include: tuple[Polygon, ...] = ()
    """Only plates with their centre in one of these are looked at; none means everywhere."""
    mask: tuple[Polygon, ...] = ()
    """Plates with their centre in one of these are not looked at (burned-in text, a neighbour's yard)."""
    min_height_px: float = Field(default=0.0, ge=0.0)
    """Smaller plates are not looked at."""
    max_height_px: float = Field(default=100_000.0, gt=0.0)
    """Larger plates are not looked at."""
    min_frames: int = Field(default=2, ge=1)
    """Looked-at frames in a zone or beyond a line until it counts. 1: trembling boxes count too."""

    @model_validator(mode="after")
    def _names_differ(self) -> PlaceSettings:
        names = [zone.name for zone in self.zones]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"zones need different names: {', '.join(sorted(twice))} stands twice")
        return self


class TrackingSettings(Section):
    """All rules between a frame's detections and the events."""

    tracker: TrackerSettings = TrackerSettings()
    """Joining detections over frames."""
    cuts: CutSettings = CutSettings()
    """Hard cuts."""
    budget: BudgetSettings = BudgetSettings()
    """How often a plate is read."""
    fusion: FusionSettings = FusionSettings()
    """Adding up reads."""
    visits: VisitSettings = VisitSettings()
    """What becomes an event, and when."""
    places: PlaceSettings = PlaceSettings()
    """Zones, masks, lines and size limits."""
