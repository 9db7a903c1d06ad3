"""Plans of networks as the program asks for them: precision, cache, targets, and a machine without a GPU."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from anpr_stream.config.models import InferenceSettings
from anpr_stream.errors import BackendError
from anpr_stream.inference import tensorrt
from anpr_stream.inference.device import DeviceInfo
from anpr_stream.inference.frame_store import FrameStore
from anpr_stream.inference.models import ModelFile, shipped_models
from anpr_stream.inference.tensorrt_api import find_tensorrt
from anpr_stream.inference.tensorrt_build import Profile
from anpr_stream.inference.tensorrt_engine import TensorRTEngine, TensorRTExecutor
from anpr_stream.vision.contract import DetectorContract
from tests.inference.gpu_helpers import copying_network
from tests.inference.host_device import HostDevice, HostEngine
from tests.inference.networks import TARGETS

needs_rtx = pytest.mark.skipif(importlib.util.find_spec("tensorrt_rtx") is None, reason="needs tensorrt_rtx")
MODELS = [entry.model for entry in shipped_models() if entry.model is not None]
PRECISIONS = [
    (model, precision)
    for model in MODELS
    for precision in ("fp32", "fp16", *(["int8"] if model.int8_path else []))
]


def usual_size(model: ModelFile) -> tuple[int, int]:
    return model.contract.height, model.contract.width


@needs_rtx
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(("model", "precision"), PRECISIONS, ids=lambda v: getattr(v, "name", v))
def test_every_shipped_network_builds_for_every_generation(
    model: ModelFile, precision: str, target: str, tmp_path: Path
) -> None:
    if target == "SM75" and precision != "fp16" and not isinstance(model.contract, DetectorContract):
        # TensorRT for RTX has no FP32 matrix product for Turing; TensorRT itself has.
        with pytest.raises(BackendError, match="FP32 GEMM is not supported"):
            tensorrt.build_ahead(model, precision, 16, target, usual_size(model), tmp_path)
        return
    path = tensorrt.build_ahead(model, precision, 16, target, usual_size(model), tmp_path)
    assert path.name.startswith(f"{model.name}-{precision}-")
    assert path.stat().st_size > 100_000


@needs_rtx
@pytest.mark.skipif(not MODELS, reason="no network ships yet")
def test_the_second_build_finds_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = min(MODELS, key=lambda model: model.path.stat().st_size)
    first = tensorrt.build_ahead(small, "fp16", 4, "SM86", usual_size(small), tmp_path)
    monkeypatch.setattr(tensorrt, "build_plan", None)
    assert tensorrt.build_ahead(small, "fp16", 4, "SM86", usual_size(small), tmp_path) == first
    with pytest.raises(TypeError):
        tensorrt.build_ahead(small, "fp16", 8, "SM86", usual_size(small), tmp_path)


@pytest.mark.parametrize(("package", "built"), [("tensorrt_rtx", ["SM86"]), ("tensorrt", ["SM86", None])])
def test_a_start_finds_what_was_built_ahead_for_its_generation(
    package: str, built: list[str | None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    targets = []

    def build(*given: object) -> tensorrt.Built:
        targets.append(given[4])
        return tensorrt.Built(b"plan", b"")

    monkeypatch.setattr(tensorrt, "build_plan", build)
    found = tensorrt.TensorRT(None, package, (1, 7))
    maker = tensorrt.PlanMaker(found, MODELS[0], "fp32", 4, tensorrt.PlanCache(tmp_path))
    maker.plan((64, 128), "SM86")
    maker.plan((64, 128), DeviceInfo(0, "RTX A4000", "8.6", "13.0", 1 << 34))
    assert targets == built


@pytest.mark.parametrize("taken", [b"new", b"none"])
def test_a_plan_that_tensorrt_refuses_is_built_again_once(
    taken: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans = iter([b"old", b"new"])

    def engine(_: object, plan: bytes, profile: object) -> bytes:
        if plan != taken:
            raise BackendError("made for another CUDA", slug="tensorrt-plan")
        return plan

    monkeypatch.setattr(tensorrt, "build_plan", lambda *_: tensorrt.Built(next(plans), b""))
    monkeypatch.setattr(tensorrt, "TensorRTEngine", engine)
    found = tensorrt.TensorRT(None, "tensorrt", (10, 7))
    gpu = DeviceInfo(0, "RTX A4000", "8.6", "13.0", 1 << 34)
    maker = tensorrt.PlanMaker(found, MODELS[0], "fp32", 4, tensorrt.PlanCache(tmp_path))
    maker.plan((64, 128), gpu)
    if taken == b"new":
        assert maker.engine((64, 128), gpu) == taken
        return
    with pytest.raises(BackendError, match="another CUDA"):
        maker.engine((64, 128), gpu)
    assert list(plans) == []


def test_each_gpu_builds_its_own_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    devices = [HostDevice(), HostDevice()]
    for index, device in enumerate(devices):
        device.info = replace(device.info, name=f"GPU of kind {index}")
    current = []

    def build(*_: object) -> tensorrt.Built:
        current.append([device.depth > 0 for device in devices])
        return tensorrt.Built(b"plan", b"")

    def open_gpu(index: int, frames: int) -> tensorrt.Gpu:
        return tensorrt.Gpu(devices[index], FrameStore(devices[index], frames))

    monkeypatch.setenv("ANPR_CACHE", str(tmp_path))
    monkeypatch.setattr(tensorrt, "find_tensorrt", lambda: tensorrt.TensorRT(None, "tensorrt", (10, 7)))
    monkeypatch.setattr(tensorrt, "open_gpu", open_gpu)
    monkeypatch.setattr(tensorrt, "build_plan", build)
    monkeypatch.setattr(tensorrt, "TensorRTEngine", lambda *_: HostEngine(copying_network(), 64, 128, 4))
    tensorrt.load(MODELS[0], InferenceSettings(gpus=(0, 1))).close()
    assert current == [[True, False], [False, True]]


def test_too_little_memory_for_a_batch_is_told() -> None:
    engine = SimpleNamespace(create_execution_context=lambda: None)
    with pytest.raises(BackendError, match="max_batch") as caught:
        TensorRTExecutor(engine, "images", Profile(8, 8, 1))
    assert caught.value.reason_slug == "gpu-memory"


@needs_rtx
def test_a_plan_that_is_none_is_refused_in_tensorrts_own_words(capfd: pytest.CaptureFixture[str]) -> None:
    rtx = find_tensorrt(("tensorrt_rtx",))
    with pytest.raises(BackendError, match="Error Code") as caught:
        TensorRTEngine(rtx, b"no plan" * 1000, Profile(8, 8, 1))
    assert "\n" not in str(caught.value)
    assert capfd.readouterr().err == ""


def test_a_tensorrt_that_does_not_start_is_told() -> None:
    class Module:
        class ILogger:
            ERROR, INTERNAL_ERROR = "error", "internal error"

            def __init__(self) -> None:
                pass

        @staticmethod
        def Builder(logger: object) -> None:
            logger.log("error", "CUDA initialization failure\nwith error: 35")
            raise TypeError("pybind11::init(): factory function returned nullptr")

    found = tensorrt.TensorRT(Module, "tensorrt", (10, 7))
    with pytest.raises(BackendError, match="does not start: CUDA initialization failure with error: 35"):
        found.begin("Builder")


@pytest.mark.skipif(not MODELS, reason="no network ships yet")
def test_a_precision_that_is_not_there_is_told() -> None:
    with pytest.raises(BackendError, match="bf16"):
        tensorrt.network_bytes(MODELS[0], "bf16")


@pytest.mark.skipif(importlib.util.find_spec("pycuda") is not None, reason="this machine may have a GPU")
@pytest.mark.skipif(not MODELS, reason="no network ships yet")
def test_without_a_gpu_one_line_says_what_is_missing() -> None:
    with pytest.raises(BackendError) as caught:
        tensorrt.load(MODELS[0], InferenceSettings())
    assert "\n" not in str(caught.value)
    assert "pip install" in str(caught.value)
    assert caught.value.exit_code == 69
