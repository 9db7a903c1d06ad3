"""All ways to run a network that this machine offers, and why the others are none."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from anpr_stream.config.models import InferenceSettings
from anpr_stream.errors import BackendError
from anpr_stream.inference import processor
from anpr_stream.inference.choices import Rejection
from anpr_stream.inference.models import ModelFile
from anpr_stream.interfaces import Backend

TIERS = {"tensorrt": 0, "cuda": 1, "int8": 2, "bf16": 3, "fp16": 3, "fp32": 4}
"""GPU engines go first, then the processor's arithmetic from the cheapest on."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way to run a network: ways of equal tier compete, lower tiers go first.

    Attributes:
        engine: `tensorrt`, `cuda`, `openvino` or `onnxruntime`.
        precision: `fp32`, `fp16`, `bf16` or `int8`.
        tier: see `TIERS`.
        load: starts the engine.
    """

    engine: str
    precision: str
    tier: int
    load: Callable[[], Backend]

    def __str__(self) -> str:
        return f"{self.engine} {self.precision}"


def ways(file: ModelFile, settings: InferenceSettings) -> tuple[list[Way], list[Rejection]]:
    """List what the settings allow and the machine offers."""
    found: list[Way] = []
    rejections: list[Rejection] = []
    for engine, offer in _ENGINES.items():
        if settings.backend in ("auto", engine):
            try:
                found += offer(file, settings, rejections)
            except BackendError as error:
                rejections.append(Rejection(engine, error.reason_slug, error.message))
    return found, rejections


def _tensorrt(file: ModelFile, settings: InferenceSettings, _: list[Rejection]) -> list[Way]:
    try:
        engine = import_module("anpr_stream.inference.tensorrt")
    except ImportError as error:
        raise BackendError(
            f"TensorRT is not installed ({error}): pip install anpr_stream[tensorrt]", "tensorrt-missing"
        ) from error
    precision = "fp16" if settings.precision == "auto" else settings.precision
    return [Way("tensorrt", precision, TIERS["tensorrt"], lambda: engine.load(file, settings))]


def _cuda(file: ModelFile, settings: InferenceSettings, _: list[Rejection]) -> list[Way]:
    from anpr_stream.inference import onnx

    if not onnx.has_cuda():
        raise BackendError(
            "this ONNX Runtime has no CUDA: pip install onnxruntime-gpu instead of onnxruntime",
            "cuda-missing",
        )
    if settings.precision not in ("auto", "fp32"):
        raise BackendError(f"CUDA through ONNX Runtime runs fp32, not {settings.precision}", "precision")
    gpu = settings.gpus[0] if settings.gpus else 0
    return [Way("cuda", "fp32", TIERS["cuda"], lambda: onnx.OnnxBackend(file.path, "fp32", 1, "cuda", gpu))]


def _openvino(file: ModelFile, settings: InferenceSettings, rejections: list[Rejection]) -> list[Way]:
    try:
        from anpr_stream.inference import openvino
    except ImportError as error:
        raise BackendError(
            f"OpenVINO is not installed ({error}): pip install openvino", "openvino-missing"
        ) from error

    def way(precision: str) -> Way:
        path = _path(file, precision)
        return Way(
            "openvino",
            precision,
            TIERS[precision],
            lambda: openvino.OpenVinoBackend(path, precision, threads(settings), streams(settings)),
        )

    native = {"bf16": "BF16", "fp16": "FP16"}
    able = openvino.capabilities()
    offered = [precision for precision in native if native[precision] in able] + ["fp32"]
    return [way(precision) for precision in _precisions("openvino", file, settings, offered, rejections)]


def _onnxruntime(file: ModelFile, settings: InferenceSettings, rejections: list[Rejection]) -> list[Way]:
    from anpr_stream.inference import onnx

    def way(precision: str) -> Way:
        path = _path(file, precision)
        return Way(
            "onnxruntime",
            precision,
            TIERS[precision],
            lambda: onnx.OnnxBackend(path, precision, threads(settings), streams=streams(settings)),
        )

    return [way(precision) for precision in _precisions("onnxruntime", file, settings, ["fp32"], rejections)]


_ENGINES = {"tensorrt": _tensorrt, "cuda": _cuda, "openvino": _openvino, "onnxruntime": _onnxruntime}


def threads(settings: InferenceSettings) -> int:
    """Threads of one run: as set, else one per two usable cores."""
    return settings.threads or max(1, processor.usable_cores() // 2)


def streams(settings: InferenceSettings) -> int:
    """Runs side by side: as many as the usable cores have room for."""
    return max(1, processor.usable_cores() // threads(settings))


def _path(file: ModelFile, precision: str) -> Path:
    return file.int8_path or file.path if precision == "int8" else file.path


def _precisions(
    engine: str,
    file: ModelFile,
    settings: InferenceSettings,
    native: Iterable[str],
    rejections: list[Rejection],
) -> list[str]:
    """Return the precisions to try on a CPU engine; append why not to `rejections`."""
    wanted = settings.precision
    offered = list(native)
    if file.int8_path is None:
        reason = f"no {file.path.stem}.int8.onnx beside the network"
    elif wanted != "int8" and not processor.int8_reason(engine):
        reason = f"{engine} is no faster in INT8 on this processor"
    else:
        reason, offered = "", ["int8", *offered]
    if reason and wanted in ("auto", "int8"):
        rejections.append(Rejection(f"{engine} int8", "int8-unavailable", reason))
    if wanted == "auto":
        return offered
    if wanted not in offered and wanted != "int8":
        reason = f"{engine} on this processor offers {', '.join(offered)}"
        rejections.append(Rejection(f"{engine} {wanted}", "precision", reason))
    return [wanted] if wanted in offered else []
