"""What a GPU check finds on this machine, before it starts: what runs, what is missing and why."""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from anpr_stream.errors import AnprError, BackendError
from anpr_stream.inference.cuda import CudaDevice
from anpr_stream.inference.device import Device
from anpr_stream.inference.models import ModelFile, shipped_models
from anpr_stream.inference.onnx import has_cuda
from anpr_stream.inference.tensorrt_api import find_tensorrt
from tools.gpu.driver import Driver, DriverDevice

Result = TypeVar("Result")

PACKAGES = (
    "tensorrt",
    "tensorrt_rtx",
    "pycuda",
    "torch",
    "onnxruntime",
    "onnxruntime-gpu",
    "numpy",
    "opencv-python-headless",
)


@dataclass
class Surroundings:
    """What was found.

    Attributes:
        device: the GPU, through pycuda or, where that is missing, the driver's own library.
        device_through: which of the two.
        driver: the same GPU through the driver's library, which tells how full its memory is.
        engines: engines that run networks on the GPU: `tensorrt`, or `torch` in its place; `cuda`.
        models: networks that ship.
        versions: of the packages that matter.
        missing: what cannot be measured, with the reason.
    """

    device: Device | None = None
    device_through: str = ""
    driver: DriverDevice | None = None
    engines: list[str] = field(default_factory=list)
    models: list[ModelFile] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    @property
    def can_measure(self) -> bool:
        """Whether any network runs on a GPU."""
        return bool(self.engines)


def look_around() -> Surroundings:
    """Find the GPU, the engines and the networks; never raises for what is missing."""
    found = Surroundings(versions=package_versions())
    found.driver = _try(found, "GPU through its driver", lambda: DriverDevice(Driver()))
    found.device = _try(found, "GPU through pycuda", CudaDevice)
    found.device_through = "pycuda"
    has_pycuda = found.device is not None
    if found.device is None:
        found.device, found.device_through = found.driver, "the driver's library"
    if _try(found, "TensorRT", find_tensorrt) is not None and has_pycuda:
        found.engines.append("tensorrt")
    elif found.device is not None and _try(found, "PyTorch", find_torch) is not None:
        found.engines.append("torch")
    if not has_cuda():
        found.missing["CUDA through ONNX Runtime"] = "this ONNX Runtime lists no CUDA provider"
    elif found.device is not None:
        found.engines.append("cuda")
    for entry in shipped_models():
        if entry.model is not None:
            found.models.append(entry.model)
        else:
            found.missing[entry.path.name] = entry.fault
    return found


def package_versions() -> dict[str, str]:
    """Return the versions of the packages that are installed."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def find_torch() -> str:
    """Return the CUDA version of PyTorch.

    Raises:
        BackendError: it is missing, or sees no GPU.
    """
    try:
        torch: Any = importlib.import_module("torch")
    except (ImportError, OSError) as error:
        raise BackendError(f"PyTorch is not usable ({str(error).splitlines()[0]})") from error
    if not torch.cuda.is_available():
        raise BackendError(f"PyTorch {torch.__version__} sees no GPU")
    return str(torch.version.cuda)


def _try(found: Surroundings, name: str, ask: Callable[[], Result]) -> Result | None:
    try:
        return ask()
    except AnprError as error:
        found.missing[name] = error.message
        return None
