"""What an answer means: plates, texts, characters. Two answers can be near in numbers and far apart in that.

The numbers that matter are few: of a detector's heads one in a thousand says that there is a plate.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from anpr_stream.config.models import DetectorSettings
from anpr_stream.types import FloatArray
from anpr_stream.vision.contract import Contract, DetectorContract, ReaderContract
from anpr_stream.vision.ctc import greedy_runs, softmax
from anpr_stream.vision.geometry import box_area, iou
from anpr_stream.vision.yolo import decode, suppress

SURE = 0.5
"""What one answer is so sure of must also be in the other one."""
HALF_SURE = SURE / 2
"""A plate may be so much less sure there."""
SAME_IOU = 0.45
LEAST_PX = 4.0
"""Area of a box in pixels below which rounding decides whether two are the same."""

Outputs = Mapping[str, FloatArray]


def difference(got: Outputs, right: Outputs, contract: Contract) -> str | None:
    """Tell in words what is sure in one answer and not in the other; None if nothing is.

    Args:
        got: the outputs of an engine, of the same names and shapes as the right ones.
        right: those that the network gave where it was trained.
        contract: how to understand them.
    """
    if isinstance(contract, DetectorContract):
        lost, made_up = _missing_plates(right, got, contract), _missing_plates(got, right, contract)
        return f"it loses {lost} plates and makes up {made_up}" if lost or made_up else None
    lines, temperature = 0, 1.0
    if isinstance(contract, ReaderContract):
        lines, temperature = contract.lines, contract.temperature
    read, true = (softmax(outputs["logits"], temperature) for outputs in (got, right))
    misread = [
        _spelled(b, lines) != _spelled(a, lines) for a, b in zip(true, read, strict=True) if _is_sure(a)
    ]
    return f"it misreads {sum(misread)} of {len(misread)}" if any(misread) else None


def _missing_plates(sure: Outputs, other: Outputs, contract: DetectorContract) -> int:
    """Count the sure plates of one answer that the other one lacks."""
    usual = DetectorSettings()
    wanted = decode([sure[head] for head in contract.heads], contract, SURE)
    wanted = suppress(wanted, usual.max_iou, usual.max_inside)
    found = decode([other[head] for head in contract.heads], contract, HALF_SURE)
    same = iou(wanted.boxes, found.boxes) >= SAME_IOU
    same &= wanted.batch[:, None] == found.batch[None, :]
    is_plate = box_area(wanted.boxes) >= LEAST_PX
    return int((is_plate & ~same.any(axis=1)).sum())


def _is_sure(probabilities: FloatArray) -> bool:
    """Tell of one text, (steps, 37), or of one character, (36,)."""
    return bool(probabilities.max(axis=-1).prod() >= SURE)


def _spelled(probabilities: FloatArray, lines: int) -> list[int]:
    """Return the classes of a text of `lines` lines, or of a single character for none."""
    if not lines:
        return [int(probabilities.argmax())]
    return [klass for part in np.split(probabilities, lines) for klass, _, _ in greedy_runs(part)]
