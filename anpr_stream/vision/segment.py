"""A plate cut into its characters with OpenCV: threshold, components, lines, mending.

The way of the classical readers: characters are blobs of one height in one or two rows. It needs an upright
plate and characters that are apart; what touches is cut where its ink is thinnest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np

from anpr_stream.types import FloatArray, Image
from anpr_stream.vision.planes import PixelBox

GLYPH_PX = 80
"""Side of a character's picture."""
GLYPH_HEIGHT_PX = 50
"""Height of the character in it, as in the classifier's training."""

HEIGHTS = (0.2, 0.95)
"""Characters are this high, as a share of the plate."""
SAME_HEIGHT = 0.75
"""Characters of a line differ no more than this in height, smaller over larger."""
WINDOW = 0.5
"""Side of the surroundings that ink is brighter than, as a share of the plate's height."""
ABOVE_MEAN = 0.08
"""How much brighter, as a share of the plate's contrast."""
INK = (0.15, 0.88)
"""Least and most share of ink in a character's box; only a narrow one (I, 1) may be filled."""
NARROW = 0.4
"""Width of a narrow character, in its heights."""


@dataclass(frozen=True, slots=True)
class Characters:
    """The characters of a plate.

    Attributes:
        lines: per line of text the characters' boxes, left to right; at most two lines.
        glyphs: (n, 80, 80) uint8, bright on black, in the order of the lines.
    """

    lines: tuple[tuple[PixelBox, ...], ...]
    glyphs: Image


def segment(plate: Image) -> Characters:
    """Cut a plate into characters.

    Args:
        plate: (H, W) uint8 grey, upright, with little or no margin.

    Returns:
        Dark or bright characters, whichever make the better lines; none if nothing looks like a line.
    """
    candidates = [(_lines(ink), grey) for ink, grey in _inks(plate)]
    lines, grey = max(candidates, key=lambda entry: _worth(entry[0]))
    boxes = [box for line in lines for box in line]
    glyphs = np.zeros((len(boxes), GLYPH_PX, GLYPH_PX), np.uint8)
    for out, box in zip(glyphs, boxes, strict=True):
        _draw(grey, box, out)
    return Characters(tuple(tuple(line) for line in lines), glyphs)


def _inks(plate: Image) -> Iterator[tuple[Image, Image]]:
    """For bright and for dark characters: the ink (255 or 0) and the picture with bright characters.

    Each twice: against the mean around, which bears shadows, and against one level (Otsu), which keeps wide
    strokes whole.
    """
    window = max(3, round(WINDOW * plate.shape[0]) // 2 * 2 + 1)
    for grey in (plate, np.asarray(cv2.bitwise_not(plate), np.uint8)):
        above = -_contrast(grey) * ABOVE_MEAN
        mean = cv2.ADAPTIVE_THRESH_MEAN_C
        local = cv2.adaptiveThreshold(grey, 255, mean, cv2.THRESH_BINARY, window, above)
        _, whole = cv2.threshold(grey, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
        for ink in (local, whole):
            yield np.asarray(ink, np.uint8), grey


def _contrast(grey: Image) -> float:
    low, high = np.percentile(grey, (10, 90))
    return float(high - low)


def _lines(ink: Image) -> list[list[PixelBox]]:
    """Lines of text, top first: blobs of one height whose middles are level."""
    boxes = _blobs(ink)
    found: list[list[PixelBox]] = []
    for _ in range(2):
        line = max((_level(boxes, seed) for seed in boxes), key=_ink_width, default=[])
        if len(line) < 2 or (found and not _may_follow(line, found[0])):
            break
        found.append(_split(ink, _merge(line)))
        low, high = min(box[1] for box in line), max(box[3] for box in line)
        boxes = [box for box in boxes if box[3] <= low + 2 or box[1] >= high - 2]
    return sorted(found, key=lambda line: line[0][1])


def _blobs(ink: Image) -> list[PixelBox]:
    """Components that may be a character or several that touch."""
    height, width = ink.shape
    _, _, stats, _ = cv2.connectedComponentsWithStats(ink, connectivity=4)
    found = []
    for x, y, w, h, area in stats[1:].tolist():
        is_high = HEIGHTS[0] * height <= h <= HEIGHTS[1] * height
        is_frame = x == 0 or x + w == width or w >= 0.6 * width
        most = 1.0 if w < NARROW * h else INK[1]
        if is_high and not is_frame and INK[0] <= area / (w * h) <= most:
            found.append((x, y, x + w, y + h))
    return found


def _level(boxes: Sequence[PixelBox], seed: PixelBox) -> list[PixelBox]:
    """Blobs as high as `seed`, level with it along a slope of at most a quarter, left to right."""
    size = seed[3] - seed[1]
    found = []
    for box in boxes:
        height = box[3] - box[1]
        drift = abs(box[1] + box[3] - seed[1] - seed[3]) / 2
        reach = abs(box[0] + box[2] - seed[0] - seed[2]) / 2
        alike = min(height, size) >= SAME_HEIGHT * max(height, size)
        if alike and drift <= 0.15 * size + min(0.1 * reach, 0.3 * size):
            found.append(box)
    return sorted(found)


def _may_follow(line: Sequence[PixelBox], first: Sequence[PixelBox]) -> bool:
    """The second line of a plate is not much smaller than the first, nor much narrower."""
    return _height(line) > 0.5 * _height(first) and _ink_width(line) > 0.25 * _ink_width(first)


def _merge(line: Sequence[PixelBox]) -> list[PixelBox]:
    """Join blobs that lie over each other: one character in pieces, or one inside another."""
    merged: list[PixelBox] = []
    for box in line:
        if merged:
            last = merged[-1]
            shared = min(last[2], box[2]) - max(last[0], box[0])
            if shared > 0.5 * min(last[2] - last[0], box[2] - box[0]):
                merged[-1] = _around(last, box)
                continue
        merged.append(box)
    return merged


def _split(ink: Image, line: Sequence[PixelBox]) -> list[PixelBox]:
    """Cut blobs that are too wide for one character where their ink is thinnest."""
    widths = [box[2] - box[0] for box in line]
    usual = float(np.median([width for width in widths if width > 0.3 * _height(line)] or widths))
    found: list[PixelBox] = []
    for box in line:
        width = box[2] - box[0]
        count = round(width / usual) if width > max(1.5 * usual, 0.9 * _height(line)) else 1
        found += _cut(ink, box, count)
    return found


def _cut(ink: Image, box: PixelBox, count: int) -> list[PixelBox]:
    x1, y1, x2, y2 = box
    columns = ink[y1:y2, x1:x2].sum(axis=0, dtype=np.int64)
    step = (x2 - x1) / count
    edges = [x1]
    for part in range(1, count):
        low, high = round((part - 0.25) * step), round((part + 0.25) * step) + 1
        edges.append(x1 + low + int(columns[low:high].argmin()))
    edges.append(x2)
    return [(left, y1, right, y2) for left, right in pairwise(edges)]


def _draw(grey: Image, box: PixelBox, out: Image) -> None:
    """Write one character into the middle of `out` (80, 80): its own aspect, contrast stretched."""
    x1, y1, x2, y2 = box
    patch = grey[y1:y2, x1:x2]
    scale = GLYPH_HEIGHT_PX / (y2 - y1)
    width = min(GLYPH_PX - 4, max(2, round((x2 - x1) * scale)))
    low, high = np.percentile(patch, (5, 95))
    stretched = np.clip((patch - low) * (255 / max(high - low, 1.0)), 0, 255).astype(np.uint8)
    top, left = (GLYPH_PX - GLYPH_HEIGHT_PX) // 2, (GLYPH_PX - width) // 2
    out[top : top + GLYPH_HEIGHT_PX, left : left + width] = cv2.resize(stretched, (width, GLYPH_HEIGHT_PX))


def _around(a: PixelBox, b: PixelBox) -> PixelBox:
    return min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])


def _height(line: Sequence[PixelBox]) -> float:
    return float(np.median([box[3] - box[1] for box in line]))


def _ink_width(line: Sequence[PixelBox]) -> float:
    """Width of all blobs together, in pixels: a line of characters has the most."""
    return float(sum(box[2] - box[0] for box in line))


def _worth(lines: Sequence[Sequence[PixelBox]]) -> float:
    """How much the lines look like a plate: area of the characters, as regular in height as they are."""
    worth = 0.0
    for line in lines:
        heights = np.array([box[3] - box[1] for box in line], np.float32)
        worth += (
            _ink_width(line) * float(np.median(heights)) / (1 + 4 * float(heights.std() / heights.mean()))
        )
    return worth


def glyph_batch(glyphs: Image) -> FloatArray:
    """Turn glyphs (n, 80, 80) uint8 into a classifier's input (n, 3, 80, 80) float32 of 0..1."""
    scaled = glyphs.astype(np.float32) / 255
    return np.repeat(scaled[:, None], 3, axis=1)
