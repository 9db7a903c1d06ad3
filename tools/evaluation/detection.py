"""How well plates are found: average precision, recall by plate height, false plates where there are none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]

IOU_STEPS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
HEIGHT_STEPS_PX = (0.0, 8.0, 12.0, 16.0, 24.0, 48.0, float("inf"))
READABLE_FROM_PX = 12.0


@dataclass(frozen=True)
class Truth:
    """What is in a picture. `boxes`: (n, 4) float32 x1 y1 x2 y2 in its pixels; `heights_px`: (n,) float32
    plate heights in the network's input; `complete`: every plate has its box."""

    boxes: FloatArray
    heights_px: FloatArray
    complete: bool = True
    country: str = ""


@dataclass(frozen=True)
class Found:
    """What a detector found in a picture. `boxes`: (m, 4) float32 x1 y1 x2 y2 in its pixels;
    `confidences`: (m,) float32 0..1."""

    boxes: FloatArray
    confidences: FloatArray


@dataclass(frozen=True)
class Matches:
    """All finds of a set of pictures against the truth at one IoU. `confidences`, `right`: (m,), finds in
    incomplete pictures that match no box left out; `taken`: (n,) float32, per plate the confidence of its
    find, 0 where there is none."""

    confidences: FloatArray
    right: BoolArray
    taken: FloatArray


@dataclass(frozen=True)
class DetectionReport:
    """The figures of a detector on a set of pictures, all at one confidence threshold but the precisions."""

    pictures: int
    plates: int
    ap50: float
    ap50_95: float
    threshold: float
    recall: float
    recall_readable: float
    readable: int
    precision: float
    recall_by_height: dict[str, tuple[float, int]]
    recall_by_country: dict[str, tuple[float, int]]
    negatives: int
    false_on_negatives: int

    def lines(self) -> list[str]:
        """The report for people, one figure a line."""
        head = [
            f"pictures {self.pictures}, plates {self.plates}, threshold {self.threshold:.2f}",
            f"AP50 {self.ap50:.4f}   AP50:95 {self.ap50_95:.4f}",
            f"recall {self.recall:.4f}   precision {self.precision:.4f}",
            f"recall from {READABLE_FROM_PX:.0f} px height on: {self.recall_readable:.4f} of {self.readable}",
            f"false plates on {self.negatives} pictures without plates: {self.false_on_negatives}",
        ]
        groups = {"height": self.recall_by_height, "country": self.recall_by_country}
        rows = [
            f"recall {kind} {name}: {share:.4f} of {count}"
            for kind, group in groups.items()
            for name, (share, count) in group.items()
        ]
        return head + rows


def pairwise_iou(boxes: FloatArray, others: FloatArray) -> FloatArray:
    """IoU (n, m) of boxes (n, 4) and (m, 4), x1 y1 x2 y2."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    shared = np.maximum(high - low, 0).prod(2)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(1)[:, None] + (others[:, 2:] - others[:, :2]).prod(1)[None]
    return np.asarray(shared / np.maximum(areas - shared, 1e-9), dtype=np.float32)


def match_picture(truth: Truth, found: Found, iou: float) -> Matches:
    """Greedy matching as in Pascal VOC: the surest find first, each plate once, the best overlap left."""
    order = np.argsort(-found.confidences, kind="stable")
    confidences = found.confidences[order]
    overlaps = pairwise_iou(found.boxes[order], truth.boxes)
    right = np.zeros(len(order), bool)
    taken = np.zeros(len(truth.boxes), np.float32)
    for index, overlap in enumerate(overlaps):
        free = np.where(taken == 0, overlap, 0)
        if len(free) and free.max() >= iou:
            right[index] = True
            taken[free.argmax()] = confidences[index]
    counted = right | truth.complete
    return Matches(confidences[counted], right[counted], taken)


def match_all(truths: Sequence[Truth], found: Sequence[Found], iou: float) -> Matches:
    """Matches of many pictures in one, in their order."""
    parts = [match_picture(truth, finds, iou) for truth, finds in zip(truths, found, strict=True)]
    if not parts:
        return Matches(np.zeros(0, np.float32), np.zeros(0, bool), np.zeros(0, np.float32))
    return Matches(
        np.concatenate([part.confidences for part in parts]),
        np.concatenate([part.right for part in parts]),
        np.concatenate([part.taken for part in parts]),
    )


def average_precision(matches: Matches) -> float:
    """Area under precision over recall, precision made monotonous (all points); 0 without plates."""
    plates = len(matches.taken)
    if not plates or not len(matches.right):
        return 0.0
    order = np.argsort(-matches.confidences, kind="stable")
    right = matches.right[order].cumsum()
    precision = right / np.arange(1, len(order) + 1)
    best_from_here = np.maximum.accumulate(precision[::-1])[::-1]
    gained = np.diff(right / plates, prepend=0.0)
    return float((gained * best_from_here).sum())


def report(truths: Sequence[Truth], found: Sequence[Found], threshold: float) -> DetectionReport:
    """All figures of finds (of any confidence; the more weak ones, the truer the precision curve)."""
    at_half = match_all(truths, found, IOU_STEPS[0])
    precisions = [average_precision(match_all(truths, found, iou)) for iou in IOU_STEPS]
    heights = _joined([truth.heights_px for truth in truths])
    countries = np.array([truth.country or "unknown" for truth in truths for _ in truth.boxes])
    hit = at_half.taken >= threshold
    hit &= at_half.taken > 0
    readable = heights >= READABLE_FROM_PX
    kept = at_half.confidences >= threshold
    return DetectionReport(
        pictures=len(truths),
        plates=len(heights),
        ap50=precisions[0],
        ap50_95=float(np.mean(precisions)),
        threshold=threshold,
        recall=_share(hit),
        recall_readable=_share(hit[readable]),
        readable=int(readable.sum()),
        precision=_share(at_half.right[kept]),
        recall_by_height=_by_height(hit, heights),
        recall_by_country={
            str(name): (_share(hit[countries == name]), int((countries == name).sum()))
            for name in np.unique(countries)
        },
        negatives=sum(_is_negative(truth) for truth in truths),
        false_on_negatives=false_plates(truths, found, threshold),
    )


def false_plates(truths: Sequence[Truth], found: Sequence[Found], threshold: float) -> int:
    """Number of finds at or over `threshold` in pictures that surely hold no plate."""
    pairs = zip(truths, found, strict=True)
    return sum(int((finds.confidences >= threshold).sum()) for truth, finds in pairs if _is_negative(truth))


def lowest_threshold(
    truths: Sequence[Truth], found: Sequence[Found], false_share: float, start: float = 0.05
) -> float:
    """The lowest threshold (steps of 0.01) with at most `false_share` false plates per negative picture."""
    negatives = sum(_is_negative(truth) for truth in truths)
    for step in range(round(start * 100), 100):
        if false_plates(truths, found, step / 100) <= false_share * negatives:
            return step / 100
    return 1.0


def _is_negative(truth: Truth) -> bool:
    return truth.complete and not len(truth.boxes)


def _joined(parts: Sequence[FloatArray]) -> FloatArray:
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)


def _share(hits: BoolArray) -> float:
    return float(hits.mean()) if len(hits) else 0.0


def _by_height(hit: BoolArray, heights_px: FloatArray) -> dict[str, tuple[float, int]]:
    groups = {}
    for low, high in pairwise(HEIGHT_STEPS_PX):
        inside = (heights_px >= low) & (heights_px < high)
        groups[f"{low:.0f}-{high:.0f} px"] = (_share(hit[inside]), int(inside.sum()))
    return groups
