"""Pixels out of a decoder's planes: only what a network or a person needs is ever converted.

Colour follows ITU-T H.273, equations 38 to 53: R'G'B' from Y'CbCr by the weights Kr and Kb of the
frame's matrix, with luma 16..235 or 0..255. Chroma of a full-sized picture is repeated, not
interpolated, so that a crop has exactly the pixels that converting the whole frame would give it.
"""

from __future__ import annotations

from functools import cache
from typing import TypeAlias

import cv2
import numpy as np

from anpr_stream.types import Box, ColorMatrix, FloatArray, Image, PixelFormat, Planes, Quad

PixelBox: TypeAlias = tuple[int, int, int, int]
"""`x1 y1 x2 y2` in whole pixels of a picture, the last two excluded."""

WEIGHTS = {ColorMatrix.BT601: (0.299, 0.114), ColorMatrix.BT709: (0.2126, 0.0722)}
"""Kr and Kb of each matrix (ITU-T H.273, table 4)."""

STRIP_ROWS = 64
"""Whole frames are converted in strips that stay in the processor's cache: twice as fast."""


def size(planes: Planes) -> tuple[int, int]:
    """Width and height of the picture in pixels."""
    height, width = planes.arrays[0].shape[:2]
    return width, height


def small_bgr(planes: Planes, width: int, height: int) -> Image:
    """Shrink (or enlarge) the whole picture: each plane linearly, then the colour of what is left.

    Linear and not by area: fourteen times cheaper, and detectors here are trained on it.

    Returns:
        (height, width, 3) BGR uint8.
    """
    return _to_bgr(planes, [_shrink(part, width, height) for part in planes.arrays])


def full_bgr(planes: Planes) -> Image:
    """Convert the whole picture to (H, W, 3) BGR uint8; a copy, also where the planes are BGR."""
    width, height = size(planes)
    out = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, STRIP_ROWS):
        bottom = min(top + STRIP_ROWS, height)
        out[top:bottom] = _cut(planes, (0, top, width, bottom))
    return out


def luma(planes: Planes) -> Image:
    """Return a grey picture (H, W) uint8 without converting: luma, or green of a BGR picture."""
    first = planes.arrays[0]
    return first if first.ndim == 2 else first[:, :, 1]


def crop_bgr(planes: Planes, box: Box) -> Image:
    """Cut a box out of the planes, clipped to the picture.

    Returns:
        (h, w, 3) BGR uint8, bit-equal to that part of `full_bgr`; a copy.

    Raises:
        ValueError: nothing of the box lies in the picture.
    """
    return np.array(_cut(planes, pixel_box(box, *size(planes))), np.uint8)


def pixel_box(box: Box, width: int, height: int) -> PixelBox:
    """Widen a box to whole pixels and clip it to a picture of `width` x `height`.

    Raises:
        ValueError: nothing of the box lies in the picture.
    """
    x1, y1 = max(0, int(np.floor(box[0]))), max(0, int(np.floor(box[1])))
    x2, y2 = min(width, int(np.ceil(box[2]))), min(height, int(np.ceil(box[3])))
    if x1 >= x2 or y1 >= y2:
        raise ValueError(f"box {box} lies outside the picture of {width}x{height}")
    return x1, y1, x2, y2


def warp_bgr(planes: Planes, quad: Quad, width: int, height: int) -> Image:
    """Rectify a plate: its four corners become the corners of the result.

    Args:
        planes: the frame.
        quad: corners in pixels of the frame, clockwise from the plate's own top left; may reach
            over the picture's edge, whose pixels are then repeated.
        width: of the result in pixels.
        height: likewise.

    Returns:
        (height, width, 3) BGR uint8.

    Raises:
        ValueError: nothing of the quad lies in the picture.
    """
    corners = np.asarray(quad, np.float32)
    (left, top), (right, bottom) = corners.min(axis=0), corners.max(axis=0)
    cut = pixel_box((left - 1, top - 1, right + 1, bottom + 1), *size(planes))
    target = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32) - 0.5
    source = corners - np.array(cut[:2], np.float32) - 0.5
    transform = cv2.getPerspectiveTransform(source.astype(np.float32), target.astype(np.float32))
    warped = cv2.warpPerspective(
        _cut(planes, cut), transform, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(warped, np.uint8)


def _shrink(part: Image, width: int, height: int) -> Image:
    """Resize one plane linearly.

    Where an odd whole number of pixels becomes one, its sample is the middle one: 1080p at 640 need only be
    picked, a quarter of the cost.
    """
    step = part.shape[0] // height
    if step % 2 and part.shape[:2] == (step * height, step * width):
        return np.ascontiguousarray(part[step // 2 :: step, step // 2 :: step])
    return np.asarray(cv2.resize(part, (width, height)), np.uint8)


def _cut(planes: Planes, box: PixelBox) -> Image:
    """Convert one box; where the planes are BGR the result is a view into them."""
    x1, y1, x2, y2 = box
    first = planes.arrays[0]
    if planes.format in (PixelFormat.BGR, PixelFormat.GRAY8):
        return _to_bgr(planes, [first[y1:y2, x1:x2]])
    even_x, even_y = x1 & ~1, y1 & ~1
    luma = first[even_y:y2, even_x:x2]
    chroma = [
        _repeat(part[even_y // 2 : (y2 + 1) // 2, even_x // 2 : (x2 + 1) // 2], luma)
        for part in planes.arrays[1:]
    ]
    return _to_bgr(planes, [luma, *chroma])[y1 - even_y :, x1 - even_x :]


def _repeat(chroma: Image, luma: Image) -> Image:
    """Repeat each chroma sample for its two by two pixels of luma."""
    height, width = chroma.shape[:2]
    doubled = cv2.resize(chroma, (2 * width, 2 * height), interpolation=cv2.INTER_NEAREST)
    return np.asarray(doubled[: luma.shape[0], : luma.shape[1]], np.uint8)


def _to_bgr(planes: Planes, parts: list[Image]) -> Image:
    """Turn parts of equal size (one per plane of the frame's format) into BGR."""
    if planes.format is PixelFormat.BGR:
        return parts[0]
    if planes.format is PixelFormat.GRAY8:
        return np.asarray(cv2.cvtColor(parts[0], cv2.COLOR_GRAY2BGR), np.uint8)
    colour = cv2.transform(cv2.merge(parts), yuv_to_bgr(planes.full_range, planes.matrix))
    return np.asarray(colour, np.uint8)


@cache
def yuv_to_bgr(full_range: bool, matrix: ColorMatrix) -> FloatArray:
    """(3, 4) float32: rows B G R, columns Y Cb Cr 1, all 0..255."""
    kr, kb = WEIGHTS[matrix]
    kg = 1 - kr - kb
    luma, chroma, black = (1.0, 1.0, 0) if full_range else (255 / 219, 255 / 224, 16)
    blue = [luma, 2 * (1 - kb) * chroma, 0]
    green = [luma, -2 * kb * (1 - kb) / kg * chroma, -2 * kr * (1 - kr) / kg * chroma]
    red = [luma, 0, 2 * (1 - kr) * chroma]
    colour = np.array([blue, green, red])
    shift = -colour @ np.array([black, 128, 128])
    return np.column_stack([colour, shift]).astype(np.float32)
