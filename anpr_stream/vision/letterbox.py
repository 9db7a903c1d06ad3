"""Fit a frame into a network's input without stretching it (Redmon and Farhadi's letterbox)."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from anpr_stream.types import Box, FloatArray, Image

PAD_GREY = 114
"""Value of the bars, as in training."""
STRIDE_PX = 32
"""Sides of a detector's input are multiples of this."""


@dataclass(frozen=True, slots=True)
class Letterbox:
    """How a window of a frame lies in the network's input.

    Attributes:
        width: of the input in pixels.
        height: likewise.
        scale: input pixels per frame pixel.
        left: input column where the picture begins.
        top: input row where the picture begins.
        inner_width: columns of the picture.
        inner_height: rows of the picture.
        x: frame column of the window's left edge.
        y: frame row of the window's top edge.
    """

    width: int
    height: int
    scale: float
    left: int
    top: int
    inner_width: int
    inner_height: int
    x: float = 0.0
    y: float = 0.0

    @property
    def part(self) -> Box:
        """The window, in pixels of the frame."""
        width, height = self.inner_width / self.scale, self.inner_height / self.scale
        return self.x, self.y, self.x + width, self.y + height

    def to_frame(self, points: FloatArray) -> FloatArray:
        """Turn points (..., 2) in input pixels into pixels of the source frame."""
        shift = np.array([self.left, self.top], dtype=np.float32)
        origin = np.array([self.x, self.y], dtype=np.float32)
        return np.asarray((points - shift) / self.scale + origin, np.float32)


def fit(frame_width: int, frame_height: int, width: int, height: int) -> Letterbox:
    """Lay a frame of `frame_width` x `frame_height` into the middle of `width` x `height`."""
    scale = min(width / frame_width, height / frame_height)
    inner_width = max(1, min(width, round(frame_width * scale)))
    inner_height = max(1, min(height, round(frame_height * scale)))
    left, top = (width - inner_width) // 2, (height - inner_height) // 2
    return Letterbox(width, height, scale, left, top, inner_width, inner_height)


def input_size(
    frame_width: int, frame_height: int, longest_px: int, step_px: int = STRIDE_PX
) -> tuple[int, int]:
    """Choose the input (width, height) for a frame's aspect.

    The longer side is `longest_px` (rounded up to a multiple of 32), the shorter one the least multiple
    of `step_px` that holds the frame: 1920x1080 at 640 gives 640x384, 704x576 gives 640x544.

    Args:
        frame_width: pixels.
        frame_height: pixels.
        longest_px: longer side of the input.
        step_px: a multiple of 32. Engines compile each size when it first comes, so pictures of many
            shapes want few sizes.
    """
    longest = _round_up(longest_px, STRIDE_PX)
    scale = longest / max(frame_width, frame_height)
    return (
        min(longest, _round_up(frame_width * scale, step_px)),
        min(longest, _round_up(frame_height * scale, step_px)),
    )


def _round_up(value_px: float, step_px: int) -> int:
    return max(step_px, int(np.ceil(round(value_px, 3) / step_px)) * step_px)


def pad(image: Image, box: Letterbox, out: FloatArray) -> None:
    """Write a picture into a network's input.

    Args:
        image: (inner_height, inner_width, 3) BGR uint8.
        box: where it lies.
        out: (3, height, width) float32, filled with 0..1 in place.
    """
    bottom, right = box.top + box.inner_height, box.left + box.inner_width
    for bar in (out[:, : box.top], out[:, bottom:], out[:, :, : box.left], out[:, :, right:]):
        bar[:] = PAD_GREY / 255
    to_planes(image, out[:, box.top : bottom, box.left : right])


def to_planes(image: Image, out: FloatArray) -> None:
    """Turn a BGR picture (H, W, 3) uint8 into planes `out` (3, H, W) float32 of 0..1, in place."""
    for channel, plane in zip(cv2.split(image), out, strict=True):
        np.multiply(channel, np.float32(1 / 255), out=plane)
