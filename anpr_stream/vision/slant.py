"""How a plate lies in its box, told from its pixels: the slope of its lines and the lean of its characters.

A camera beside the lane sees plates as parallelograms. Of all ways to shear a picture back, the right one
lays its edges along rows: the profile of their sums is steepest there (Postl, 1986). The uprights of its
characters then tell the lean in the same way.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from anpr_stream.types import Box, FloatArray, Image, Quad

WIDTH_PX = 96
"""Plates are measured at this width."""
HEIGHTS_PX = (12, 96)

SLOPES = np.array(sorted(np.arange(-8, 9) * 0.05, key=abs), np.float32)
LEANS = np.array(sorted(np.arange(-6, 7) * 0.1, key=abs), np.float32)
"""What is tried, the least first: a picture without edges lies straight."""

LEAST_SLOPE = 0.08
"""Up to this slope a plate is level: straightened by less, as many `val` plates are lost as won."""
LEAST_LEAN = 0.15
"""Up to this lean its characters stand upright: most readers see them so in italics, too."""

LEAST_HEIGHT = 0.25
"""Of the box's height that the plate itself must have: no plate is seen from farther aside."""
LEAST_WIDTH = 0.5
"""Likewise of its width."""


@dataclass(frozen=True, slots=True)
class Slant:
    """A parallelogram's two directions.

    Attributes:
        slope: pixels that a line of text goes down on each pixel to the right.
        lean: pixels that a character goes to the left on each pixel down; positive in italics.
    """

    slope: float
    lean: float

    @property
    def is_seen(self) -> bool:
        """Whether the plate looks other than upright."""
        return abs(self.slope) > LEAST_SLOPE or abs(self.lean) > LEAST_LEAN


def measure_slant(grey: Image) -> Slant:
    """Tell how a plate lies.

    Args:
        grey: (H, W) uint8, the plate's box without margin.
    """
    height, width = grey.shape
    rows = int(np.clip(round(WIDTH_PX * height / width), *HEIGHTS_PX))
    shrinks = width > WIDTH_PX
    small = cv2.resize(grey, (WIDTH_PX, rows), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    picture = cv2.GaussianBlur(small, (3, 3), 0).astype(np.float32)
    # Where the limits of the height were met, slopes in the picture are not those in the frame.
    squeeze = rows / WIDTH_PX * width / height
    slope = _steepest(picture, SLOPES * squeeze)
    lean = -_steepest(_sheared(picture, slope).T, -LEANS / squeeze)
    return Slant(slope / squeeze, lean * squeeze)


def slanted_quad(box: Box, slant: Slant) -> Quad | None:
    """Return the corners of the plate that fills `box` and lies by `slant`, clockwise from its top left.

    None where no plate does, or one seen from so far aside that there is nothing to read.
    """
    x1, y1, x2, y2 = box
    width, height = x2 - x1, y2 - y1
    slope, lean = abs(slant.slope), abs(slant.lean)
    left = 1 - slope * lean
    if left <= 0:
        return None
    own_height, own_width = (height - slope * width) / left, (width - lean * height) / left
    if own_height < LEAST_HEIGHT * height or own_width < LEAST_WIDTH * width:
        return None
    along = np.array([1, slant.slope]) * own_width / 2
    down = np.array([-slant.lean, 1]) * own_height / 2
    middle = np.array([x1 + x2, y1 + y2]) / 2
    (ax, ay), (bx, by), (cx, cy), (dx, dy) = (
        (middle + side * along + end * down).tolist() for side, end in ((-1, -1), (1, -1), (1, 1), (-1, 1))
    )
    return (ax, ay), (bx, by), (cx, cy), (dx, dy)


def _steepest(picture: FloatArray, slopes: FloatArray) -> float:
    """The slope along which the picture's edges lie."""
    edges = np.asarray(cv2.Sobel(picture, cv2.CV_32F, 0, 1), np.float32)
    scores = [float(np.square(_sheared(edges, float(slope)).mean(axis=1)).sum()) for slope in slopes]
    return float(slopes[int(np.argmax(scores))])


def _sheared(picture: FloatArray, slope: float) -> FloatArray:
    """Move columns up or down, so that what went along `slope` lies level; beyond the picture it is 0."""
    height, width = picture.shape
    matrix = np.array([[1, 0, 0], [slope, 1, -slope * width / 2]], np.float32)
    return np.asarray(
        cv2.warpAffine(picture, matrix, (width, height), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP),
        np.float32,
    )
