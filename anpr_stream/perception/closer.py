"""A second look at doubtful plates: the picture around each at the size that the detector knows best.

A box found in a whole picture often cuts the first or last character. In a part of the picture of always the
same size, with the plate always as wide, the network sees neither a speck nor a wall.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from anpr_stream.types import Box, Crop, Detection, Frame
from anpr_stream.vision.geometry import iou
from anpr_stream.vision.letterbox import Letterbox

SIZE = (256, 192)
"""(width, height) in pixels of the part of the picture."""

PLATE_PX = 100
"""Width of the plate in it. With 72 to 140 as many `val` and `train` photos were read right."""

LEAST_ASPECT = 2.5
"""A plate narrower for its height counts as this wide, so that one of two lines has room above and below."""

SAME_PLATE_IOU = 0.2

Find = Callable[[Frame, Letterbox], Sequence[Detection]]
"""Gives the plates in a window of a frame, in the frame's pixels, the surest first."""


def look_closer(find: Find, crop: Crop) -> Crop | None:
    """Find a crop's plate again; None where nothing is any more."""
    box = crop.detection.box
    plates = find(crop.frame, window_around(box))
    boxes = np.array([plate.box for plate in plates], np.float32).reshape(-1, 4)
    overlaps = iou(np.array([box], np.float32), boxes)[0].tolist()
    here = (plate for plate, part in zip(plates, overlaps, strict=True) if part > SAME_PLATE_IOU)
    plate = next(here, None)
    return None if plate is None else replace(crop, detection=plate)


def window_around(box: Box) -> Letterbox:
    """How the part of the picture around a plate lies in `SIZE`."""
    x1, y1, x2, y2 = box
    scale = PLATE_PX / max(x2 - x1, LEAST_ASPECT * (y2 - y1))
    left, top = (x1 + x2 - SIZE[0] / scale) / 2, (y1 + y2 - SIZE[1] / scale) / 2
    return Letterbox(*SIZE, scale, 0, 0, *SIZE, left, top)
