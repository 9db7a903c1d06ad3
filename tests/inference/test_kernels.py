"""The CUDA kernels, compiled for the host, against NumPy; and the PTX that ships."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from anpr_stream.inference.frame_store import color_terms
from anpr_stream.types import ColorMatrix, PixelFormat
from anpr_stream.vision.crops import stretch
from tests.inference.gpu_helpers import group_of_copies
from tests.inference.host_device import COMPILER
from tools import compile_kernels
from tools.gpu.kernels import random_frame
from tools.gpu.reference import letterboxed, rectified

needs_compiler = pytest.mark.skipif(COMPILER is None, reason="needs g++")
needs_nvcc = pytest.mark.skipif(shutil.which("nvcc") is None, reason="needs nvcc")
SIZES = [(64, 48), (61, 47), (33, 90), (2, 2), (1, 1)]


@needs_compiler
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("pixel_format", PixelFormat)
@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("matrix", ColorMatrix)
def test_letterbox_agrees_with_numpy(size, pixel_format, full_range, matrix) -> None:
    frame = random_frame(size, pixel_format, full_range, matrix, seed=3)
    placement = (5, 2, 40, 23)
    made = group_of_copies().run_frames([frame], [placement], (32, 48))["copy"][0]
    np.testing.assert_allclose(made, letterboxed(frame, placement, (32, 48)), atol=2e-4)


@needs_compiler
@pytest.mark.parametrize("pixel_format", PixelFormat)
@pytest.mark.parametrize(
    "quad",
    [
        [(10, 10), (50, 14), (48, 30), (9, 27)],
        [(-20, -9), (30, 5), (28, 40), (-18, 35)],
        [(55, 40), (90, 44), (88, 70), (52, 66)],
        [(-20, -10), (91, -14), (95, 60), (-17, 66)],
    ],
    ids=["inside", "over the left edge", "over the corner", "larger than the input"],
)
def test_rectify_agrees_with_numpy(pixel_format, quad) -> None:
    frame = random_frame((61, 47), pixel_format, False, ColorMatrix.BT709, seed=5)
    corners = np.array(quad, np.float32)
    made = group_of_copies().run_quads([frame], corners[None], (16, 32))["copy"][0]
    np.testing.assert_allclose(made, rectified(frame, corners, (16, 32)), atol=2e-3)


@needs_compiler
@pytest.mark.parametrize("width", [100, 300, 520])
def test_a_plate_of_any_size_is_cut_as_on_the_processor(width: int) -> None:
    frame = random_frame((600, 300), PixelFormat.BGR, seed=6)
    quad = ((20, 10), (20 + width, 14), (18 + width, 10 + width / 2), (24, 12 + width / 2))
    made = group_of_copies().run_quads([frame], np.array([quad], np.float32), (64, 128))["copy"][0]
    right = stretch(frame, quad, 128, 64).transpose(2, 0, 1) / 255
    assert np.abs(made - right).mean() < 0.01


@needs_compiler
def test_padded_rows_are_read_right() -> None:
    padded = random_frame((61, 47), PixelFormat.NV12, False, ColorMatrix.BT601, seed=7, padding=19)
    tight = random_frame((61, 47), PixelFormat.NV12, False, ColorMatrix.BT601, seed=7)
    one, other = group_of_copies().run_frames([padded, tight], [(0, 0, 64, 32)] * 2, (32, 64))["copy"]
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("matrix", ColorMatrix)
@pytest.mark.parametrize("full_range", [False, True])
def test_grey_has_no_color_and_white_is_white(matrix, full_range) -> None:
    (offset, gain), _ = color_terms(full_range, matrix)
    black, white = (0, 255) if full_range else (16, 235)
    assert (black - offset) * gain == pytest.approx(0)
    assert (white - offset) * gain == pytest.approx(255)


def test_ptx_was_made_from_this_source() -> None:
    first_line = compile_kernels.PTX.read_text().split("\n", 1)[0]
    assert first_line == compile_kernels.source_mark(), "run python -m tools.compile_kernels"


@needs_nvcc
def test_source_compiles_to_the_ptx_that_ships() -> None:
    entries = [line for line in compile_kernels.compile_ptx().split("\n") if ".entry" in line]
    assert len(entries) == 4
    shipped = compile_kernels.PTX.read_text()
    assert all(entry in shipped for entry in entries)


@needs_nvcc
@pytest.mark.parametrize("generation", compile_kernels.GENERATIONS)
def test_ptx_translates_for_every_generation(generation: str) -> None:
    compile_kernels.assemble(compile_kernels.PTX, generation)
