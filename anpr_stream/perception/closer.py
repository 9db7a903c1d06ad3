"""A second look at plates already found: the picture around each at the size that the detector knows best.

A box found in a whole picture often cuts the first or last character. In a part of the picture of always the
same size, with the plate always as wide, the network sees neither a speck nor a wall.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from anpr_stream.types import Box, Detection, FloatArray, Frame, PixelFormat, Planes
from anpr_stream.vision.crops import box_quad, stretch
from anpr_stream.vision.geometry import iou
from anpr_stream.vision.letterbox import Letterbox

SIZE = (256, 192)
"""(width, height) in pixels of the part of the picture."""

PLATE_PX = 100
"""Width of the plate in it. With 72 to 140 as many `val` and `train` photos were read right."""

LEAST_ASPECT = 2.5
"""A plate narrower for its height counts as this wide, so that one of two lines has room above and below."""

SAME_PLATE_IOU = 0.2

Find = Callable[[Sequence[Frame]], list[list[Detection]]]


def look_closer(find: Find, frame: Frame, plates: Sequence[Detection]) -> list[Detection | None]:
    """Find each of `plates` again by `find`; None where nothing is any more. In pixels of `frame`."""
    windows = [_window(plate.box) for plate in plates]
    found = find([_part(frame, window) for window in windows])
    return [
        _same(plate, [_in_frame(each, window) for each in some])
        for plate, window, some in zip(plates, windows, found, strict=True)
    ]


def _window(box: Box) -> Letterbox:
    """How the part of the picture around a plate lies in `SIZE`."""
    x1, y1, x2, y2 = box
    scale = PLATE_PX / max(x2 - x1, LEAST_ASPECT * (y2 - y1))
    left, top = (x1 + x2 - SIZE[0] / scale) / 2, (y1 + y2 - SIZE[1] / scale) / 2
    return Letterbox(*SIZE, scale, 0, 0, *SIZE, left, top)


def _part(frame: Frame, window: Letterbox) -> Frame:
    """The window as a frame of its own; the picture's edge is repeated where it reaches over."""
    width, height = window.width / window.scale, window.height / window.scale
    quad = box_quad((window.x, window.y, window.x + width, window.y + height))
    planes = Planes(PixelFormat.BGR, (stretch(frame, quad, *SIZE),))
    return replace(frame, width=SIZE[0], height=SIZE[1], planes=planes, preview=None)


def _in_frame(plate: Detection, window: Letterbox) -> Detection:
    def placed(points: Sequence[object], *shape: int) -> FloatArray:
        return window.to_frame(np.asarray(points, np.float32).reshape(-1, 2)).reshape(shape)

    x1, y1, x2, y2 = placed(plate.box, 4).tolist()
    if plate.quad is None:
        return replace(plate, box=(x1, y1, x2, y2))
    a, b, c, d = ((x, y) for x, y in placed(plate.quad, 4, 2).tolist())
    return replace(plate, box=(x1, y1, x2, y2), quad=(a, b, c, d))


def _same(plate: Detection, others: Sequence[Detection]) -> Detection | None:
    """The surest of `others` that lies where `plate` does."""
    boxes = np.array([other.box for other in others], np.float32).reshape(-1, 4)
    overlaps = iou(np.array([plate.box], np.float32), boxes)[0].tolist()
    return next((other for other, part in zip(others, overlaps, strict=True) if part > SAME_PLATE_IOU), None)
