"""Far more than the networks can do: the test itself lets batches through, one by one."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from anpr_stream.config.load import parse_settings
from anpr_stream.metrics import FRAMES_DROPPED
from anpr_stream.pipeline.networks import load_networks
from anpr_stream.pipeline.supervisor import Pipeline
from anpr_stream.types import Detection, Frame
from tests.mjpeg import MjpegServer
from tests.stubs import scene, write_networks

CAMERAS = [f"busy{number}" for number in range(6)]
BATCH = 2
pytestmark = pytest.mark.timeout(180)


class GatedDetector:
    """A detector that answers a batch only when the test lets it; keeps what it was given."""

    def __init__(self, streams: int) -> None:
        self.streams = streams
        self.gate = threading.Semaphore(0)
        self.given: list[list[tuple[str, int]]] = []
        self._changed = threading.Condition()

    def detect(self, frames: Sequence[Frame]) -> list[list[Detection]]:
        with self._changed:
            self.given.append([(frame.camera, frame.index) for frame in frames])
            self._changed.notify_all()
        self.gate.acquire()
        return [[] for _ in frames]

    def wait_for(self, batches: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.given) >= batches, 120), self.given


def newer_frames(server: MjpegServer, count: int) -> None:
    """Wait until every camera has sent so many more pictures: more than the networks can take."""
    aims = {name: server.sent[name] + count for name in CAMERAS}
    with server.progress:
        assert server.progress.wait_for(lambda: all(server.sent[n] >= aims[n] for n in CAMERAS), 120)


@pytest.mark.parametrize("streams", [1, 2])
def test_overload_drops_frames_evenly_and_what_is_looked_at_is_the_newest(
    streams: int, tmp_path: Path
) -> None:
    cameras = "\n".join(f"  {name}: {{url: 'http://unused'}}" for name in CAMERAS)
    settings = parse_settings(
        f"{write_networks(tmp_path).read_text()}\nbatch: {{frames: {BATCH}, deadline_ms: 0}}\n"
        f"flow: {{detect_rate_hz: 1000}}\ncameras:\n{cameras}\n",
        "test",
        {},
    )
    detector = GatedDetector(streams)
    with MjpegServer([scene(None)], 20.0) as server, load_networks(settings) as networks:
        gated = replace(networks, detector=detector)
        with Pipeline(settings, gated, lambda event: None) as pipeline:
            for name, camera in settings.cameras.items():
                pipeline.start(name, camera.model_copy(update={"url": server.url(name)}))
            for batch in range(30):
                detector.wait_for(batch + 1)
                if batch >= 6:  # all cameras have come by then
                    newer_frames(server, 2)
                detector.gate.release()
            given = [pair for batch in detector.given[6:] for pair in batch]
            detector.gate.release(1000)
    served = Counter(camera for camera, _ in given)
    assert set(served) == set(CAMERAS)
    assert max(served.values()) - min(served.values()) <= 2
    for name in CAMERAS:
        indices = [index for camera, index in given if camera == name]
        assert all(earlier < later for earlier, later in pairwise(indices))
        assert indices[-1] - indices[0] > len(indices)
        assert FRAMES_DROPPED.labels(name, "newer_frame")._value.get() > 0
