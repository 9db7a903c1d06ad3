"""From the raw heads of a YOLOv3 to plates: threshold, decode, suppress (Redmon and Farhadi, 2018).

Objectness is compared before any decoding, on the raw numbers, so that the cost is one comparison per
anchor and the arithmetic of a handful of boxes. Boxes use the bounded form: no exponential.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from anpr_stream.types import FloatArray
from anpr_stream.vision.contract import DetectorContract
from anpr_stream.vision.geometry import box_area, intersections, iou, shared_sides

OBJECTNESS = 4
BOX_VALUES = 5
CORNER_VALUES = 8
MAX_PLATES = 1024

SAME_PLATE_IOU = 0.5
"""Overlap from which on boxes of two looks mean one plate. 0.5 to 0.7 found the same `val` plates."""

LEAST_SHARED = 0.3
"""Part of the narrower box's width that two parts of one plate share at least."""
SAME_LINE = 0.85
"""Part of their height that they share, and of the higher one's that the lower one has."""
AS_SURE = 0.6
"""Of the better one's confidence."""


@dataclass(frozen=True, slots=True)
class RawPlates:
    """Plates of a whole batch in pixels of the network's input.

    Attributes:
        batch: (n,) int, which picture of the batch.
        boxes: (n, 4) float32 `x1 y1 x2 y2`.
        scores: (n,) float32, 0..1.
        corners: (n, 4, 2) float32, clockwise from the plate's top left, or None.
    """

    batch: npt.NDArray[np.intp]
    boxes: FloatArray
    scores: FloatArray
    corners: FloatArray | None

    def take(self, index: npt.NDArray[np.intp]) -> RawPlates:
        """Return the plates at `index`, in its order."""
        corners = None if self.corners is None else self.corners[index]
        return RawPlates(self.batch[index], self.boxes[index], self.scores[index], corners)


def decode(heads: Sequence[FloatArray], contract: DetectorContract, threshold: float) -> RawPlates:
    """Decode all anchors whose objectness reaches `threshold`.

    Args:
        heads: one (N, A*K, H/stride, W/stride) float32 per stride, raw.
        contract: strides, anchors, corners.
        threshold: lowest confidence, between 0 and 1.
    """
    hits = [
        _hits(head, stride, anchors, contract.corners, _logit(threshold))
        for head, stride, anchors in zip(heads, contract.strides, contract.anchors, strict=True)
    ]
    batch, cells, strides, anchors, raw = (np.concatenate(part) for part in zip(*hits, strict=True))
    chances = _sigmoid(raw[:, :BOX_VALUES])
    bounded = 2 * chances[:, :OBJECTNESS]
    centres = (bounded[:, :2] - 0.5 + cells) * strides
    sizes = anchors * bounded[:, 2:] ** 2
    boxes = np.concatenate([centres - sizes / 2, centres + sizes / 2], 1).astype(np.float32)
    corners = None
    if contract.corners:
        offsets = raw[:, BOX_VALUES:].reshape(-1, 4, 2)
        corners = (centres[:, None] + offsets * sizes[:, None]).astype(np.float32)
    return RawPlates(batch, boxes, chances[:, OBJECTNESS], corners)


def suppress(plates: RawPlates, max_iou: float, max_inside: float) -> RawPlates:
    """Keep the best of overlapping plates (greedy), most confident first.

    Only the `MAX_PLATES` best are looked at: more than that is noise, and the cost grows with its square.

    Args:
        plates: of a whole batch; pictures do not suppress each other.
        max_iou: a plate that overlaps a better one more than this goes.
        max_inside: a plate goes that shares more than this part of the smaller box with a better one:
            two scales that see one plate, one of them only half of it.
    """
    if len(plates.scores) < 2:
        return plates
    order = np.argsort(-plates.scores, kind="stable")[:MAX_PLATES]
    plates = plates.take(order)
    shared = intersections(plates.boxes, plates.boxes)
    areas = box_area(plates.boxes)
    union = areas[:, None] + areas[None, :] - shared
    smaller = np.minimum(areas[:, None], areas[None, :])
    clash = (shared > max_iou * union) | (shared > max_inside * smaller)
    clash &= plates.batch[:, None] == plates.batch[None, :]
    kept: list[int] = []
    alive = np.ones(len(order), dtype=bool)
    for index in range(len(order)):
        if alive[index]:
            kept.append(index)
            alive &= ~clash[index]
    return plates.take(np.asarray(kept, dtype=np.intp))


def merge(looks: Sequence[RawPlates], max_iou: float, max_inside: float) -> RawPlates:
    """Merge several looks at one picture: a plate that several saw is as sure as the surest of them, and its
    box and corners are their mean, weighted by confidence (Solovyev et al., 2021, weighted boxes fusion).

    Args:
        looks: in pixels of the same picture, each suppressed and joined.
        max_iou: see `suppress`.
        max_inside: likewise.
    """
    some = [look for look in looks if len(look.scores)]
    if len(some) < 2:  # most frames show no plate
        return (some or looks)[0]
    seen = _together(some)
    kept = suppress(seen, max_iou, max_inside)
    weights = np.where(iou(kept.boxes, seen.boxes) > SAME_PLATE_IOU, seen.scores, np.float32(0))
    weights /= weights.sum(1, keepdims=True)
    corners = None if seen.corners is None else np.einsum("ks,sij->kij", weights, seen.corners)
    return join_parts(replace(kept, boxes=weights @ seen.boxes, corners=corners))


def _together(looks: Sequence[RawPlates]) -> RawPlates:
    """All plates of several looks but those below a pixel: a box without area does not overlap itself."""
    corners = [look.corners for look in looks if look.corners is not None]
    every = RawPlates(
        np.zeros(sum(len(look.scores) for look in looks), np.intp),
        np.concatenate([look.boxes for look in looks]),
        np.concatenate([look.scores for look in looks]),
        np.concatenate(corners) if corners else None,
    )
    return every.take(np.flatnonzero(box_area(every.boxes) >= 1))


def join_parts(plates: RawPlates) -> RawPlates:
    """Join boxes that hold the left and the right part of one plate, too wide for the network to see whole.

    Two plates on one line do not overlap; two boxes that do, and are about as sure, are of one.

    Args:
        plates: what `suppress` left, most confident first.
    """
    # Most frames show one plate or none.
    pairs = np.argwhere(np.triu(_are_parts(plates), 1)).tolist() if len(plates.boxes) > 1 else []
    if not pairs:
        return plates
    boxes = plates.boxes.copy()
    corners = None if plates.corners is None else plates.corners.copy()
    gone: set[int] = set()
    for better, weaker in pairs:
        if not gone & {better, weaker}:
            gone.add(weaker)
            left, right = sorted((better, weaker), key=lambda index: float(plates.boxes[index, 0]))
            boxes[better, :2] = np.minimum(boxes[left, :2], boxes[right, :2])
            boxes[better, 2:] = np.maximum(boxes[left, 2:], boxes[right, 2:])
            if corners is not None and plates.corners is not None:
                corners[better] = plates.corners[[left, right, right, left], [0, 1, 2, 3]]
    kept = [index for index in range(len(boxes)) if index not in gone]
    return RawPlates(plates.batch, boxes, plates.scores, corners).take(np.asarray(kept, np.intp))


def _are_parts(plates: RawPlates) -> npt.NDArray[np.bool_]:
    """Tell of each pair whether it is of one plate, (n, n)."""
    sides = np.maximum(plates.boxes[:, 2:] - plates.boxes[:, :2], np.float32(1e-6))
    shared = shared_sides(plates.boxes, plates.boxes) / np.minimum(sides[:, None], sides[None, :])
    alike = np.minimum(sides[:, None, 1], sides[None, :, 1]) / np.maximum(
        sides[:, None, 1], sides[None, :, 1]
    )
    is_on_line = (shared[..., 1] > SAME_LINE) & (alike > SAME_LINE)
    weaker = np.minimum(plates.scores[:, None], plates.scores[None, :])
    is_as_sure = weaker > AS_SURE * np.maximum(plates.scores[:, None], plates.scores[None, :])
    is_same = plates.batch[:, None] == plates.batch[None, :]
    return np.asarray((shared[..., 0] > LEAST_SHARED) & is_on_line & is_as_sure & is_same)


Hits: TypeAlias = tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any], FloatArray, FloatArray]


def _hits(
    head: FloatArray, stride: int, anchors: Sequence[tuple[float, float]], has_corners: bool, least: float
) -> Hits:
    """Pick a head's n anchors whose raw objectness reaches `least`.

    Returns:
        Picture (n,), column and row (n, 2), stride (n, 1), anchor (n, 2), raw values (n, K).
    """
    values = BOX_VALUES + (CORNER_VALUES if has_corners else 0)
    count, channels, rows, columns = head.shape
    if channels != len(anchors) * values:
        raise ValueError(
            f"head of stride {stride}: expected {len(anchors) * values} channels, got {channels}"
        )
    grid = head.reshape(count, len(anchors), values, rows, columns)
    is_hit = grid[:, :, OBJECTNESS] >= least
    # Of the flat array NumPy tells the places many times faster than of one with four axes.
    batch, anchor, row, column = np.unravel_index(np.flatnonzero(is_hit), is_hit.shape)
    sizes = np.array(anchors, np.float32)[anchor]
    raw = grid[batch, anchor, :, row, column]
    return batch, np.stack([column, row], 1), np.full((len(batch), 1), stride), sizes, raw


def _sigmoid(x: FloatArray) -> FloatArray:
    return np.asarray(1 / (1 + np.exp(-np.maximum(x, -60))), np.float32)


def _logit(probability: float) -> float:
    return math.log(probability / (1 - probability))
