"""How late events come when the networks get more than they can do: `python -m tools.load`.

Real cameras over HTTP, the real pipeline, a detector whose cost is set (it sleeps, as a CPU sleeps while
a GPU works). For each load, as a share of what the detector can do, one row: frames offered and looked
at, the age of a frame when its flow is through, the latency of events, and how evenly cameras were served.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from anpr_stream.config.load import parse_settings
from anpr_stream.config.models import DetectorSettings
from anpr_stream.config.schema import Settings
from anpr_stream.interfaces import Backend
from anpr_stream.perception.detector import YoloDetector
from anpr_stream.pipeline.networks import Networks, load_networks
from anpr_stream.pipeline.supervisor import Pipeline
from anpr_stream.types import Detection, Event, EventKind, Frame
from anpr_stream.vision.contract import DetectorContract
from tests.mjpeg import MjpegServer
from tests.stubs import scene, write_networks
from tools.ages import FrameAges
from tools.options import ToolParser, positive, real, whole
from tools.refusal import exit_code

BATCH = 4
WARM_UP_S = 3.0
COLUMNS = ("load", "offered/s", "looked at/s", "age p50", "age p95", "event p95", "looks per camera")


class CostlyDetector(YoloDetector):
    """A detector that takes so long per frame, whatever the machine is like."""

    def __init__(
        self, backend: Backend, contract: DetectorContract, settings: DetectorSettings, cost_s: float
    ) -> None:
        super().__init__(backend, contract, settings)
        self._cost_s = cost_s

    def detect(self, frames: Sequence[Frame]) -> list[list[Detection]]:
        """Return the plates of each frame, `cost_s` per frame later."""
        until_s = time.monotonic() + self._cost_s * len(frames)
        plates = super().detect(frames)
        time.sleep(max(0.0, until_s - time.monotonic()))
        return plates


class Ages(FrameAges):
    """Collects how old frames and events are when their flow is through."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[float] = []

    def event(self, event: Event) -> None:
        """Note the age of the plate's last detection; a `final` comes late on purpose and does not count."""
        if event.kind is not EventKind.FINAL:
            with self.lock:
                self.events.append(time.time() - event.last_seen.utc_s)

    def clear(self) -> None:
        """Forget what was noted while all starts."""
        super().clear()
        with self.lock:
            self.events.clear()


def measure(load: float, cameras: int, fps: float, seconds: float, folder: Path) -> str:
    """Run one load and return its row."""
    settings = _settings(folder, cameras, fps)
    pictures = [scene(index) for index in range(0, 130, 4)] + [scene(None)] * 12
    ages = Ages()
    with MjpegServer(pictures, fps) as server, load_networks(settings) as networks:
        cost_s = load * networks.detector.streams / (cameras * fps)
        slow = replace(networks, detector=_slowed(networks, settings, cost_s))
        with Pipeline(settings, slow, ages.event) as pipeline:
            for name, camera in settings.cameras.items():
                url = server.url(name)
                pipeline.start(name, camera.model_copy(update={"url": url}), ages.frame)
            time.sleep(WARM_UP_S)
            ages.clear()
            time.sleep(seconds)
            row = _row(load, ages, cameras * fps, seconds)
    return row


def _slowed(networks: Networks, settings: Settings, cost_s: float) -> YoloDetector:
    loaded = networks.loaded[0]
    contract = loaded.model.contract
    assert isinstance(contract, DetectorContract)
    return CostlyDetector(loaded.backend, contract, settings.detector, cost_s)


def _settings(folder: Path, cameras: int, fps: float) -> Settings:
    urls = "\n".join(f"  cam{number}: {{url: 'http://unused'}}" for number in range(cameras))
    text = (
        f"{write_networks(folder).read_text()}\nbatch: {{frames: {BATCH}}}\n"
        f"flow: {{detect_rate_hz: {fps}}}\ntracking: {{visits: {{revisit_s: 0}}}}\ncameras:\n{urls}\n"
    )
    return parse_settings(text, "load", {})


def _row(load: float, ages: Ages, offered: float, seconds: float) -> str:
    p50, p95 = (_quantile(ages.frames, share) for share in (0.5, 0.95))
    served = f"{min(ages.looks.values())} to {max(ages.looks.values())}" if ages.looks else "none"
    rate, event = len(ages.frames) / seconds, _quantile(ages.events, 0.95)
    return f"| {load:g} | {offered:.0f} | {rate:.1f} | {p50} | {p95} | {event} | {served} |"


def _quantile(ages_s: list[float], share: float) -> str:
    return f"{np.quantile(ages_s, share):.2f} s" if ages_s else "-"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; 0, or 2 after one line on what is wrong."""
    parser = ToolParser("python -m tools.load", __doc__)
    parser.add_argument("--cameras", type=whole(1), default=8)
    parser.add_argument("--fps", type=positive, default=5.0)
    parser.add_argument("--seconds", type=positive, default=30.0)
    parser.add_argument("--loads", type=real(), nargs="+", default=[0.5, 1.0, 2.0, 4.0])
    options = parser.parse_args(arguments)
    return exit_code("load", lambda: run(options))


def run(options: argparse.Namespace) -> None:
    """Measure what `options` ask for and print a row for each load."""
    sys.stdout.write(f"| {' | '.join(COLUMNS)} |\n|--:|--:|--:|--:|--:|--:|---|\n")
    for load in options.loads:
        with tempfile.TemporaryDirectory() as folder:
            row = measure(load, options.cameras, options.fps, options.seconds, Path(folder))
        sys.stdout.write(f"{row}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
