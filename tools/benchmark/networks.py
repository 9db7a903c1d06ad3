"""Time of each network on each engine, and its share of what the machine can do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from anpr_stream.config.models import InferenceSettings
from anpr_stream.errors import AnprError
from anpr_stream.inference import openvino
from anpr_stream.inference.models import ModelFile
from anpr_stream.inference.select import load_network
from anpr_stream.vision.contract import DetectorContract
from tools.benchmark.machine import ENGINES, Rate
from tools.benchmark.timing import Timing, timed
from tools.benchmark.work import count_flop

DETECTOR_SIZES = ((640, 384), (384, 224), (256, 160))
"""Inputs (width, height) of a detector: for 16:9 pictures."""
BATCHES = (1, 4)
"""Crops or characters at once."""


@dataclass(frozen=True)
class NetworkTiming:
    """One network on one engine.

    Attributes:
        network: its name.
        shape: of the input, (N, 3, H, W).
        engine: `onnxruntime` or `openvino`.
        precision: of the arithmetic.
        threads: on the processor.
        timing: of a run of the whole batch.
        gflop: thousand million operations of a run.
        share: of the machine's rate at this precision; None where it was not measured.
    """

    network: str
    shape: tuple[int, ...]
    engine: str
    precision: str
    threads: int
    timing: Timing
    gflop: float
    share: float | None


def network_timings(
    file: ModelFile, threads: Sequence[int], rates: Sequence[Rate], budget_s: float
) -> Iterator[NetworkTiming]:
    """Time a network at its sizes, with every precision and engine that runs it."""
    paths = {"fp32": file.path, "bf16": file.path if has_bf16() else None, "int8": file.int8_path}
    for shape in shapes_of(file):
        gflop = count_flop(file.path, shape) / 1e9
        for precision, path in paths.items():
            for count in threads:
                best = {(rate.precision, rate.threads): rate.gflops for rate in rates}.get((precision, count))
                for engine in _engines(precision) if path else ():
                    timing = time_network(path or file.path, engine, precision, count, shape, budget_s)
                    if timing is not None:
                        share = gflop / timing.best_ms * 1000 / best if best else None
                        yield NetworkTiming(file.name, shape, engine, precision, count, timing, gflop, share)


def has_bf16() -> bool:
    """Tell whether the processor multiplies bfloat16."""
    return "BF16" in openvino.capabilities()


def _engines(precision: str) -> Iterable[str]:
    """Engines with that arithmetic on the processor."""
    return ("openvino",) if precision == "bf16" else ENGINES


def default_timing(
    name: str, budget_s: float, pictures: int = 1, size: tuple[int, int] | None = None
) -> Timing:
    """Time a batch on the engine that would be chosen, on one thread; `size` is (width, height).

    Raises:
        ModelError: it is not shipped.
        BackendError: no engine runs it.
    """
    loaded = load_network(name, InferenceSettings(threads=1))
    width, height = size or (loaded.model.contract.width, loaded.model.contract.height)
    shape = (pictures, 3, height, width)
    images = np.random.default_rng(0).random(shape, np.float32)
    timing = timed(lambda: loaded.backend.run(images), budget_s)
    loaded.backend.close()
    return timing


def shapes_of(file: ModelFile) -> list[tuple[int, ...]]:
    """Inputs at which a network is timed."""
    contract = file.contract
    if isinstance(contract, DetectorContract):
        return [(1, 3, height, width) for width, height in DETECTOR_SIZES]
    return [(batch, 3, contract.height, contract.width) for batch in BATCHES]


def time_network(
    path: Path, engine: str, precision: str, threads: int, shape: tuple[int, ...], budget_s: float
) -> Timing | None:
    """Time one network on one engine; None if the engine refuses it."""
    images = np.random.default_rng(0).random(shape, np.float32)
    try:
        backend = ENGINES[engine](path, precision, threads)
        timing = timed(lambda: backend.run(images), budget_s)
        backend.close()
    except AnprError:
        return None
    return timing
