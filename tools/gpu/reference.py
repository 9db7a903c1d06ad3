"""What the GPU kernels must answer, in plain NumPy and float64."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from anpr_stream.types import ColorMatrix, Frame, Image, PixelFormat, Placement
from anpr_stream.vision.crops import samples_a_side

Doubles = npt.NDArray[np.float64]
GREY = 114 / 255
WEIGHTS = {ColorMatrix.BT601: (0.299, 0.114), ColorMatrix.BT709: (0.2126, 0.0722)}


def letterboxed(frame: Frame, placement: Placement, size: tuple[int, int]) -> Doubles:
    """Return a frame fitted into an input of `size` (height, width): (3, H, W) BGR, 0..1."""
    left, top, width, height = placement
    x = (np.arange(width) + 0.5) * frame.width / width - 0.5
    y = (np.arange(height) + 0.5) * frame.height / height - 0.5
    picture = np.full((3, *size), GREY)
    picture[:, top : top + height, left : left + width] = color_at(frame, *np.meshgrid(x, y))
    return picture


def rectified(frame: Frame, quad: npt.NDArray[Any], size: tuple[int, int]) -> Doubles:
    """Return a quad, (4, 2) in pixels of the frame, stretched over `size`: (3, H, W) BGR, 0..1."""
    height, width = size
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
    homography = cv2.getPerspectiveTransform(corners, quad.astype(np.float32))
    side = samples_a_side(quad.tolist(), width, height)
    x, y = np.meshgrid((np.arange(width * side) + 0.5) / side, (np.arange(height * side) + 0.5) / side)
    points = np.stack([x.ravel(), y.ravel()], 1)[None]
    mapped = (cv2.perspectiveTransform(points, homography)[0] - 0.5).reshape(*x.shape, 2)
    samples = color_at(frame, mapped[..., 0], mapped[..., 1])
    mean: Doubles = samples.reshape(3, height, side, width, side).mean(axis=(2, 4))
    return mean


def color_at(frame: Frame, x: Doubles, y: Doubles) -> Doubles:
    """Return the colour (3, ...) BGR, 0..1, at points whose whole numbers are pixel centres."""
    planes = frame.planes
    if planes.format is PixelFormat.BGR:
        return np.stack([_bilinear(planes.arrays[0][..., channel], x, y) for channel in range(3)]) / 255
    luma = _bilinear(planes.arrays[0], x, y)
    if planes.format is PixelFormat.GRAY8:
        return np.stack([luma] * 3) / 255
    u_plane, v_plane = _chroma(planes.format, planes.arrays)
    chroma_x, chroma_y = (x + 0.5) / 2 - 0.5, (y + 0.5) / 2 - 0.5
    u, v = _bilinear(u_plane, chroma_x, chroma_y) - 128, _bilinear(v_plane, chroma_x, chroma_y) - 128
    if not planes.full_range:
        luma, u, v = (luma - 16) * 255 / 219, u * 255 / 224, v * 255 / 224
    red, blue = WEIGHTS[planes.matrix]
    r, b = luma + 2 * (1 - red) * v, luma + 2 * (1 - blue) * u
    g = (luma - red * r - blue * b) / (1 - red - blue)
    picture: Doubles = np.clip(np.stack([b, g, r]), 0, 255) / 255
    return picture


def _chroma(pixel_format: PixelFormat, arrays: tuple[Image, ...]) -> tuple[Image, Image]:
    if pixel_format is PixelFormat.NV12:
        return arrays[1][..., 0], arrays[1][..., 1]
    return arrays[1], arrays[2]


def _bilinear(plane: Image, x: Doubles, y: Doubles) -> Doubles:
    height, width = plane.shape
    x, y = np.clip(x, 0, width - 1), np.clip(y, 0, height - 1)
    x0, y0 = x.astype(int), y.astype(int)
    x1, y1 = np.minimum(x0 + 1, width - 1), np.minimum(y0 + 1, height - 1)
    fx, fy = x - x0, y - y0
    samples = plane.astype(np.float64)
    top = samples[y0, x0] * (1 - fx) + samples[y0, x1] * fx
    low = samples[y1, x0] * (1 - fx) + samples[y1, x1] * fx
    mixed: Doubles = top * (1 - fy) + low * fy
    return mixed
