"""How fast: per network, size and batch; and detector with reader over many streams."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from anpr_stream.inference.select import LoadedNetwork
from anpr_stream.interfaces import Backend, FrameBackend, PlateDetector, PlateReader
from anpr_stream.perception.detector import YoloDetector
from anpr_stream.perception.reader import CtcReader
from anpr_stream.types import Crop, Detection, FloatArray, Frame, Placement
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
        pictures_s: pictures a second, likewise.
        gpu_ms: milliseconds of the network alone, None where the engine gives no time without copies.
        gflop: operations of a batch, in thousand million.
        share: of the chip's peak that the network alone reaches, with its copies where `gpu_ms` is None;
            None without a peak.
    """

    network: str
    batch: int
    batch_ms: float
    pictures_s: float
    gpu_ms: float | None = None
    gflop: float | None = None
    share: float | None = None

    def __str__(self) -> str:
        told = f"{self.batch_ms:.2f} ms, {self.pictures_s:.0f} pictures/s"
        if self.gpu_ms is not None:
            told += f"; alone {self.gpu_ms:.3f} ms"
        if self.share is not None:
            told += f", {100 * self.share:.1f} % of the peak"
        return told


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


def network_speed(
    network: LoadedNetwork,
    batch: int,
    seconds: float,
    gflop: float | None = None,
    gpu_ms: float | None = None,
    peak_tflops: float | None = None,
) -> NetworkSpeed:
    """Time a network with random pictures.

    Args:
        network: what to time.
        batch: pictures at once.
        seconds: for how long.
        gflop: operations of one picture, in thousand million.
        gpu_ms: milliseconds of the batch without copies.
        peak_tflops: what the chip reaches, in million million operations a second.
    """
    contract = network.model.contract
    images = np.random.default_rng(0).random((batch, 3, contract.height, contract.width), np.float32)
    batch_ms = 1000 * per_call_s(lambda: network.backend.run(images), seconds)
    work = None if gflop is None else gflop * batch
    share = None if work is None or peak_tflops is None else work / (gpu_ms or batch_ms) / peak_tflops
    name = f"{network.model.name} {network.backend.description}"
    return NetworkSpeed(name, batch, batch_ms, 1000 * batch / batch_ms, gpu_ms, work, share)


def memory_streams(
    detector: PlateDetector, reader: PlateReader, frames: Sequence[Frame], streams: int, seconds: float
) -> StreamSpeed:
    """Measure frames a second with frames that lie in memory, as many new ones each round as streams."""
    rounds = 0
    reads_due = 0.0
    crops: list[Crop] = []
    start_s = time.perf_counter()
    while (elapsed_s := time.perf_counter() - start_s) < seconds or not rounds:
        batch = [fresh(frames[(rounds * streams + index) % len(frames)]) for index in range(streams)]
        plates = detector.detect(batch)
        crops += first_crops(batch, plates)
        reads_due += READS_PER_FRAME * streams
        if reads_due >= 1 and crops:
            reader.read(crops[: int(reads_due)])
            reads_due %= 1
        crops.clear()
        rounds += 1
    return StreamSpeed(streams, "memory", rounds * streams / elapsed_s)


def fresh(frame: Frame) -> Frame:
    """Return the frame as a camera would bring it: one that no GPU has seen."""
    return replace(frame, planes=replace(frame.planes))


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
        self.description, self.streams = "no-op", backend.streams
        self._backend = backend
        self._answers: dict[tuple[int, ...], dict[str, FloatArray]] = {}

    def _first(
        self, shape: tuple[int, ...], ask: Callable[[], dict[str, FloatArray]]
    ) -> dict[str, FloatArray]:
        if shape not in self._answers:
            self._answers[shape] = ask()
        return self._answers[shape]

    def run(self, images: FloatArray) -> dict[str, FloatArray]:
        """Return the answer to the first pictures of this shape."""
        return self._first(images.shape, lambda: self._backend.run(images))

    def close(self) -> None:
        """Leave the real backend to its owner."""


class NoOpFrames(NoOp):
    """The same for a backend that takes frames: nothing is cut out on the processor either."""

    def __init__(self, backend: FrameBackend) -> None:
        super().__init__(backend)
        self._frames = backend

    def run_frames(
        self, frames: Sequence[Frame], placements: Sequence[Placement], size: tuple[int, int]
    ) -> dict[str, FloatArray]:
        """Return the answer to the first so many frames at this size."""
        return self._first((len(frames), *size), lambda: self._frames.run_frames(frames, placements, size))

    def run_quads(
        self, frames: Sequence[Frame], quads: FloatArray, size: tuple[int, int]
    ) -> dict[str, FloatArray]:
        """Return the answer to the first so many plates at this size."""
        return self._first((len(frames), *size), lambda: self._frames.run_quads(frames, quads, size))


def no_op(backend: Backend) -> Backend:
    """Return what stands in for a backend and costs nothing."""
    return NoOpFrames(backend) if isinstance(backend, FrameBackend) else NoOp(backend)


def no_op_streams(
    pair: Sequence[LoadedNetwork], frames: Sequence[Frame], seconds: float, streams: int = 16
) -> StreamSpeed:
    """Measure `memory_streams` with networks that cost nothing."""
    finds, reads = pair[0].model.contract, pair[1].model.contract
    assert isinstance(finds, DetectorContract)
    assert isinstance(reads, ReaderContract)
    detector = YoloDetector(no_op(pair[0].backend), finds)
    reader = CtcReader(no_op(pair[1].backend), reads)
    measured = memory_streams(detector, reader, frames, streams, seconds)
    return replace(measured, source="memory, networks replaced by a no-op")
