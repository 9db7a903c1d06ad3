"""Real plans by TensorRT for RTX, ahead of time, without a GPU."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

from anpr_stream.errors import BackendError
from anpr_stream.inference.precision import to_half
from anpr_stream.inference.tensorrt_api import TensorRT, find_tensorrt, version_numbers
from anpr_stream.inference.tensorrt_build import Profile, build_plan
from tests.inference import networks

needs_rtx = pytest.mark.skipif(importlib.util.find_spec("tensorrt_rtx") is None, reason="needs tensorrt_rtx")
NETWORKS = {
    "convolution": (networks.convolution(), Profile(64, 96, 4)),
    "convolution fp16": (to_half(networks.convolution()), Profile(64, 96, 4)),
    "recurrent fp16": (to_half(networks.recurrent()), Profile(8, 16, 4)),
    "quantised": (networks.quantised(), Profile(16, 16, 4)),
}


@pytest.fixture(scope="module")
def rtx() -> TensorRT:
    return find_tensorrt(("tensorrt_rtx",))


@needs_rtx
@pytest.mark.parametrize("target", networks.TARGETS)
@pytest.mark.parametrize("name", NETWORKS)
def test_network_builds_for_a_gpu_that_is_not_here(rtx: TensorRT, name: str, target: str) -> None:
    onnx, profile = NETWORKS[name]
    built = build_plan(rtx, onnx, profile, compute_capability=target)
    assert len(built.plan) > 1000


@needs_rtx
def test_progress_is_told_and_can_stop_the_build(rtx: TensorRT) -> None:
    steps = []

    def stop(phase: str, step: int, of: int) -> bool:
        steps.append((phase, step, of))
        return False

    onnx, profile = NETWORKS["convolution"]
    with pytest.raises(BackendError, match="built no plan"):
        build_plan(rtx, onnx, profile, compute_capability="SM86", progress=stop)
    assert steps
    assert all(1 <= step <= of for _, step, of in steps)


@needs_rtx
def test_a_file_that_is_no_network_is_refused_in_one_line(rtx: TensorRT) -> None:
    with pytest.raises(BackendError, match="cannot parse") as caught:
        build_plan(rtx, b"no network", Profile(8, 8, 1), compute_capability="SM86")
    assert "\n" not in str(caught.value)


@needs_rtx
def test_an_unknown_generation_is_refused(rtx: TensorRT) -> None:
    with pytest.raises(BackendError, match="SM90"):
        build_plan(rtx, *NETWORKS["convolution"], compute_capability="SM90")


def test_half_agrees_with_float_and_keeps_its_outputs_in_float() -> None:
    images = np.random.default_rng(0).random((2, 3, 64, 96), np.float32)
    full = run(networks.convolution(), images)
    half = run(to_half(networks.convolution()), images.astype(np.float16))
    assert half.dtype == np.float32
    np.testing.assert_allclose(half, full, atol=0.02)


def run(onnx: bytes, images: np.ndarray) -> np.ndarray:
    session = ort.InferenceSession(onnx, providers=["CPUExecutionProvider"])
    return session.run(None, {"images": images})[0]


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("10.7.0", (10, 7, 0)), ("10.10.0.post1", (10, 10, 0)), ("11.0.0rc1", (11, 0, 0)), ("dev", ())],
)
def test_versions_are_numbers(text: str, numbers: tuple[int, ...]) -> None:
    assert version_numbers(text) == numbers
    assert version_numbers("10.10") > version_numbers("10.9")


def test_a_missing_tensorrt_is_told_with_the_line_that_installs_it() -> None:
    with pytest.raises(BackendError, match=r"no_such_tensorrt.*pip install") as caught:
        find_tensorrt(("no_such_tensorrt",))
    assert caught.value.exit_code == 69


def test_a_folder_called_tensorrt_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tensorrt_folder").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("anpr_stream.inference.tensorrt_api.OLDEST", {"tensorrt_folder": (10, 0)})
    with pytest.raises(BackendError, match=r"tensorrt_folder.*older than 10\.0"):
        find_tensorrt(("tensorrt_folder",))


def test_an_old_tensorrt_is_refused_by_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tensorrt_old.py").write_text('__version__ = "9.3.0"')
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("anpr_stream.inference.tensorrt_api.OLDEST", {"tensorrt_old": (10, 0)})
    with pytest.raises(BackendError, match=r"9\.3\.0 is older than 10\.0"):
        find_tensorrt(("tensorrt_old",))
