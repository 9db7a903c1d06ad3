"""Cost of each stage of a frame's way, and of the whole way with its stages side by side."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import StringIO
from itertools import islice
from pathlib import Path

from anpr_stream.config.schema import Camera, Settings
from anpr_stream.inference import processor
from anpr_stream.outputs.files import stream_sink
from anpr_stream.perception import detector, parts
from anpr_stream.pipeline import follower
from anpr_stream.pipeline.follower import Follower
from anpr_stream.pipeline.looks import Look, LookRate
from anpr_stream.pipeline.networks import Networks
from anpr_stream.pipeline.reading import WantedCrop
from anpr_stream.pipeline.supervisor import Pipeline
from anpr_stream.sources.open import open_source
from anpr_stream.tracking.tracker import KalmanTracker
from anpr_stream.tracking.visits import VisitKeeper
from anpr_stream.types import Crop, Event, Frame, Read
from tools.benchmark.meter import Meter

CAMERA = "benchmark"
HELD_FRAMES = 120
"""Frames of the clip that are kept in memory to measure the stages after the decoder."""

NETWORKS = ("detect", "read")
STAGES = (
    "decode",
    "resize",
    "detect",
    "boxes",
    "track",
    "cut",
    "stretch",
    "read",
    "texts",
    "fuse",
    "flow",
    "write",
)


@dataclass(frozen=True)
class ClipCost:
    """Cost of a clip.

    Attributes:
        frames: in the clip.
        looks: frames that the detector saw.
        stages_ms: processor time per frame of each stage by itself, in the order of `STAGES`.
        cpu_ms: processor time per frame of the whole pipeline.
        fps: frames a second of the whole pipeline.
        slowest_fps: frames a second of its slowest stage alone, on as many threads as it has there.
        texts: what was read.
    """

    frames: int
    looks: int
    stages_ms: dict[str, float]
    cpu_ms: float
    fps: float
    slowest_fps: float
    texts: tuple[str, ...]

    @property
    def overlap(self) -> float:
        """Speed of the pipeline over that of its slowest stage: 1 is perfect."""
        return self.fps / self.slowest_fps

    @property
    def cores_fps(self) -> float:
        """Frames a second if all cores were busy all the time: no overlap of stages can give more."""
        return 1000 * processor.usable_cores() / self.cpu_ms

    @property
    def python_ms(self) -> float:
        """Processor time per frame of all stages but decoding and the networks.

        Not what is left of `cpu_ms`: a machine's speed changes more between two runs than this is.
        """
        return sum(ms for stage, ms in self.stages_ms.items() if stage not in ("decode", *NETWORKS))


def clip_cost(clip: Path, settings: Settings, networks: Networks) -> ClipCost:
    """Measure the stages one by one and the pipeline as a whole.

    The stages are gone through twice and count the second time: the first time engines compile the sizes that
    come and formats are loaded.
    """
    camera = Camera(url=str(clip), flow=settings.flow, tracking=settings.tracking)
    frames, decode_cpu_ms, decode_ms = _decode(camera)
    held = list(islice(open_source(camera.url, camera.source, CAMERA).frames(), HELD_FRAMES))
    _staged(held, camera, networks)
    meter, looks = _staged(held, camera, networks)
    del held
    stages_ms = {stage: 1000 * meter.seconds[stage] / looks[0] for stage in STAGES} | {
        "decode": decode_cpu_ms
    }
    texts, cpu_ms, wall_ms = _whole(camera, settings, networks, frames)
    threads_ms = [
        decode_ms,
        sum(stages_ms[stage] for stage in ("resize", "detect", "boxes")) / networks.detector.streams,
        sum(stages_ms[stage] for stage in ("track", "cut", "fuse", "flow", "write")),
        sum(stages_ms[stage] for stage in ("stretch", "read", "texts")),
    ]
    share = looks[1] / looks[0]
    return ClipCost(
        frames, round(frames * share), stages_ms, cpu_ms, 1000 / wall_ms, 1000 / max(threads_ms), texts
    )


def _decode(camera: Camera) -> tuple[int, float, float]:
    """Decode and throw away: number of frames, processor and clock milliseconds per frame."""
    source = open_source(camera.url, camera.source, CAMERA)
    cpu_s = time.process_time()
    seen_s = [time.perf_counter() for _ in source.frames()]
    cpu_s = time.process_time() - cpu_s
    source.close()
    return len(seen_s), 1000 * cpu_s / len(seen_s), _interval_ms(seen_s)


def _interval_ms(seen_s: Sequence[float]) -> float:
    """Mean time between frames: the time until the first one is no part of the speed."""
    return 1000 * (seen_s[-1] - seen_s[0]) / max(1, len(seen_s) - 1)


class _DirectDesk:
    """Reads at once, in the caller's thread."""

    def __init__(self, read: Callable[[Sequence[Crop]], list[Read]]) -> None:
        self._read = read
        self._reads: list[tuple[Crop, Read]] = []

    def ask(self, wanted: Sequence[WantedCrop]) -> None:
        crops = [entry.crop for entry in wanted]
        if crops:
            self._reads += zip(crops, self._read(crops), strict=True)

    def arrived(self) -> list[tuple[Crop, Read]]:
        reads, self._reads = self._reads, []
        return reads

    def rest(self) -> list[tuple[Crop, Read]]:
        return self.arrived()


def _staged(frames: Sequence[Frame], camera: Camera, networks: Networks) -> tuple[Meter, tuple[int, int]]:
    """Take frames through all stages one after the other; return times and numbers of frames and looks."""
    meter, rate, looks = Meter(), LookRate(camera.flow.detect_rate_hz), 0
    # Looked up at each call, so that the meter sees it.
    desk = _DirectDesk(lambda crops: networks.reader.read(crops))
    way = Follower(CAMERA, camera, desk, None, networks.signature)
    sink = stream_sink(StringIO(), "memory", "jsonl")
    finding, reading = (network.backend for network in networks.loaded)
    places = {
        "resize": (detector, "small_bgr"),
        "resize ": (detector, "pad"),
        "detect": (finding, "run"),
        "boxes": (type(networks.detector), "detect"),
        "track": (KalmanTracker, "update"),
        "cut": (follower, "cut_crop"),
        "stretch": (parts, "stretch"),
        "read": (reading, "run"),
        "texts": (type(networks.reader), "read"),
        "fuse": (VisitKeeper, "update"),
    }
    with meter.watching(places):
        for frame in frames:
            found = networks.detector.detect([frame])[0] if rate.is_due(frame) else None
            looks += found is not None
            with meter.stage("flow"):
                events = way.follow(Look(frame, found))
            with meter.stage("write"):
                for event in events:
                    sink.write(event)
    meter.seconds["resize"] += meter.seconds.pop("resize ")
    return meter, (len(frames), looks)


def _whole(
    camera: Camera, settings: Settings, networks: Networks, frames: int
) -> tuple[tuple[str, ...], float, float]:
    """Run the pipeline: texts, processor and clock milliseconds per frame."""
    events: list[Event] = []
    seen_s: list[float] = []
    cpu_s = time.process_time()
    with Pipeline(settings, networks, events.append) as pipeline:
        pipeline.start(CAMERA, camera, lambda frame, marks: seen_s.append(time.perf_counter()))
        pipeline.wait()
        if (error := pipeline.error(CAMERA)) is not None:
            raise error
    cpu_s = time.process_time() - cpu_s
    texts = {event.visit_id: event.plate.text for event in events if event.plate}
    return tuple(texts.values()), 1000 * cpu_s / frames, _interval_ms(seen_s)
