"""What live cameras cost: a clip over RTSP, through the whole pipeline, at its own pace."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from anpr_stream.config.schema import Camera, Settings
from anpr_stream.errors import SourceError
from anpr_stream.pipeline.follower import Mark
from anpr_stream.pipeline.networks import Networks
from anpr_stream.pipeline.supervisor import Pipeline
from anpr_stream.types import Frame
from tools.ages import FrameAges
from tools.benchmark.camera import served

FIRST_FRAME_S = 20.0
SETTLING_S = 2.0
"""Time after the first frames that does not count: engines compile the sizes that come."""

ENDING_S = 2.0
"""Time before the clip's end that does not count."""


@dataclass(frozen=True)
class LiveCost:
    """Live cameras over `seconds`: frames that went through all stages, those dropped by reason, processor
    cores kept busy, and how old a frame was when its flow was through, for half and for 95 of 100 frames."""

    cameras: int
    seconds: float
    frames: int
    dropped: dict[str, int]
    cores: float
    age_p50_s: float
    age_p95_s: float

    @property
    def dropped_share(self) -> float:
        """Of all frames that came."""
        gone = sum(self.dropped.values())
        return gone / max(1, self.frames + gone)


class _Ages(FrameAges):
    """Also knows when all of some cameras have begun."""

    def __init__(self, cameras: int) -> None:
        super().__init__()
        self._cameras = cameras
        self.all_began = threading.Event()

    def frame(self, frame: Frame, marks: Callable[[Frame], list[Mark]]) -> None:
        """Note a frame."""
        super().frame(frame, marks)
        if len(self.looks) == self._cameras:
            self.all_began.set()


def live_cost(
    clip: Path, settings: Settings, networks: Networks, seconds: float, cameras: int = 1
) -> LiveCost:
    """Watch a clip as cameras for as long as it lasts, less its beginning and end.

    Args:
        clip: H.264 of at least `seconds`.
        settings: of the cameras.
        networks: stay the caller's.
        seconds: length of the clip.
        cameras: number of them, each with the clip for itself.

    Raises:
        SourceError: a camera gave no frame.
    """
    ages = _Ages(cameras)
    with served(clip) as url, Pipeline(settings, networks, lambda _event: None) as pipeline:
        camera = Camera(url=url, flow=settings.flow, tracking=settings.tracking)
        for number in range(cameras):
            pipeline.start(f"live-{number}", camera, ages.frame)
        if not ages.all_began.wait(FIRST_FRAME_S):
            raise SourceError(f"{url}: no frame in {FIRST_FRAME_S:.0f} s", "no-frame")
        time.sleep(SETTLING_S)
        ages.clear()
        before, cpu_s, began_s = _dropped(pipeline), time.process_time(), time.monotonic()
        time.sleep(max(1.0, seconds - SETTLING_S - ENDING_S))
        after, cpu_s, took_s = _dropped(pipeline), time.process_time() - cpu_s, time.monotonic() - began_s
        through = list(ages.frames)
    p50, p95 = np.quantile(through or [0.0], (0.5, 0.95)).tolist()
    return LiveCost(cameras, took_s, len(through), dict(after - before), cpu_s / took_s, p50, p95)


def _dropped(pipeline: Pipeline) -> Counter[str]:
    counts = (Counter(status.source.dropped) for status in pipeline.statuses().values())
    return sum(counts, Counter[str]())
