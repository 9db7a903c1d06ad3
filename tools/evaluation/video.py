"""`evaluate video`: clips through the whole pipeline, judged visit by visit.

A folder with `labels.jsonl`, one line a clip: `video`, `fps`, `seconds`, `complete` and `visits` with
`text`, `first_frame`, `last_frame` and `legible` (`tools.render_clip` and people write it).
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from pydantic import BaseModel, NonNegativeFloat, PositiveFloat, ValidationError

from anpr_stream.config.load import load_settings
from anpr_stream.config.schema import Camera, CameraSettings, Settings
from anpr_stream.errors import UsageError
from anpr_stream.pipeline.networks import Networks, load_networks
from anpr_stream.pipeline.supervisor import Pipeline
from anpr_stream.plates.formats import load_formats
from anpr_stream.tracking.fusion import Fusion
from anpr_stream.types import Crop, Event, EventKind, Read
from tools.evaluation.reading import distance
from tools.refusal import first_fault
from tools.training.detector_data import placed_lines

SLACK_S = 1.0
"""Labels give the readable frames; the pipeline may see a plate a little earlier or later."""

Reads = list[tuple[Crop, Read]]


@dataclass(frozen=True)
class TrueVisit:
    """A vehicle that a person saw pass; `text` is None where the plate cannot be read."""

    text: str | None
    first_s: float
    last_s: float

    def is_during(self, first_s: float, last_s: float) -> bool:
        """Tell whether it overlaps a time span, with some slack."""
        return first_s <= self.last_s + SLACK_S and last_s >= self.first_s - SLACK_S


class _Visit(BaseModel):
    """A vehicle in a line of labels."""

    text: str | None = None
    first_frame: NonNegativeFloat
    last_frame: NonNegativeFloat
    legible: bool = True


class _Line(BaseModel):
    """A line of labels."""

    video: str
    fps: PositiveFloat
    seconds: NonNegativeFloat
    complete: bool = True
    visits: list[_Visit]


@dataclass(frozen=True)
class Clip:
    """A labelled clip; `is_complete` when no readable plate is missing from its visits."""

    path: Path
    seconds: float
    is_complete: bool
    visits: tuple[TrueVisit, ...]


@dataclass(frozen=True)
class Seen:
    """What the pipeline made of a clip: events, and reads by track."""

    events: list[Event]
    reads: dict[int, Reads]


@dataclass
class Figures:
    """Counts over clips; see `lines` for what they mean."""

    seconds: float = 0.0
    visits: int = 0
    found: int = 0
    exact: int = 0
    false: list[str] = field(default_factory=list)
    unjudged: int = 0
    duplicates: int = 0
    switches: int = 0
    delays_s: list[float] = field(default_factory=list)
    tracks: int = 0
    right: Counter[str] = field(default_factory=Counter)

    def add(self, other: Figures) -> None:
        """Add those of another clip."""
        self.seconds += other.seconds
        self.visits += other.visits
        self.found += other.found
        self.exact += other.exact
        self.false += other.false
        self.unjudged += other.unjudged
        self.duplicates += other.duplicates
        self.switches += other.switches
        self.delays_s += other.delays_s
        self.tracks += other.tracks
        self.right += other.right

    def lines(self) -> list[str]:
        """Return the report for people."""
        minutes = self.seconds / 60
        delay = f"{median(self.delays_s):.2f} s (median)" if self.delays_s else "none"
        right = ", ".join(f"{way} {self.right[way]}" for way in WAYS)
        return [
            f"visits with a readable plate   {self.visits}",
            f"found                          {self.found}",
            f"read exactly                   {self.exact}",
            f"false visits                   {len(self.false)} in {minutes:.1f} minutes"
            f" ({len(self.false) / max(minutes, 1e-9):.2f} a minute) {' '.join(self.false)}",
            f"duplicates                     {self.duplicates}",
            f"ID switches                    {self.switches} (further tracks of one visit)",
            f"events at unreadable visits    {self.unjudged} (not judged)",
            f"time to the first right event  {delay}, from the first readable frame",
            f"right on the same {self.tracks} tracks  {right}",
        ]


def load_clips(folder: Path) -> list[Clip]:
    """Read a folder's labels.

    Raises:
        UsageError: there is no `labels.jsonl`, or a line of it cannot be used.
        DataError: it is not UTF-8.
    """
    labels = folder / "labels.jsonl"
    if not labels.is_file():
        raise UsageError(f"{labels} does not exist: name a folder of labelled clips")
    return [_clip(folder, text, place) for text, place in placed_lines(labels)]


def _clip(folder: Path, text: str, place: str) -> Clip:
    try:
        line = _Line.model_validate_json(text)
    except ValidationError as error:
        raise UsageError(f"{place}: {first_fault(error)}") from error
    visits = tuple(
        TrueVisit(
            visit.text if visit.legible else None, visit.first_frame / line.fps, visit.last_frame / line.fps
        )
        for visit in line.visits
    )
    return Clip(folder / line.video, line.seconds, line.complete, visits)


def chosen(clips: Sequence[Clip], only: Sequence[str]) -> list[Clip]:
    """Return the clips that are named in `only`, all if none is.

    Raises:
        UsageError: there is none of that name, or none at all.
    """
    names = [clip.path.name for clip in clips]
    if unknown := [name for name in only if name not in names]:
        raise UsageError(f"no clip {', '.join(unknown)} in the labels; there are {', '.join(names)}")
    if not clips:
        raise UsageError("the labels name no clip")
    return [clip for clip in clips if not only or clip.path.name in only]


def watch(clip: Clip, settings: Settings, networks: Networks) -> Seen:
    """Run a clip through the pipeline.

    Raises:
        AnprError: it cannot be played, or an engine failed.
    """
    events: list[Event] = []
    reads: dict[int, Reads] = defaultdict(list)
    noting = _NotingReader(networks, reads)
    with Pipeline(settings, Networks(networks.detector, noting, networks.loaded), events.append) as pipeline:
        shared = {name: getattr(settings, name) for name in CameraSettings.model_fields}
        pipeline.start(clip.path.name, Camera(url=str(clip.path), **shared))
        pipeline.wait()
        if error := pipeline.error(clip.path.name):
            raise error
    return Seen(events, reads)


class _NotingReader:
    """A reader that notes every read by its track."""

    def __init__(self, networks: Networks, reads: dict[int, Reads]) -> None:
        self._reader = networks.reader
        self._reads = reads

    def read(self, crops: Sequence[Crop]) -> list[Read]:
        """Read as the real one does."""
        found = self._reader.read(crops)
        for crop, read in zip(crops, found, strict=True):
            self._reads[crop.track_id].append((crop, read))
        return found


def judge(clip: Clip, seen: Seen, settings: Settings) -> Figures:
    """Compare what was seen with what a person saw."""
    readable = [visit for visit in clip.visits if visit.text]
    figures = Figures(seconds=clip.seconds, visits=len(readable))
    finals = [event for event in seen.events if event.kind is EventKind.FINAL]
    matches, left = _match(readable, finals)
    figures.found = len(matches)
    for visit, event in matches:
        if event.plate and event.plate.text == visit.text:
            figures.exact += 1
            figures.delays_s += _delay_s(visit, event, seen.events)
    for event in left:
        _count_other(figures, clip, readable, event)
    _compare_ways(figures, readable, seen.reads, settings)
    return figures


def _match(
    visits: Sequence[TrueVisit], finals: Sequence[Event]
) -> tuple[list[tuple[TrueVisit, Event]], list[Event]]:
    """Pair each visit with the event nearest in text among those at its time; return what is left, too."""
    pairs = sorted(
        (_farness(visit, event), v, e)
        for v, visit in enumerate(visits)
        for e, event in enumerate(finals)
        if visit.is_during(event.first_seen.pts_s, event.last_seen.pts_s)
    )
    used_visits: set[int] = set()
    used_events: set[int] = set()
    matches = []
    for farness, v, e in pairs:
        if farness <= 0.5 and v not in used_visits and e not in used_events:
            used_visits.add(v)
            used_events.add(e)
            matches.append((visits[v], finals[e]))
    return matches, [event for e, event in enumerate(finals) if e not in used_events]


def _farness(visit: TrueVisit, event: Event) -> float:
    """Return the share of characters that differ; an unread event is just near enough."""
    if event.plate is None:
        return 0.5
    truth = visit.text or ""
    return distance(truth, event.plate.text) / max(1, len(truth))


def _delay_s(visit: TrueVisit, final: Event, events: Iterable[Event]) -> list[float]:
    right = [
        event.last_seen.pts_s
        for event in events
        if event.visit_id == final.visit_id and event.plate and event.plate.text == visit.text
    ]
    return [max(0.0, min(right) - visit.first_s)] if right else []


def _count_other(figures: Figures, clip: Clip, readable: Sequence[TrueVisit], event: Event) -> None:
    """Count an event that no readable visit accounts for."""
    if event.plate is None:
        return
    span = (event.first_seen.pts_s, event.last_seen.pts_s)
    if any(visit.text == event.plate.text and visit.is_during(*span) for visit in readable):
        figures.duplicates += 1
    elif not clip.is_complete or any(v.text is None and v.is_during(*span) for v in clip.visits):
        figures.unjudged += 1
    else:
        figures.false.append(event.plate.text)


WAYS = ("fused", "best single read", "most frequent")


def _compare_ways(
    figures: Figures, readable: Sequence[TrueVisit], reads: dict[int, Reads], settings: Settings
) -> None:
    """Count on every track of a readable visit which way to one text gives the right one."""
    per_visit: Counter[TrueVisit] = Counter()
    for track in reads.values():
        visit = _visit_of(track, readable)
        if visit is None or visit.text is None:
            continue
        per_visit[visit] += 1
        figures.tracks += 1
        for way, text in zip(WAYS, _texts(track, settings), strict=True):
            figures.right[way] += text == visit.text
    figures.switches = sum(count - 1 for count in per_visit.values())


def _visit_of(track: Reads, readable: Sequence[TrueVisit]) -> TrueVisit | None:
    """Return the visit whose text any read of the track comes nearest to, if near enough."""
    times = [crop.frame.pts_s for crop, _ in track]
    near = [
        (min(distance(visit.text or "", read.text) for _, read in track) / len(visit.text or "-"), number)
        for number, visit in enumerate(readable)
        if visit.is_during(min(times), max(times))
    ]
    share, number = min(near, default=(1.0, 0))
    return readable[number] if share <= 0.5 else None


def _texts(track: Reads, settings: Settings) -> Iterator[str]:
    """Yield the text of a track in each of `WAYS`."""
    fusion = Fusion(load_formats(settings.formats or None), settings.tracking.fusion)
    for crop, read in track:
        fusion.add(read, crop.quality)
    plate = fusion.plate()
    yield plate.text if plate else ""
    yield max(track, key=lambda entry: entry[1].confidence)[1].text
    counts = Counter(read.text for _, read in track)
    yield max(sorted(counts), key=lambda text: counts[text])


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `evaluate video`."""
    parser.add_argument("--data", type=Path, required=True, help="folder of clips with a labels.jsonl")
    parser.add_argument("--config", type=Path, help="settings file; defaults without one")
    parser.add_argument("--only", action="append", default=[], help="name of a clip; again for more")


def run(options: argparse.Namespace) -> list[str]:
    """Watch all clips and return the report's lines.

    Raises:
        UsageError: the labels cannot be used, or do not name a clip that is asked for.
    """
    clips = chosen(load_clips(options.data), options.only)
    settings = load_settings(options.config) if options.config else Settings()
    total, lines = Figures(), []
    with load_networks(settings) as networks:
        for clip in clips:
            figures = judge(clip, watch(clip, settings, networks), settings)
            total.add(figures)
            lines.append(
                f"{clip.path.name}: {figures.exact} exact and {figures.found} found of {figures.visits}, "
                f"{len(figures.false)} false, {figures.duplicates} duplicates, {figures.switches} switches"
            )
        engines = networks.signature.backend
    return [engines, *lines, "", *total.lines()]
