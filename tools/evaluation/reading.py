"""How well plates are read: whole texts, characters, confidences; by country, lines and height."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from anpr_stream.plates.text import alike
from anpr_stream.types import ALPHABET

HEIGHT_STEPS_PX = (0.0, 12.0, 16.0, 24.0, 32.0, 64.0, float("inf"))
CONFIDENCE_BINS = 10

Group = dict[str, tuple[float, int]]
"""Share of right texts and number of plates, by name."""


@dataclass(frozen=True)
class ReadPlate:
    """One labelled plate and what was read of it. `height_px`: of the plate in its source picture."""

    truth: str
    text: str
    confidence: float
    country: str
    lines: int
    height_px: float


@dataclass(frozen=True)
class ReadingReport:
    """The figures of a reader on a set of plates.

    `exact` whole texts; `exact_equal` the same with O=0 and I=1; `character_error_rate` edits per true
    character; `calibration_error` mean distance of confidence from the share of right texts (ECE,
    Naeini et al. 2015); `reliability` (mean confidence, share right, plates) of each filled bin.
    """

    plates: int
    exact: float
    exact_equal: float
    character_error_rate: float
    by_country: Group
    by_lines: Group
    by_height: Group
    calibration_error: float
    reliability: tuple[tuple[float, float, int], ...]

    def lines(self) -> list[str]:
        """The report for people, one figure a line."""
        head = [
            f"plates {self.plates}",
            f"exact {self.exact:.4f}   with O=0, I=1: {self.exact_equal:.4f}",
            f"character error rate {self.character_error_rate:.4f}",
            f"expected calibration error {self.calibration_error:.4f}",
        ]
        groups = {"country": self.by_country, "lines": self.by_lines, "height": self.by_height}
        rows = [
            f"exact {kind} {name}: {share:.4f} of {count}"
            for kind, group in groups.items()
            for name, (share, count) in group.items()
        ]
        bins = [f"said {said:.3f}: right {right:.3f} of {count}" for said, right, count in self.reliability]
        return head + rows + bins


def report(plates: Sequence[ReadPlate]) -> ReadingReport:
    """All figures of `plates`."""
    right = np.array([plate.text == plate.truth for plate in plates], bool)
    equal = [alike(plate.text) == alike(plate.truth) for plate in plates]
    edits = sum(distance(plate.truth, plate.text) for plate in plates)
    reliability = tuple(_reliability(plates, right))
    return ReadingReport(
        plates=len(plates),
        exact=_share(right),
        exact_equal=_share(equal),
        character_error_rate=edits / max(1, sum(len(plate.truth) for plate in plates)),
        by_country=_grouped(plates, right, lambda plate: plate.country),
        by_lines=_grouped(plates, right, lambda plate: str(plate.lines)),
        by_height=_grouped(plates, right, lambda plate: _height_name(plate.height_px)),
        calibration_error=sum(abs(said - hit) * n for said, hit, n in reliability) / max(1, len(plates)),
        reliability=reliability,
    )


def aligned(truth: str, text: str) -> Iterator[tuple[str, str]]:
    """Characters of `truth` beside those of `text` by the cheapest edits, "" for none (from the end)."""
    costs = _edit_costs(truth, text)
    row, column = len(truth), len(text)
    while row or column:
        here = costs[row, column]
        if row and column and here == costs[row - 1, column - 1] + (truth[row - 1] != text[column - 1]):
            row, column = row - 1, column - 1
            yield truth[row], text[column]
        elif row and here == costs[row - 1, column] + 1:
            row -= 1
            yield truth[row], ""
        else:
            column -= 1
            yield "", text[column]


def distance(truth: str, text: str) -> int:
    """Edits that make `text` of `truth` (Levenshtein)."""
    return int(_edit_costs(truth, text)[-1, -1])


def confusions(plates: Iterable[ReadPlate]) -> npt.NDArray[np.int64]:
    """(36, 36) counts over `ALPHABET`: true character by read character; others than these do not count."""
    counts = np.zeros((len(ALPHABET), len(ALPHABET)), np.int64)
    for plate in plates:
        for true, read in aligned(plate.truth, plate.text):
            if true and read and true in ALPHABET:
                counts[ALPHABET.index(true), ALPHABET.index(read)] += 1
    return counts


def _edit_costs(truth: str, text: str) -> npt.NDArray[np.int64]:
    costs = np.zeros((len(truth) + 1, len(text) + 1), np.int64)
    costs[:, 0], costs[0] = np.arange(len(truth) + 1), np.arange(len(text) + 1)
    for row, true in enumerate(truth, 1):
        for column, read in enumerate(text, 1):
            swapped = costs[row - 1, column - 1] + (true != read)
            costs[row, column] = min(swapped, costs[row - 1, column] + 1, costs[row, column - 1] + 1)
    return costs


def _share(hits: Sequence[bool] | npt.NDArray[np.bool_]) -> float:
    return float(np.mean(hits)) if len(hits) else 0.0


def _height_name(height_px: float) -> str:
    low, high = next(pair for pair in pairwise(HEIGHT_STEPS_PX) if height_px < pair[1])
    return f"{low:.0f}-{high:.0f} px"


def _grouped(
    plates: Sequence[ReadPlate], right: npt.NDArray[np.bool_], name: Callable[[ReadPlate], str]
) -> Group:
    groups: dict[str, list[bool]] = defaultdict(list)
    for plate, hit in zip(plates, right, strict=True):
        groups[name(plate)].append(bool(hit))
    return {key: (_share(hits), len(hits)) for key, hits in sorted(groups.items())}


def _reliability(
    plates: Sequence[ReadPlate], right: npt.NDArray[np.bool_]
) -> Iterator[tuple[float, float, int]]:
    said = np.array([plate.confidence for plate in plates])
    place = np.minimum((said * CONFIDENCE_BINS).astype(int), CONFIDENCE_BINS - 1)
    for index in np.unique(place):
        inside = place == index
        yield float(said[inside].mean()), float(right[inside].mean()), int(inside.sum())
