"""Aligning what two reads say: which character of one stands for which of the other.

An alignment is a list of pairs (column, row); None on one side is a gap (Needleman and Wunsch 1970).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Logs: TypeAlias = npt.NDArray[np.float64]
Pair: TypeAlias = tuple[int | None, int | None]

_TINY = 1e-9
_ALIKE = math.log(0.2)
"""Likeness from which on two characters may be the same."""


def likeness(columns: Logs, rows: Logs) -> Logs:
    """Return the log probability that a column and a row hold the same character, for each pair.

    Args:
        columns: (C, K) distributions.
        rows: (R, K) distributions.

    Returns:
        (C, R), at most 0.
    """
    scores: Logs = np.log(columns @ rows.T + _TINY)
    return scores


def diagonal(scores: Logs) -> list[Pair] | None:
    """Return the alignment without gaps if it is beyond doubt: same length, most pairs alike.

    Args:
        scores: (C, R) from `likeness`.
    """
    columns, rows = scores.shape
    if columns != rows or 3 * int((scores.diagonal() < _ALIKE).sum()) > columns:
        return None
    return [(place, place) for place in range(columns)]


def align(
    scores: Logs, column_gaps: Sequence[float], row_gaps: Sequence[float], free_ends: bool = False
) -> list[Pair]:
    """Return the likeliest alignment.

    Args:
        scores: (C, R) log probability of each pair.
        column_gaps: log probability of each column having no row.
        row_gaps: log probability of each row having no column.
        free_ends: columns before the first and after the last row cost nothing (a cut-off plate).
    """
    columns, rows = scores.shape
    pairs = scores.tolist()
    best = [[0.0] * (rows + 1) for _ in range(columns + 1)]
    for row in range(1, rows + 1):
        best[0][row] = best[0][row - 1] + row_gaps[row - 1]
    for column in range(1, columns + 1):
        above, here, likes = best[column - 1], best[column], pairs[column - 1]
        gap = column_gaps[column - 1]
        here[0] = above[0] + (0.0 if free_ends else gap)
        for row in range(1, rows + 1):
            skip = 0.0 if free_ends and row == rows else gap
            here[row] = max(
                above[row - 1] + likes[row - 1], above[row] + skip, here[row - 1] + row_gaps[row - 1]
            )
    return _trace(best, pairs, row_gaps)


def _trace(best: list[list[float]], pairs: list[list[float]], row_gaps: Sequence[float]) -> list[Pair]:
    """Walk back along the choices that made the best score."""
    column, row = len(best) - 1, len(best[0]) - 1
    way: list[Pair] = []
    while column or row:
        here = best[column][row]
        is_pair = column and row and _same(here, best[column - 1][row - 1] + pairs[column - 1][row - 1])
        is_insert = not is_pair and row and _same(here, best[column][row - 1] + row_gaps[row - 1])
        way.append((None if is_insert else column - 1, None if not (is_pair or is_insert) else row - 1))
        column -= not is_insert
        row -= bool(is_pair or is_insert)
    return way[::-1]


def _same(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=1e-12, abs_tol=1e-12)
