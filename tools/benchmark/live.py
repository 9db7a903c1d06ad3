"""What a live camera costs: a clip over RTSP, through the whole pipeline, at its own pace."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from pathlib import Path

from anpr_stream.config.schema import Camera, Settings
from anpr_stream.errors import SourceError
from anpr_stream.pipeline.networks import Networks
from anpr_stream.pipeline.supervisor import Pipeline
from anpr_stream.types import SourceStatus
from tools.benchmark.camera import served

CAMERA = "live"
FIRST_FRAME_S = 20.0
SETTLING_S = 2.0
"""Time after the first frame that does not count: engines compile the sizes that come."""

ENDING_S = 2.0
"""Time before the clip's end that does not count."""


@dataclass(frozen=True)
class LiveCost:
    """A live camera over `seconds`: frames looked at, those dropped by reason, processor cores kept busy."""

    seconds: float
    frames: int
    dropped: dict[str, int]
    cores: float

    @property
    def dropped_share(self) -> float:
        """Of all frames that came."""
        gone = sum(self.dropped.values())
        return gone / max(1, self.frames + gone)


def live_cost(clip: Path, settings: Settings, networks: Networks, seconds: float) -> LiveCost:
    """Watch a clip as a camera for as long as it lasts, less its beginning and end.

    Args:
        clip: H.264 of at least `seconds`.
        settings: of the camera.
        networks: stay the caller's.
        seconds: length of the clip.

    Raises:
        SourceError: no frame came.
    """
    seen = threading.Event()
    with served(clip) as url, Pipeline(settings, networks, lambda _event: None) as pipeline:
        camera = Camera(url=url, flow=settings.flow, tracking=settings.tracking)
        pipeline.start(CAMERA, camera, lambda frame, marks: seen.set())
        if not seen.wait(FIRST_FRAME_S):
            raise SourceError(f"{url}: no frame in {FIRST_FRAME_S:.0f} s", "no-frame")
        time.sleep(SETTLING_S)
        before, cpu_s, began_s = _status(pipeline), time.process_time(), time.monotonic()
        time.sleep(max(1.0, seconds - SETTLING_S - ENDING_S))
        after, cpu_s, took_s = _status(pipeline), time.process_time() - cpu_s, time.monotonic() - began_s
    dropped = {reason: count - before.dropped.get(reason, 0) for reason, count in after.dropped.items()}
    gone = {reason: count for reason, count in dropped.items() if count}
    return LiveCost(took_s, after.frames - before.frames, gone, cpu_s / took_s)


def _status(pipeline: Pipeline) -> SourceStatus:
    return pipeline.statuses()[CAMERA].source
