"""Printed plate sheets out of pictures of plate designs: their sample serials are painted over."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from anpr_stream.synth.draw import Colour
from anpr_stream.synth.faces import Artwork
from anpr_stream.synth.pictures import read_picture, read_records
from anpr_stream.types import Image

SIZE = (240, 120)
"""Width and height at which sheets are kept."""
BAND = (0.24, 0.80)
"""Rows, as parts of the height, between which serials stand."""
SIDES = (0.05, 0.95)


def load_artwork(folder: Path, split: str = "train") -> list[Artwork]:
    """Load the designs of one split of a data set in this project's form (`labels.jsonl`, `kind: design`).

    Args:
        folder: the set, e.g. `us_designs`.
        split: which part of it; never the one that models are measured on.
    """
    return list(_sheets(folder, split))


def _sheets(folder: Path, split: str) -> Iterator[Artwork]:
    for record in read_records(folder, split):
        picture = read_picture(folder / record["image"])
        yield without_serial(np.asarray(cv2.resize(picture, SIZE, interpolation=cv2.INTER_AREA), np.uint8))


def without_serial(picture: Image) -> Artwork:
    """Paint over the serial of a design.

    The serial is what differs from its surroundings, much enlarged, in the middle band.

    Args:
        picture: (120, 240, 3) BGR, the plate edge to edge.
    """
    mask, ink = _serial(picture)
    grown = cv2.dilate(mask, np.ones((5, 5), np.uint8), iterations=2)
    half = (picture.shape[1] // 2, picture.shape[0] // 2)
    small = cv2.resize(picture, half, interpolation=cv2.INTER_AREA)
    hole = cv2.resize(grown, half, interpolation=cv2.INTER_NEAREST)
    filled = cv2.GaussianBlur(cv2.inpaint(small, hole, 3, cv2.INPAINT_TELEA), (0, 0), 1.5)
    large = cv2.resize(filled, picture.shape[1::-1])
    return Artwork(np.where(grown[..., None] > 0, large, picture).astype(np.uint8), ink)


def _serial(picture: Image) -> tuple[Image, Colour]:
    height, width = picture.shape[:2]
    around = cv2.medianBlur(picture, 61)
    difference = np.abs(picture.astype(np.int16) - around).max(axis=2).astype(np.uint8)
    band = np.zeros((height, width), np.uint8)
    band[int(BAND[0] * height) : int(BAND[1] * height), int(SIDES[0] * width) : int(SIDES[1] * width)] = 255
    inside = difference[band > 0]
    limit, _ = cv2.threshold(inside, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    mask = np.where((difference > 0.8 * limit) & (band > 0), 255, 0).astype(np.uint8)
    strongest = (difference >= max(limit, 1)) & (band > 0)
    ink = np.median(picture[strongest], axis=0) if strongest.any() else np.array((60, 30, 20))
    blue, green, red = (int(value) for value in ink)
    return mask, (blue, green, red)
