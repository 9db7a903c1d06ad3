"""Doubtful plates seen straight: their slant is told from their pixels and taken out."""

from __future__ import annotations

from dataclasses import replace

from anpr_stream.types import Crop, Read
from anpr_stream.vision.planes import luma, pixel_box
from anpr_stream.vision.slant import measure_slant, slanted_quad


def straighten(crop: Crop) -> Crop | None:
    """Give a slanted plate its corners, for a reader that cuts by them; None where it lies straight."""
    frame, box = crop.frame, crop.detection.box
    x1, y1, x2, y2 = pixel_box(box, frame.width, frame.height)
    slant = measure_slant(luma(frame.planes)[y1:y2, x1:x2])
    quad = slanted_quad(box, slant) if slant.is_seen else None
    return None if quad is None else replace(crop, detection=replace(crop.detection, quad=quad))


def surer(first: Read, second: Read) -> Read:
    """Of two reads the surer one: as true as its confidence, which the mean of both would be below."""
    return max(first, second, key=lambda read: read.confidence)
