"""Plates cut out of frames, and how much a read of each is worth."""

from __future__ import annotations

import math

import cv2
import numpy as np

from anpr_stream.types import Box, Crop, CropQuality, Detection, Frame, Image, Quad
from anpr_stream.vision.geometry import expand_box, expand_quad, quad_sides, touches_edge
from anpr_stream.vision.planes import crop_bgr, warp_bgr

KEPT_MARGIN = 0.15
"""Share of the box kept around a plate for people to look at."""

EDGE_SLACK = 0.1
"""Of its height between a plate and the picture's edge: nearer, it counts as cut. Of half plates made of
`val` photos 92 in 100 are found so near (76 within a pixel), of whole ones 2."""

SHARPNESS_HEIGHT_PX = 32
"""Plates are shrunk to this height before their edges are looked at: finer detail no reader needs."""

LEAST_CONTRAST = 8
"""Grey levels between dark and bright below which there is nothing to see."""

CRISP_SLOPE = 0.4
"""Steepest slope of a crisp edge, in contrasts per pixel, after the smoothing here."""


def cut_crop(frame: Frame, detection: Detection, track_id: int = 0) -> Crop:
    """Cut a plate out of its frame and rate it.

    Raises:
        ValueError: nothing of the box lies in the frame.
    """
    image = crop_bgr(frame.planes, expand_box(detection.box, KEPT_MARGIN))
    slack_px = max(1.0, EDGE_SLACK * (detection.box[3] - detection.box[1]))
    grey = np.asarray(cv2.cvtColor(crop_bgr(frame.planes, detection.box), cv2.COLOR_BGR2GRAY), np.uint8)
    quality = CropQuality(
        height_px=plate_height_px(detection),
        sharpness=sharpness(grey),
        truncated=touches_edge(detection.box, frame.width, frame.height, slack_px),
    )
    return Crop(image, detection, quality, frame, track_id)


def plate_height_px(detection: Detection) -> float:
    """Height of the plate in pixels of the frame: between its own edges where the corners are known."""
    if detection.quad is not None:
        return quad_sides(detection.quad)[1]
    return detection.box[3] - detection.box[1]


def reading_quad(detection: Detection, margin: float, rectify: bool) -> Quad:
    """Return the part of the frame that a reader looks at: the plate's corners or its box, with the margin.

    Args:
        detection: the plate.
        margin: fraction of the plate's own width and height added on each side.
        rectify: use the corners where they are known.
    """
    if rectify and detection.quad is not None:
        return expand_quad(detection.quad, margin)
    return expand_quad(box_quad(detection.box), margin)


def box_quad(box: Box) -> Quad:
    """Return a box's corners, clockwise from the top left."""
    x1, y1, x2, y2 = box
    return (x1, y1), (x2, y1), (x2, y2), (x1, y2)


def stretch(frame: Frame, quad: Quad, width: int, height: int) -> Image:
    """Stretch a part of a frame over `width` x `height` pixels.

    A part that is larger than that is first warped to a whole multiple and then averaged down, else its
    strokes would be sampled through.

    Returns:
        (height, width, 3) BGR uint8.

    Raises:
        ValueError: nothing of the quad lies in the frame.
    """
    factor = samples_a_side(quad, width, height)
    warped = warp_bgr(frame.planes, quad, factor * width, factor * height)
    if factor == 1:
        return warped
    return np.asarray(cv2.resize(warped, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def samples_a_side(quad: Quad, width: int, height: int) -> int:
    """How many samples a side are averaged for each pixel of a part stretched over `width` x `height`."""
    part_width, part_height = quad_sides(quad)
    return max(1, math.ceil(max(part_width / width, part_height / height) - 0.5))


def sharpness(grey: Image) -> float:
    """Rate how crisp a plate's strokes are.

    The steepest upright edges are set against the plate's contrast: a step blurred by a Gaussian of sigma s
    rises by at most 0.4/s of its height per pixel. Upright edges only, because characters live by them and a
    moving camera or car blurs them first.

    Args:
        grey: (H, W) uint8, the plate without margin.

    Returns:
        0 (no edge or all blurred) .. 1 (crisp).
    """
    height, width = grey.shape
    scale = min(1.0, SHARPNESS_HEIGHT_PX / height)
    size = (max(3, round(width * scale)), max(3, round(height * scale)))
    shrunk = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    small = np.asarray(cv2.GaussianBlur(shrunk, (3, 3), 0), np.uint8)
    slopes = np.asarray(cv2.absdiff(small[:, 2:], small[:, :-2]), np.uint8)
    contrast = _level(small, 0.95) - _level(small, 0.05)
    if contrast < LEAST_CONTRAST:
        return 0.0
    return min(1.0, _level(slopes, 0.95) / 2 / contrast / CRISP_SLOPE)


def _level(image: Image, share: float) -> int:
    """Return the value that `share` of the pixels reach at most (a percentile, by counting)."""
    counts = np.bincount(image.ravel(), minlength=256)
    return int(np.searchsorted(counts.cumsum(), share * image.size))
