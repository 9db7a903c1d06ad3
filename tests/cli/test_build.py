"""`anpr-stream build`: real plans by TensorRT for RTX, and one line where something is missing."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from tests.cli.command import anpr_stream, assert_one_line_error
from tests.networks import write_detector

needs_rtx = pytest.mark.skipif(importlib.util.find_spec("tensorrt_rtx") is None, reason="needs tensorrt_rtx")


@pytest.fixture
def small_detector(tmp_path: Path) -> Path:
    return write_detector(tmp_path)


@needs_rtx
def test_a_plan_is_built_for_a_gpu_that_is_not_here(tmp_path: Path, small_detector: Path) -> None:
    done = anpr_stream(
        "build", small_detector, "--target", "SM86", "--max-batch", "2", "--cache", tmp_path / "plans"
    )
    assert done.returncode == 0, done.stderr
    (path,) = done.stdout.split()
    assert Path(path).stat().st_size > 1000


def test_an_unknown_network_is_told_in_one_line(tmp_path: Path) -> None:
    done = anpr_stream("build", "no-such-network", "--cache", tmp_path)
    assert_one_line_error(done, 65, "no-such-network")


@pytest.mark.skipif(importlib.util.find_spec("pycuda") is not None, reason="this machine may have a GPU")
def test_without_a_gpu_one_line_says_so(tmp_path: Path, small_detector: Path) -> None:
    done = anpr_stream("build", small_detector, "--cache", tmp_path)
    assert_one_line_error(done, 69, "pip install")
