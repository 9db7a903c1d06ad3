"""The detector's loss: complete IoU for boxes, IoU-aware balanced objectness, masked corners."""

from __future__ import annotations

from dataclasses import dataclass
from math import pi

import torch
from torch import Tensor
from torch.nn import functional

from tools.training.detector import DetectorConfig, decode_boxes, split_head

RATIO_LIMIT = 4.0
HEAD_BALANCE = (3.0, 1.6, 1.2)
"""Weight of a cell's objectness by head, finest first. With 4, 1 and 0.4 large plates were never sure."""
BOX_GAIN = 1.5
OBJECT_GAIN = 1.0
CORNER_GAIN = 0.3


@dataclass(frozen=True)
class Targets:
    """The plates of a batch: `picture` (n,) int64 index in the batch; `boxes` (n, 4) float32 cx cy w h in
    input pixels; `quads` (n, 8) float32 corners in box widths and heights from the centre, NaN where
    unknown; `ignored` (N, H/8, W/8) bool."""

    picture: Tensor
    boxes: Tensor
    quads: Tensor
    ignored: Tensor


@dataclass(frozen=True)
class Positives:
    """Cells of one head that answer for a plate: indices (m,) of picture, anchor, row, column and plate."""

    picture: Tensor
    anchor: Tensor
    row: Tensor
    column: Tensor
    plate: Tensor


def match(targets: Targets, anchors: Tensor, stride: int, rows: int, columns: int) -> Positives:
    """Every anchor (A, 2) within a factor of four of the plate, in its cell and the two nearest neighbours.

    Many answers for one plate make the training several times faster than the paper's single one
    (the assignment of YOLOv5).
    """
    ratio = targets.boxes[:, None, 2:] / anchors[None]
    fits = torch.maximum(ratio, 1 / ratio).amax(2) < RATIO_LIMIT
    plate, anchor = fits.nonzero(as_tuple=True)
    centre = targets.boxes[plate, :2] / stride
    inner = centre - centre.floor() - 0.5
    steps = torch.zeros(3, len(plate), 2, dtype=torch.long, device=centre.device)
    steps[1, :, 0], steps[2, :, 1] = inner[:, 0].sign().long(), inner[:, 1].sign().long()
    cells = (centre.floor().long() + steps).view(-1, 2)
    moved = (steps != 0).any(2)
    moved[0] = True
    inside = (cells >= 0).all(1) & (cells[:, 0] < columns) & (cells[:, 1] < rows) & moved.view(-1)
    plate, anchor = plate.repeat(3)[inside], anchor.repeat(3)[inside]
    cells = cells[inside]
    return Positives(targets.picture[plate], anchor, cells[:, 1], cells[:, 0], plate)


def complete_iou(boxes: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    """IoU and complete IoU (Zheng et al., 2020) of paired boxes (n, 4) cx cy w h."""
    low = torch.maximum(boxes[:, :2] - boxes[:, 2:] / 2, others[:, :2] - others[:, 2:] / 2)
    high = torch.minimum(boxes[:, :2] + boxes[:, 2:] / 2, others[:, :2] + others[:, 2:] / 2)
    shared = (high - low).clamp(min=0).prod(1)
    iou = shared / (boxes[:, 2:].prod(1) + others[:, 2:].prod(1) - shared + 1e-7)
    outer_low = torch.minimum(boxes[:, :2] - boxes[:, 2:] / 2, others[:, :2] - others[:, 2:] / 2)
    outer_high = torch.maximum(boxes[:, :2] + boxes[:, 2:] / 2, others[:, :2] + others[:, 2:] / 2)
    diagonal = (outer_high - outer_low).pow(2).sum(1) + 1e-7
    apart = (boxes[:, :2] - others[:, :2]).pow(2).sum(1)
    angles = torch.atan(boxes[:, 2] / boxes[:, 3]) - torch.atan(others[:, 2] / others[:, 3])
    shape = 4 / pi**2 * angles.pow(2)
    with torch.no_grad():
        weight = shape / (1 - iou + shape + 1e-7)
    return iou, iou - apart / diagonal - weight * shape


class DetectorLoss:
    """Loss of the three raw heads against a batch's plates, per answering cell."""

    def __init__(self, config: DetectorConfig) -> None:
        self._config = config

    def __call__(self, heads: tuple[Tensor, ...], targets: Targets) -> dict[str, Tensor]:
        """`box`, `object`, `corner` and their weighted sum `loss`, all scalars in float32."""
        total = {name: heads[0].new_zeros((), dtype=torch.float32) for name in ("box", "object", "corner")}
        answers = 0
        for index, head in enumerate(heads):
            parts, count = self._head(index, head.float(), targets)
            answers += count
            for name, value in parts.items():
                total[name] = total[name] + value
        scale = 1 / max(answers, len(heads[0]))
        total = {name: value * scale for name, value in total.items()}
        weighted = (BOX_GAIN * total["box"], OBJECT_GAIN * total["object"], CORNER_GAIN * total["corner"])
        total["loss"] = weighted[0] + weighted[1] + weighted[2]
        return total

    def _head(self, index: int, head: Tensor, targets: Targets) -> tuple[dict[str, Tensor], int]:
        stride = self._config.strides[index]
        raw = split_head(head, self._config.values)
        rows, columns = raw.shape[2:4]
        anchors = torch.tensor(self._config.anchors[index], device=head.device)
        found = match(targets, anchors, stride, rows, columns)
        wanted = torch.zeros_like(raw[..., 4])
        parts = {}
        if len(found.plate):
            values = raw[found.picture, found.anchor, found.row, found.column]
            cells = torch.stack([found.column, found.row], 1)
            boxes = decode_boxes(values[:, :4], cells, anchors[found.anchor], stride)
            iou, complete = complete_iou(boxes, targets.boxes[found.plate])
            parts["box"] = (1 - complete).sum()
            goal = iou.detach().clamp(0, 1)
            wanted.index_put_((found.picture, found.anchor, found.row, found.column), goal)
            if self._config.corners:
                parts["corner"] = _corner_loss(values[:, 5:], targets.quads[found.plate])
        judged = self._judged(targets.ignored, wanted, rows, columns)
        entropy = functional.binary_cross_entropy_with_logits(raw[..., 4], wanted, reduction="none")
        parts["object"] = (entropy * judged).sum() * HEAD_BALANCE[index]
        return parts, len(found.plate)

    @staticmethod
    def _judged(ignored: Tensor, wanted: Tensor, rows: int, columns: int) -> Tensor:
        """1 where the objectness counts: at every answer, and wherever the picture's labels are complete."""
        coarse = functional.adaptive_max_pool2d(ignored[:, None].float(), (rows, columns))
        return torch.maximum(1 - coarse, (wanted > 0).float())


def _corner_loss(values: Tensor, quads: Tensor) -> Tensor:
    known = ~quads.isnan().any(1)
    if not bool(known.any()):
        return values.sum() * 0
    return functional.smooth_l1_loss(values[known], quads[known], beta=0.05, reduction="sum") / 4
