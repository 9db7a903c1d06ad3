"""`anpr-stream build`: real plans by TensorRT for RTX, and one line where something is missing."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from tests.cli.command import Command
from tests.networks import write_detector

needs_rtx = pytest.mark.skipif(importlib.util.find_spec("tensorrt_rtx") is None, reason="needs tensorrt_rtx")


@pytest.fixture
def small_detector(tmp_path: Path) -> Path:
    return write_detector(tmp_path)


@needs_rtx
def test_plans_for_whole_frames_coarse_and_closer_looks_are_built_for_a_gpu_that_is_not_here(
    anpr_stream: Command, tmp_path: Path, small_detector: Path
) -> None:
    done = anpr_stream(
        "build", small_detector, "--target", "SM86", "--max-batch", "2", "--cache", tmp_path / "plans"
    )
    assert done.exit_code == 0, done.err
    plans = {Path(path) for path in done.out.split()}
    assert len(plans) == 3
    assert all(plan.stat().st_size > 1000 for plan in plans)


def test_an_unknown_network_is_told_in_one_line(anpr_stream: Command, tmp_path: Path) -> None:
    done = anpr_stream("build", "no-such-network", "--cache", tmp_path)
    assert done.is_one_line_error(65, "no-such-network")


@pytest.mark.skipif(importlib.util.find_spec("pycuda") is not None, reason="this machine may have a GPU")
def test_without_a_gpu_one_line_says_so(anpr_stream: Command, tmp_path: Path, small_detector: Path) -> None:
    done = anpr_stream("build", small_detector, "--cache", tmp_path)
    assert done.is_one_line_error(69, "pip install")
