"""What a GPU check finds on this machine, before it starts: what runs, what is missing and why."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable
from dataclasses import dataclass, field

from anpr_stream.errors import AnprError
from anpr_stream.inference.cuda import CudaDevice, count_devices
from anpr_stream.inference.device import Device
from anpr_stream.inference.models import ModelFile, shipped_models
from anpr_stream.inference.onnx import has_cuda
from anpr_stream.inference.tensorrt_api import find_tensorrt

PACKAGES = (
    "tensorrt",
    "tensorrt_rtx",
    "pycuda",
    "onnxruntime",
    "onnxruntime-gpu",
    "numpy",
    "opencv-python-headless",
)


@dataclass
class Surroundings:
    """What was found.

    Attributes:
        device: the GPU through pycuda.
        engines: engines that run networks on the GPU: `tensorrt`, `cuda`.
        models: networks that ship.
        versions: of the packages that matter.
        missing: what cannot be measured, with the reason.
    """

    device: Device | None = None
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
    if _try(found, "GPU through pycuda", lambda: str(count_devices())):
        found.device = CudaDevice(0)
    if _try(found, "TensorRT", lambda: find_tensorrt().text) and found.device is not None:
        found.engines.append("tensorrt")
    if has_cuda():
        found.engines.append("cuda")
    else:
        found.missing["CUDA through ONNX Runtime"] = "this ONNX Runtime lists no CUDA provider"
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


def _try(found: Surroundings, name: str, ask: Callable[[], str]) -> bool:
    try:
        found.versions.setdefault(name, ask())
    except AnprError as error:
        found.missing[name] = str(error)
        return False
    return True
