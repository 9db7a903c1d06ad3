"""Which detection continues which track: optimal assignment with a gate."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from anpr_stream.config.tracking import TrackerSettings
from anpr_stream.tracking.motion import PlateMotion, measure
from anpr_stream.types import Box

Matrix = npt.NDArray[np.float64]

FORBIDDEN = 1e6
"""Cost of a pair outside the gate; finite, because the assignment refuses rows of infinities."""


def iou(first: Matrix, second: Matrix) -> Matrix:
    """Return intersection over union of each pair: (N, 4) and (M, 4) boxes to (N, M)."""
    a, b = first[:, None, :], second[None, :, :]
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    shared = np.prod(np.clip(sides, 0.0, None), axis=-1)
    area_a, area_b = (np.prod(boxes[..., 2:] - boxes[..., :2], axis=-1) for boxes in (a, b))
    total: Matrix = shared / np.maximum(area_a + area_b - shared, 1e-9)
    return total


def pair_costs(
    plates: Sequence[PlateMotion],
    boxes: Sequence[Box],
    reach_heights: Sequence[float],
    settings: TrackerSettings,
) -> Matrix:
    """Return the (N, M) cost of each pair of plate and box: 0 ideal .. 1 at the gate, else `FORBIDDEN`.

    Plates are small: at low frame rates a plate's boxes hardly ever overlap. So the distance to the
    forecast in units of its own uncertainty, which grows with the time step, decides, and the
    overlap only helps where there is one.

    Args:
        plates: N tracks at the time of the boxes.
        boxes: M boxes in pixels.
        reach_heights: the furthest that a box may be from each plate's forecast, in plate heights.
        settings: gates.
    """
    states = np.array([plate.state for plate in plates])
    seen = np.concatenate([measure(box) for box in boxes])
    offset = states[:, None, :] - seen[None, :, :]
    spread = np.array([plate.spread_heights for plate in plates])
    reach = np.exp(states[:, 2]) * np.minimum(spread * settings.gate_sigma, reach_heights)
    distance = np.hypot(offset[..., 0], offset[..., 1]) / reach[:, None]
    growth = np.abs(offset[..., 2]) / np.log(settings.max_growth)
    overlap = iou(np.array([plate.box for plate in plates]), np.array(boxes, dtype=float))
    inside = ((distance < 1.0) | (overlap > settings.min_iou)) & (growth < 1.0)
    cost = (np.minimum(distance, 1.0) + growth + 1.0 - overlap) / 3.0
    return np.where(inside, cost, FORBIDDEN)


def assign(costs: Matrix) -> list[tuple[int, int]]:
    """Return the pairs (row, column) of least total cost, without forbidden ones."""
    rows, columns = linear_sum_assignment(costs)
    return [(int(r), int(c)) for r, c in zip(rows, columns, strict=True) if costs[r, c] < FORBIDDEN]
