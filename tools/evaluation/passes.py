"""Vehicles that drive up, made from single labelled plates: what a tracker would hand to the reader.

Real tracks with known texts are rare, labelled plates are many. Each becomes a pass of several looks:
growing, jittered, blurred by motion, noisy, compressed, now and then cut by the picture's edge. All
looks share the plate's own dirt, font and light, so their errors are as alike as in a real track.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from anpr_stream.types import Box, Crop, Detection, Frame, Image, PixelFormat, Planes
from anpr_stream.vision.crops import cut_crop
from tools.training.detector_data import read_labels, read_picture

_SURROUNDINGS = 0.6
"""Share of the plate's size kept around it, for margins and jitter."""
_HEIGHTS_PX = (9.0, 40.0)
_TRUNCATED = 0.06
"""Share of looks in which the picture's edge cuts the plate."""


@dataclass(frozen=True)
class LabelledPlate:
    """A plate whose text a person read; `box` in pixels of the picture."""

    picture: Image
    box: Box
    text: str


def labelled_plates(data: Path, split: str, limit: int, seed: int = 1) -> Iterator[LabelledPlate]:
    """Yield plates with a hand-read text, at most `limit` of each set, chosen by the seed.

    Raises:
        DataError: labels or a picture cannot be used.
    """
    rng = np.random.default_rng(seed)
    sets: dict[Path, list[tuple[str, Box, str]]] = defaultdict(list)
    for folder, line in read_labels(data):
        sets[folder] += _plates(line, split)
    for folder, entries in sets.items():
        for index in rng.permutation(len(entries))[:limit]:
            image, box, text = entries[index]
            yield LabelledPlate(read_picture(folder / image), box, text)


def _plates(line: dict[str, Any], split: str) -> Iterator[tuple[str, Box, str]]:
    for plate in line["plates"]:
        is_read = plate.get("text") and plate.get("label") != "machine"
        if line["split"] == split and line["kind"] != "design" and is_read:
            x1, y1, x2, y2 = map(float, plate["box"])
            yield line["image"], (x1, y1, x2, y2), plate["text"]


def make_pass(plate: LabelledPlate, looks: int, rng: np.random.Generator) -> list[Crop]:
    """Return the crops of a vehicle that drives up, smallest first."""
    heights = np.sort(np.exp(rng.uniform(math.log(_HEIGHTS_PX[0]), math.log(_HEIGHTS_PX[1]), looks)))
    return [_look(plate, float(height), index, rng) for index, height in enumerate(heights)]


def _look(plate: LabelledPlate, height_px: float, index: int, rng: np.random.Generator) -> Crop:
    scale = min(height_px / max(plate.box[3] - plate.box[1], 1.0), 1.5)
    picture, box = _surroundings(plate, scale)
    picture = _worsen(picture, box[3] - box[1], rng)
    size = np.array([box[2] - box[0], box[3] - box[1]] * 2)
    x1, y1, x2, y2 = np.array(box) + rng.normal(0.0, 0.04, 4) * size
    if rng.random() < _TRUNCATED:
        picture, x1, x2 = _cut_side(picture, float(x1), float(x2), rng)
    height, width = picture.shape[:2]
    edges = np.clip([x1, y1, x2, y2], 0.0, [width, height] * 2).tolist()
    frame = Frame("pass", index, index / 10, index / 10, width, height, Planes(PixelFormat.BGR, (picture,)))
    return cut_crop(frame, Detection((edges[0], edges[1], edges[2], edges[3]), 0.9), track_id=1)


def _surroundings(plate: LabelledPlate, scale: float) -> tuple[Image, Box]:
    """Cut a plate out with what is around it, at a scale; return the picture and the plate's box in it."""
    x1, y1, x2, y2 = plate.box
    half = np.array([x2 - x1, y2 - y1]) * (0.5 + _SURROUNDINGS)
    corner = np.array([(x1 + x2) / 2, (y1 + y2) / 2]) - half
    size = np.maximum(np.ceil(2 * half * scale), 4).astype(int)
    matrix = np.array([[1 / scale, 0, corner[0]], [0, 1 / scale, corner[1]]])
    # Reduced by area first: sampling a large picture with a small step would alias.
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    reduced: cv2.typing.MatLike = plate.picture
    if scale < 0.5:
        reduced = cv2.resize(reduced, None, fx=2 * scale, fy=2 * scale, interpolation=cv2.INTER_AREA)
        matrix *= 2 * scale
    cut = cv2.warpAffine(reduced, matrix, size.tolist(), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    left, top = half * scale - np.array([x2 - x1, y2 - y1]) * scale / 2
    box = (left, top, left + (x2 - x1) * scale, top + (y2 - y1) * scale)
    return np.asarray(cut, np.uint8), (float(box[0]), float(box[1]), float(box[2]), float(box[3]))


def _worsen(picture: Image, plate_height_px: float, rng: np.random.Generator) -> Image:
    """Blur by motion, change the light, add noise, compress."""
    length = max(1, round(rng.exponential(0.06) * plate_height_px))
    line: cv2.typing.MatLike = np.zeros((length, length), np.float32)
    line[length // 2] = 1.0
    turn = cv2.getRotationMatrix2D(((length - 1) / 2, (length - 1) / 2), float(rng.uniform(0, 180)), 1.0)
    turned = cv2.warpAffine(line, turn, (length, length))
    kernel = np.asarray(turned / max(float(np.sum(turned)), 1e-6))
    blurred = cv2.filter2D(picture, -1, kernel).astype(np.float32)
    lit = blurred * rng.uniform(0.5, 1.15) + rng.normal(0.0, rng.uniform(1, 9), picture.shape)
    dimmed = np.clip(lit, 0, 255).astype(np.uint8)
    _, packed = cv2.imencode(".jpg", dimmed, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(35, 95))])
    return np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.uint8)


def _cut_side(picture: Image, x1: float, x2: float, rng: np.random.Generator) -> tuple[Image, float, float]:
    """Let the picture end in the middle of the plate, at its left or right."""
    at = round(x1 + (x2 - x1) * rng.uniform(0.2, 0.8))
    if rng.random() < 0.5:
        return np.ascontiguousarray(picture[:, at:]), 0.0, x2 - at
    return np.ascontiguousarray(picture[:, :at]), x1, float(at)


def most_frequent(texts: Sequence[str]) -> str:
    """Return the text that most reads have, the first of them where several do."""
    return max(texts, key=texts.count) if texts else ""
