"""The TensorRT way: plans built where they are needed, cached, run on one or several GPUs."""

from __future__ import annotations

import atexit
import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from anpr_stream.config.models import InferenceSettings
from anpr_stream.errors import BackendError
from anpr_stream.inference.cuda import CudaDevice, count_devices
from anpr_stream.inference.device import Device, DeviceInfo
from anpr_stream.inference.frame_store import FrameStore
from anpr_stream.inference.gpu_backend import GpuBackend
from anpr_stream.inference.gpu_group import GpuGroup
from anpr_stream.inference.gru import GruForm, with_gru
from anpr_stream.inference.models import ModelFile
from anpr_stream.inference.precision import to_half
from anpr_stream.inference.tensorrt_api import TensorRT, find_tensorrt
from anpr_stream.inference.tensorrt_build import Built, Profile, Progress, build_plan
from anpr_stream.inference.tensorrt_cache import PlanCache, PlanKey
from anpr_stream.inference.tensorrt_engine import TensorRTEngine
from anpr_stream.interfaces import FrameBackend

LOG = logging.getLogger(__name__)
FRAMES_PER_BATCH = 4
"""Frames kept on a GPU per picture of the largest batch: two batches in flight, two being read."""
GRU_FORM: GruForm = "native"
"""The form of the reader's GRU. The operator stays until `tools/gpu_check.py` has named a faster form
on a real GPU: none has been measured, and the operator builds in the shortest time."""


@dataclass(frozen=True)
class Gpu:
    """A GPU and the frames that lie on it, shared by all networks."""

    device: Device
    store: FrameStore


@cache
def open_gpu(index: int, frames: int) -> Gpu:
    """Open a GPU once for the whole process.

    Raises:
        BackendError: pycuda, the driver or that GPU is missing.
    """
    device = CudaDevice(index)
    return Gpu(device, FrameStore(device, frames))


atexit.register(open_gpu.cache_clear)


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan, what it accepts, where the cache keeps it, and whether it was there."""

    data: bytes
    profile: Profile
    path: Path
    is_old: bool


@dataclass(frozen=True)
class PlanMaker:
    """Makes the plans of one network: for this machine's GPU, or ahead of time for another.

    Attributes:
        tensorrt: what builds.
        file: the network.
        precision: `fp32`, `fp16` or `int8`.
        max_batch: largest batch.
        cache: where plans are kept.
        progress: told of the build's steps.
        gru: the form of a reader's GRU.
    """

    tensorrt: TensorRT
    file: ModelFile
    precision: str
    max_batch: int
    cache: PlanCache = field(default_factory=PlanCache)
    progress: Progress | None = None
    gru: GruForm = GRU_FORM

    def engine(self, size: tuple[int, int], gpu: DeviceInfo) -> TensorRTEngine:
        """Return the network ready to run at an input of `size` (height, width) on a GPU, which is current.

        A plan out of the cache may be refused, though it bears the right version: one made for another CUDA.

        Raises:
            BackendError: it cannot be built or does not run; the line says why.
        """
        plan = self.plan(size, gpu)
        try:
            return TensorRTEngine(self.tensorrt, plan.data, plan.profile)
        except BackendError as error:
            if not plan.is_old or error.reason_slug != "tensorrt-plan":
                raise
            refusal = error.message
        plan = self.plan(size, gpu, refusal)
        return TensorRTEngine(self.tensorrt, plan.data, plan.profile)

    def plan(self, size: tuple[int, int], gpu: DeviceInfo | str, refusal: str = "") -> Plan:
        """Return the plan for an input of `size` (height, width), from the cache or built now.

        Args:
            size: of the input.
            gpu: this machine's, which is current, or a generation (`SM86`) to build for ahead of time.
            refusal: why the plan in the cache is of no use.

        Raises:
            BackendError: it cannot be built; the line says why.
        """
        profile = Profile(*size, self.max_batch)
        onnx = network_bytes(self.file, self.precision, self.gru)
        target = self._target(gpu)
        key = self._key(onnx, profile, gpu if target is None else target)
        is_old = True

        def build() -> bytes:
            nonlocal is_old
            is_old = False
            return self._build(key, onnx, profile, target)

        data = self.cache.get(key, build, refusal)
        return Plan(data, profile, self.cache.folder / key.file_name, is_old)

    def _target(self, gpu: DeviceInfo | str) -> str | None:
        """Name the generation to build for; None builds for the very GPU.

        TensorRT for RTX builds for a generation, so that a plan made ahead is the one that a start finds.
        """
        if isinstance(gpu, str):
            return gpu
        return f"SM{gpu.compute_capability.replace('.', '')}" if self.tensorrt.ahead_of_time else None

    def _build(self, key: PlanKey, onnx: bytes, profile: Profile, target: str | None) -> bytes:
        timings = self.cache.timings(key)
        built: Built = build_plan(self.tensorrt, onnx, profile, timings, target, self.progress)
        if built.timings:
            self.cache.keep_timings(key, built.timings)
        return built.plan

    def _key(self, onnx: bytes, profile: Profile, gpu: DeviceInfo | str) -> PlanKey:
        names = (gpu, gpu) if isinstance(gpu, str) else (gpu.name, gpu.compute_capability)
        return PlanKey(
            network=self.file.name,
            model_sha256=hashlib.sha256(onnx).hexdigest(),
            tensorrt=self.tensorrt.text,
            gpu=names[0],
            compute_capability=names[1],
            precision=self.precision,
            profile=f"1..{'x'.join(map(str, profile.shape(profile.max_batch)))}",
        )


def network_bytes(file: ModelFile, precision: str, gru: GruForm = GRU_FORM) -> bytes:
    """Return the ONNX bytes of a network in a precision, its GRU in a form.

    Raises:
        BackendError: there is no such file, precision or form.
    """
    if precision == "fp32":
        return with_gru(file.path.read_bytes(), gru)
    if precision == "fp16":
        return to_half(with_gru(file.path.read_bytes(), gru))
    if precision == "int8" and file.int8_path is not None:
        return with_gru(file.int8_path.read_bytes(), gru)
    missing = "no .int8.onnx beside it" if precision == "int8" else "TensorRT runs fp32, fp16 and int8"
    raise BackendError(f"{file.name} cannot run in {precision}: {missing}", slug="precision")


def load(
    file: ModelFile,
    settings: InferenceSettings,
    gru: GruForm = GRU_FORM,
    progress: Progress | None = None,
) -> FrameBackend:
    """Load a network on the GPUs of this machine; the plan of its own input size is made now.

    Other input sizes are built when the first frame of that size comes.

    Args:
        file: the network.
        settings: GPUs, precision and largest batch.
        gru: the form of a reader's GRU.
        progress: told of the steps of every build.

    Raises:
        BackendError: TensorRT, pycuda, the driver or a GPU is missing, or the build failed.
    """
    tensorrt = find_tensorrt()
    gpus = [open_gpu(index, FRAMES_PER_BATCH * settings.max_batch) for index in chosen(settings.gpus)]
    precision = "fp16" if settings.precision == "auto" else settings.precision
    maker = PlanMaker(tensorrt, file, precision, settings.max_batch, progress=progress, gru=gru)

    def member(place: int, size: tuple[int, int]) -> GpuBackend:
        gpu = gpus[place]
        with gpu.device.current():
            return GpuBackend(maker.engine(size, gpu.device.info), gpu.device, gpu.store)

    names = " + ".join(gpu.device.info.name for gpu in gpus)
    group = GpuGroup(member, len(gpus), f"{tensorrt.text} {precision} {names}")
    group.prepare((file.contract.height, file.contract.width))
    return group


def chosen(wanted: Sequence[int]) -> list[int]:
    """Return the GPUs to use: those that are set, else all.

    Raises:
        BackendError: there is no GPU.
    """
    return list(wanted) or list(range(count_devices()))


def build_ahead(
    file: ModelFile,
    precision: str,
    max_batch: int,
    target: str | None,
    size: tuple[int, int],
    folder: Path | None = None,
    progress: Progress | None = None,
) -> Path:
    """Build one network's plan into the cache and return its file: the work of `anpr-stream build`.

    Args:
        file: the network.
        precision: `fp32`, `fp16` or `int8`.
        max_batch: largest batch.
        target: a generation of GPUs (`SM86`) for TensorRT for RTX, None for this machine's GPU.
        size: (height, width) of the input.
        folder: the cache, None for the user's.
        progress: told of the build's steps.

    Raises:
        BackendError: something is missing, or the build failed.
    """
    tensorrt = find_tensorrt() if target is None else find_tensorrt(("tensorrt_rtx",))
    maker = PlanMaker(tensorrt, file, precision, max_batch, PlanCache(folder), progress)
    if target is not None:
        return maker.plan(size, target).path
    device = open_gpu(chosen(())[0], FRAMES_PER_BATCH * max_batch).device
    with device.current():
        return maker.plan(size, device.info).path
