"""How fast: per network, size and batch; and detector with reader over many streams."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from anpr_stream.inference.select import LoadedNetwork
from anpr_stream.interfaces import Backend, PlateDetector, PlateReader
from anpr_stream.perception.detector import YoloDetector
from anpr_stream.perception.reader import CtcReader
from anpr_stream.types import Crop, Detection, FloatArray, Frame
from anpr_stream.vision.contract import DetectorContract, ReaderContract
from anpr_stream.vision.crops import cut_crop

BATCHES = (1, 2, 4, 8, 16, 32, 64)
STREAMS = (1, 4, 16, 64)
READS_PER_FRAME = 0.25
"""Crops read per frame: two vehicles in view, each read about four times a second at 30 frames/s."""


@dataclass(frozen=True, slots=True)
class NetworkSpeed:
    """One network at one batch size.

    Attributes:
        network: name and engine.
        batch: pictures at once.
        batch_ms: milliseconds a batch, copies included.
        pictures_s: pictures a second.
    """

    network: str
    batch: int
    batch_ms: float
    pictures_s: float


@dataclass(frozen=True, slots=True)
class StreamSpeed:
    """Detector and reader over a number of streams.

    Attributes:
        streams: number of cameras.
        source: where frames came from.
        frames_s: frames a second over all of them.
    """

    streams: int
    source: str
    frames_s: float


def network_speeds(network: LoadedNetwork, seconds: float) -> list[NetworkSpeed]:
    """Time a network at each batch size with random pictures."""
    contract = network.model.contract
    rng = np.random.default_rng(0)
    name = f"{network.model.name} {network.backend.description}"
    speeds = []
    for batch in BATCHES:
        images = rng.random((batch, 3, contract.height, contract.width), np.float32)
        batch_ms = 1000 * per_call_s(lambda images=images: network.backend.run(images), seconds)  # type: ignore[misc]
        speeds.append(NetworkSpeed(name, batch, batch_ms, 1000 * batch / batch_ms))
    return speeds


def memory_streams(
    detector: PlateDetector, reader: PlateReader, frames: Sequence[Frame], streams: int, seconds: float
) -> StreamSpeed:
    """Measure frames a second with frames that lie in memory, as many new ones each round as streams."""
    rounds = 0
    reads_due = 0.0
    crops: list[Crop] = []
    start_s = time.perf_counter()
    while (elapsed_s := time.perf_counter() - start_s) < seconds or not rounds:
        batch = [frames[(rounds * streams + index) % len(frames)] for index in range(streams)]
        plates = detector.detect(batch)
        crops += first_crops(batch, plates)
        reads_due += READS_PER_FRAME * streams
        if reads_due >= 1 and crops:
            reader.read(crops[: int(reads_due)])
            reads_due %= 1
        crops.clear()
        rounds += 1
    return StreamSpeed(streams, "memory", rounds * streams / elapsed_s)


def first_crops(frames: Sequence[Frame], plates: Sequence[Sequence[Detection]]) -> list[Crop]:
    """Cut the best plate of each frame that has one."""
    return [cut_crop(frame, found[0]) for frame, found in zip(frames, plates, strict=True) if found]


def per_call_s(call: Callable[[], object], seconds: float) -> float:
    """Return seconds per call: the mean over at least `seconds`, after two calls to warm up."""
    call()
    call()
    calls = 0
    start_s = time.perf_counter()
    while (elapsed_s := time.perf_counter() - start_s) < seconds or not calls:
        call()
        calls += 1
    return elapsed_s / calls


class NoOp:
    """A backend that answers at once what it answered first: what is left is Python's own cost."""

    def __init__(self, backend: Backend) -> None:
        self.description = "no-op"
        self._backend = backend
        self._answers: dict[tuple[int, ...], dict[str, FloatArray]] = {}

    def run(self, images: FloatArray) -> dict[str, FloatArray]:
        """Return the answer to the first pictures of this shape."""
        if images.shape not in self._answers:
            self._answers[images.shape] = self._backend.run(images)
        return self._answers[images.shape]

    def close(self) -> None:
        """Leave the real backend to its owner."""


def no_op_streams(
    pair: Sequence[LoadedNetwork], frames: Sequence[Frame], seconds: float, streams: int = 16
) -> StreamSpeed:
    """Measure `memory_streams` with networks that cost nothing."""
    finds, reads = pair[0].model.contract, pair[1].model.contract
    assert isinstance(finds, DetectorContract)
    assert isinstance(reads, ReaderContract)
    detector = YoloDetector(NoOp(pair[0].backend), finds)
    reader = CtcReader(NoOp(pair[1].backend), reads)
    measured = memory_streams(detector, reader, frames, streams, seconds)
    return replace(measured, source="memory, networks replaced by a no-op")
