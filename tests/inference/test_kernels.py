"""The CUDA kernels, compiled for the host, against NumPy; and the PTX that ships."""

from __future__ import annotations

import shutil

import cv2
import numpy as np
import pytest

from anpr_stream.inference.frame_store import color_terms
from anpr_stream.types import ColorMatrix, PixelFormat
from tests.inference.gpu_helpers import group_of_copies, random_frame
from tests.inference.host_device import COMPILER
from tools import compile_kernels

needs_compiler = pytest.mark.skipif(COMPILER is None, reason="needs g++")
needs_nvcc = pytest.mark.skipif(shutil.which("nvcc") is None, reason="needs nvcc")
SIZES = [(64, 48), (61, 47), (33, 90), (2, 2), (1, 1)]
GREY = np.float32(114 / 255)


def bilinear(plane: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    height, width = plane.shape
    x, y = np.clip(x, 0, width - 1), np.clip(y, 0, height - 1)
    x0, y0 = x.astype(int), y.astype(int)
    x1, y1 = np.minimum(x0 + 1, width - 1), np.minimum(y0 + 1, height - 1)
    fx, fy = x - x0, y - y0
    plane = plane.astype(np.float64)
    top = plane[y0, x0] * (1 - fx) + plane[y0, x1] * fx
    low = plane[y1, x0] * (1 - fx) + plane[y1, x1] * fx
    return top * (1 - fy) + low * fy


def reference(frame, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Colour (3, ...) of a frame at pixel-centre coordinates, in float64."""
    planes = frame.planes
    if planes.format is PixelFormat.BGR:
        return np.stack([bilinear(planes.arrays[0][..., c], x, y) for c in range(3)]) / 255
    luma = bilinear(planes.arrays[0], x, y)
    if planes.format is PixelFormat.GRAY8:
        return np.stack([luma] * 3) / 255
    if planes.format is PixelFormat.NV12:
        u_plane, v_plane = planes.arrays[1][..., 0], planes.arrays[1][..., 1]
    else:
        u_plane, v_plane = planes.arrays[1:]
    cx, cy = (x + 0.5) / 2 - 0.5, (y + 0.5) / 2 - 0.5
    u, v = bilinear(u_plane, cx, cy) - 128, bilinear(v_plane, cx, cy) - 128
    red, blue = {ColorMatrix.BT601: (0.299, 0.114), ColorMatrix.BT709: (0.2126, 0.0722)}[planes.matrix]
    if not planes.full_range:
        luma, u, v = (luma - 16) * 255 / 219, u * 255 / 224, v * 255 / 224
    r = luma + 2 * (1 - red) * v
    b = luma + 2 * (1 - blue) * u
    g = (luma - red * r - blue * b) / (1 - red - blue)
    return np.clip(np.stack([b, g, r]), 0, 255) / 255


@needs_compiler
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("pixel_format", PixelFormat)
@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("matrix", ColorMatrix)
def test_letterbox_agrees_with_numpy(size, pixel_format, full_range, matrix) -> None:
    frame = random_frame(size, pixel_format, full_range, matrix, seed=3)
    left, top, width, height = 5, 2, 40, 23
    made = group_of_copies().run_frames([frame], [(left, top, width, height)], (32, 48))["copy"][0]
    x = (np.arange(width) + 0.5) * frame.width / width - 0.5
    y = (np.arange(height) + 0.5) * frame.height / height - 0.5
    expected = np.full((3, 32, 48), GREY)
    expected[:, top : top + height, left : left + width] = reference(frame, *np.meshgrid(x, y))
    np.testing.assert_allclose(made, expected, atol=2e-4)


@needs_compiler
@pytest.mark.parametrize("pixel_format", PixelFormat)
@pytest.mark.parametrize(
    "quad",
    [
        [(10, 10), (50, 14), (48, 30), (9, 27)],
        [(-20, -9), (30, 5), (28, 40), (-18, 35)],
        [(55, 40), (90, 44), (88, 70), (52, 66)],
    ],
    ids=["inside", "over the left edge", "over the corner"],
)
def test_rectify_agrees_with_numpy(pixel_format, quad) -> None:
    frame = random_frame((61, 47), pixel_format, False, ColorMatrix.BT709, seed=5)
    made = group_of_copies().run_quads([frame], np.array([quad], np.float32), (16, 32))["copy"][0]
    corners = np.array([(0, 0), (32, 0), (32, 16), (0, 16)], np.float32)
    homography = cv2.getPerspectiveTransform(corners, np.array(quad, np.float32))
    x, y = np.meshgrid(np.arange(32) + 0.5, np.arange(16) + 0.5)
    points = cv2.perspectiveTransform(
        np.stack([x.ravel(), y.ravel()], 1)[None].astype(np.float64), homography
    )
    at_x, at_y = points[0, :, 0].reshape(16, 32) - 0.5, points[0, :, 1].reshape(16, 32) - 0.5
    np.testing.assert_allclose(made, reference(frame, at_x, at_y), atol=2e-3)


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
