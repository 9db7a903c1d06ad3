"""Networks opened on a GPU's engines: as the program uses them, and bare, to be timed without copies."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from anpr_stream.config.models import Precision
from anpr_stream.inference import golden
from anpr_stream.inference.batches import Engine
from anpr_stream.inference.device import Device
from anpr_stream.inference.frame_store import FrameStore
from anpr_stream.inference.gpu_backend import GpuBackend
from anpr_stream.inference.gpu_group import GpuGroup
from anpr_stream.inference.gru import GruForm, with_gru
from anpr_stream.inference.models import ModelFile
from anpr_stream.inference.onnx import OnnxBackend
from anpr_stream.inference.select import LoadedNetwork
from anpr_stream.inference.tensorrt import FRAMES_PER_BATCH, PlanMaker
from anpr_stream.inference.tensorrt_api import find_tensorrt
from anpr_stream.inference.tensorrt_build import Progress
from anpr_stream.interfaces import Backend

PRECISIONS: dict[str, tuple[Precision, ...]] = {
    "tensorrt": ("fp16", "fp32", "int8"),
    "torch": ("fp16", "fp32"),
    "cuda": ("fp32",),
}
"""Engines in the order of their worth: TensorRT, PyTorch in its place, CUDA through ONNX Runtime."""
MAX_BATCH = 64

MakeEngine = Callable[[tuple[int, int]], Engine]
"""Loads a network at an input of (height, width)."""


@dataclass(frozen=True)
class Job:
    """What to open.

    Attributes:
        engine: `tensorrt`, `torch` or `cuda`.
        precision: of the arithmetic.
        device: the GPU.
        gru: the form of a reader's GRU.
        max_batch: largest batch.
        progress: told of the steps of a build; may stop it.
    """

    engine: str
    precision: Precision
    device: Device | None
    gru: GruForm = "native"
    max_batch: int = MAX_BATCH
    progress: Progress | None = None

    def __str__(self) -> str:
        return f"{self.engine} {self.precision}"

    def maker(self, file: ModelFile) -> MakeEngine | None:
        """Return what loads a network as a bare engine; None for `cuda`, which has none."""
        makers = {"tensorrt": self._tensorrt, "torch": self._torch}
        return cache(makers[self.engine](file)) if self.engine in makers else None

    def _tensorrt(self, file: ModelFile) -> MakeEngine:
        assert self.device is not None
        device, found = self.device, find_tensorrt()
        plans = PlanMaker(found, file, self.precision, self.max_batch, progress=self.progress, gru=self.gru)

        def make(size: tuple[int, int]) -> Engine:
            with device.current():
                return plans.engine(size, device.info)

        return make

    def _torch(self, file: ModelFile) -> MakeEngine:
        from tools.gpu.torch_engine import TorchEngine

        network = with_gru(file.path.read_bytes(), self.gru)
        return lambda size: TorchEngine(network, size, self.precision, self.max_batch)


@dataclass(frozen=True)
class Opened:
    """A network on a GPU.

    Attributes:
        loaded: as detector and reader take it.
        engine: the same network bare, at the size of its contract; None where there is none.
    """

    loaded: LoadedNetwork
    engine: Engine | None


def open_network(job: Job, file: ModelFile, store: FrameStore | None) -> Opened:
    """Open a network and hold it against its golden sample.

    Raises:
        AnprError: it cannot be opened, or answers something else.
    """
    make = job.maker(file)
    engine = None if make is None else make((file.contract.height, file.contract.width))
    backend = _through_onnxruntime(job, file) if make is None else _through_ours(job, make, store)
    golden.check(backend, file.golden(), job.precision, file.contract)
    return Opened(LoadedNetwork(backend, file, job.engine, job.precision, "asked for"), engine)


def open_store(device: Device) -> FrameStore:
    """Make room for the frames of the largest batches."""
    return FrameStore(device, FRAMES_PER_BATCH * MAX_BATCH)


def _through_ours(job: Job, make: MakeEngine, store: FrameStore | None) -> Backend:
    assert job.device is not None
    assert store is not None
    device, frames = job.device, store

    def member(_: int, size: tuple[int, int]) -> GpuBackend:
        return GpuBackend(make(size), device, frames)

    return GpuGroup(member, 1, f"{job.engine} {job.precision} {device.info.name}")


def _through_onnxruntime(job: Job, file: ModelFile) -> Backend:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / file.path.name
        path.write_bytes(with_gru(file.path.read_bytes(), job.gru))
        return OnnxBackend(path, job.precision, 1, "cuda")


def close_all(opened: Sequence[Opened]) -> None:
    """Free networks."""
    for one in opened:
        one.loaded.backend.close()
