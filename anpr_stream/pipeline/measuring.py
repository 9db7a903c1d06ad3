"""How fast a source goes through this machine, whole and stage by stage."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from time import perf_counter

from anpr_stream.config.schema import Camera, Settings
from anpr_stream.errors import SourceError
from anpr_stream.pipeline.follower import Mark
from anpr_stream.pipeline.networks import Networks
from anpr_stream.pipeline.played import PlayedTime
from anpr_stream.pipeline.supervisor import Pipeline
from anpr_stream.sources.open import open_source
from anpr_stream.types import Crop, Detection, Frame
from anpr_stream.vision.crops import cut_crop

KEPT_FRAMES = 24
"""Frames that the networks are timed on."""


@dataclass(frozen=True, slots=True)
class Speed:
    """Rates of a source on this machine.

    Attributes:
        frames: frames of the whole run.
        stream_s: stream time that they cover.
        whole_fps: frames a second through everything.
        decode_fps: frames a second of the source alone.
        looked_at: share of the frames that the detector looked at.
        detect_ms: the detector alone, for one frame.
        streams: frames that the detector works on at once.
        read_ms: the reader alone, for one crop.
    """

    frames: int
    stream_s: float
    whole_fps: float
    decode_fps: float
    looked_at: float
    detect_ms: float
    streams: int
    read_ms: float

    @property
    def times_real_time(self) -> float:
        """How many times faster than it was filmed."""
        return self.whole_fps * self.stream_s / max(1, self.frames)

    @property
    def slowest_fps(self) -> float:
        """Frames a second of the slowest stage alone."""
        return min(self.decode_fps, 1000 * self.streams / max(1e-6, self.detect_ms * self.looked_at))


def measure_speed(camera: Camera, settings: Settings, networks: Networks, limit_frames: int) -> Speed:
    """Time a recording: source alone, networks alone, then everything together.

    Raises:
        SourceError: it cannot be opened, or holds less than two frames.
        BackendError: an engine failed.
    """
    kept, decode_fps = _time_source(camera, limit_frames)
    detect_ms, found = _time_each(networks.detector.detect, kept)
    crops = [cut_crop(frame, plate) for frame, plates in zip(kept, found, strict=True) for plate in plates]
    crops = crops or [_middle(frame) for frame in kept]
    read_ms, _ = _time_each(networks.reader.read, crops[:KEPT_FRAMES])
    seen = _time_whole(camera, settings, networks, limit_frames)
    rate_hz = seen.frames / max(1e-6, seen.played.s)
    looked_at = min(1.0, camera.flow.detect_rate_hz / rate_hz)
    streams = networks.detector.streams
    return Speed(seen.frames, seen.played.s, seen.fps, decode_fps, looked_at, detect_ms, streams, read_ms)


class _Count:
    """Counts the frames of a run and its time; the first frame starts the clock."""

    def __init__(self) -> None:
        self.frames = 0
        self.played = PlayedTime()
        self._began_s = self._last_s = 0.0

    def __call__(self, frame: Frame, marks: Callable[[Frame], list[Mark]]) -> None:
        self._last_s = perf_counter()
        if self.frames == 0:
            self._began_s = self._last_s
        self.frames += 1
        self.played.see(frame)

    @property
    def fps(self) -> float:
        return (self.frames - 1) / max(1e-6, self._last_s - self._began_s)


def _time_source(camera: Camera, limit: int) -> tuple[list[Frame], float]:
    source = open_source(camera.url, camera.source, "bench")
    count, kept = _Count(), list[Frame]()
    try:
        for frame in islice(source.frames(), limit):
            count(frame, lambda frame: [])
            if len(kept) < KEPT_FRAMES:
                kept.append(frame)
    finally:
        source.close()
    if count.frames < 2:
        raise SourceError(f"{camera.url}: too short to be timed", "bench-short")
    return kept, count.fps


def _time_each(run: Callable[[Sequence], list], items: Sequence) -> tuple[float, list]:  # type: ignore[type-arg]
    """Run items one by one, the first one twice; return milliseconds of one and all results."""
    run(items[:1])
    began_s = perf_counter()
    results = [run([item])[0] for item in items]
    return (perf_counter() - began_s) * 1000 / len(items), results


def _time_whole(camera: Camera, settings: Settings, networks: Networks, limit: int) -> _Count:
    count = _Count()
    with Pipeline(settings, networks, lambda event: None) as pipeline:

        def observe(frame: Frame, marks: Callable[[Frame], list[Mark]]) -> None:
            count(frame, marks)
            if count.frames == limit:
                pipeline.stop_all()

        pipeline.start("bench", camera, observe)
        pipeline.wait()
        if error := pipeline.error("bench"):
            raise error
    return count


def _middle(frame: Frame) -> Crop:
    """Return the middle of a frame, to time the reader where there is no plate."""
    x, y = frame.width / 2, frame.height / 2
    return cut_crop(frame, Detection((x - 60, y - 15, x + 60, y + 15), 1.0))
