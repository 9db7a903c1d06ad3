"""Events with pictures for the tests of the store."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from anpr_stream.types import Crop, CropQuality, Detection, Event, Frame, Image, PixelFormat, Planes
from tests.outputs.events import make_event

PLATE = (40.0, 30.0, 120.0, 60.0)
NEIGHBOUR = (200.0, 100.0, 280.0, 130.0)


def stripes(width: int = 320, height: int = 180) -> Image:
    """Return a picture of two-pixel columns, black and white: what a blur must take away."""
    columns = (np.arange(width) // 2 % 2 * 255).astype(np.uint8)
    return np.repeat(np.tile(columns, (height, 1))[:, :, None], 3, axis=2)


def event_with_picture(**change: Any) -> Event:
    image = stripes()
    planes = Planes(PixelFormat.BGR, (image,))
    frame = Frame("gate", 42, 2.0, 1_700_000_002.0, 320, 180, planes)
    crop = Crop(image[30:60, 40:120], Detection(PLATE, 0.9), CropQuality(30.0, 1.0, False), frame, 7)
    return replace(
        make_event(), **{"box": PLATE, "other_boxes": (NEIGHBOUR,), "crop": crop, "images": {}, **change}
    )
