"""What is known of a plate column by column: the reads of one plate, aligned and added up.

Reads of one text align by themselves, so they are added up first, as one variant. The variants,
heaviest first, are aligned into a profile: one column per character of the plate, each with the log
likelihood of the 36 characters and of "no character here".
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from anpr_stream.config.tracking import FusionSettings
from anpr_stream.tracking.alignment import Logs, Pair, align, diagonal, likeness
from anpr_stream.tracking.budget import worth
from anpr_stream.types import ALPHABET, CropQuality, Read

GAP = len(ALPHABET)
"""Place of "no character here" after the 36 characters."""

_LEAST_WEIGHT = 0.02


@dataclass(slots=True)
class Variant:
    """All reads of a plate with one text.

    Attributes:
        text: A-Z0-9.
        is_truncated: the picture's edge cut the plate.
        logs: (L, 37) log likelihoods of the reads, weighted and added up.
        weight: sum of the reads' weights.
        surest: largest confidence of a read in itself.
        best: weight of the heaviest read.
        reads: their number.
        lines: weight by line lengths.
    """

    text: str
    is_truncated: bool
    logs: Logs
    weight: float
    surest: float
    best: float
    reads: int = 1
    lines: Counter[tuple[int, ...]] = field(default_factory=Counter)

    @staticmethod
    def of(read: Read, quality: CropQuality, settings: FusionSettings) -> Variant:
        """Weigh one read; a share of doubt keeps any single read from deciding alone."""
        characters = read.character_probabilities.astype(np.float64)
        gaps = np.maximum(1.0 - characters.sum(axis=1, keepdims=True), settings.extra_character)
        likelihood = (1.0 - settings.smoothing) * np.hstack([characters, gaps])
        belief = settings.doubted_weight + (1.0 - settings.doubted_weight) * read.confidence
        weight = max(worth(quality, settings) * belief, _LEAST_WEIGHT)
        return Variant(
            text=read.text,
            is_truncated=quality.truncated,
            logs=weight * np.log(likelihood + settings.smoothing / (GAP + 1)),
            weight=weight,
            surest=read.confidence,
            best=weight,
            lines=Counter({read.line_lengths: weight}),
        )

    def take(self, other: Variant) -> None:
        """Add further reads of the same text."""
        self.logs = self.logs + other.logs
        self.weight += other.weight
        self.surest = max(self.surest, other.surest)
        self.best = max(self.best, other.best)
        self.reads += other.reads
        self.lines.update(other.lines)


class Profile:
    """The columns of a plate as its variants make them.

    Args:
        variants: at least one, heaviest first.
        settings: rates of missed and extra characters.
    """

    def __init__(self, variants: Sequence[Variant], settings: FusionSettings) -> None:
        self._missed, self._extra = settings.missed_character, settings.extra_character
        self._absent = np.full(GAP + 1, math.log(self._missed))
        self._absent[GAP] = math.log(1.0 - self._extra)
        self._columns = variants[0].logs
        self._weight = variants[0].weight
        self._whole = 0.0 if variants[0].is_truncated else variants[0].weight
        self._places = [list(range(len(self._columns)))]
        self._variants = variants
        for variant in variants[1:]:
            self._add(variant)

    def posterior(self, independent_reads: float) -> Logs:
        """Return the probability of each character and of none, (C, 37), rows sum to 1.

        The heaviest read counts as one, the others in proportion.

        Args:
            independent_reads: number of such reads beyond which more add no certainty.
        """
        heaviest = max(variant.best for variant in self._variants)
        return _softmax(self._columns * min(1.0 / heaviest, independent_reads / self._weight))

    def line_lengths(self, kept: npt.NDArray[np.bool_]) -> tuple[int, ...]:
        """Return the number of characters of each line; the weight of the reads decides.

        Args:
            kept: (C,) which columns hold a character.
        """
        total = int(kept.sum())
        lines = Counter[tuple[int, ...]]()
        for variant in self._variants:
            lines.update(variant.lines)
        parted = sum(weight for lengths, weight in lines.items() if len(lengths) > 1)
        if 2 * parted <= lines.total():
            return (total,)
        heaviest = max(range(len(self._variants)), key=lambda number: self._parted_weight(number))
        lengths = max(
            (p for p in self._variants[heaviest].lines.items() if len(p[0]) > 1), key=lambda p: p[1]
        )[0]
        first = int(kept[: self._places[heaviest][lengths[0] - 1] + 1].sum())
        return (first, total - first) if 0 < first < total else (total,)

    def _parted_weight(self, number: int) -> float:
        return sum(weight for lengths, weight in self._variants[number].lines.items() if len(lengths) > 1)

    def _add(self, variant: Variant) -> None:
        pairs = self._aligned(variant)
        columns_at = [at for at, (column, _) in enumerate(pairs) if column is not None]
        rows_at = [at for at, (_, row) in enumerate(pairs) if row is not None]
        joined = np.zeros((len(pairs), GAP + 1))
        joined[columns_at] += self._columns
        joined[rows_at] += variant.logs
        # A plate that the picture's edge cuts says nothing about what lies beyond the edge.
        votes = 0.0 if variant.is_truncated else variant.weight
        for at, (column, row) in enumerate(pairs):
            if row is None:
                joined[at] += self._absent * (variant.weight if rows_at[0] < at < rows_at[-1] else votes)
            elif column is None:
                is_within = columns_at[0] < at < columns_at[-1]
                joined[at] += self._absent * (self._weight if is_within else self._whole)
        self._columns = joined
        self._places = [[columns_at[place] for place in places] for places in self._places] + [rows_at]
        self._weight += variant.weight
        self._whole += votes

    def _aligned(self, variant: Variant) -> list[Pair]:
        columns, rows = _softmax(self._columns / self._weight), _softmax(variant.logs / variant.weight)
        scores = likeness(columns[:, :GAP], rows[:, :GAP])
        column_gaps = np.log(columns[:, GAP] + self._missed).tolist()
        row_gaps = np.log(rows[:, GAP] + self._extra).tolist()
        return diagonal(scores) or align(scores, column_gaps, row_gaps, variant.is_truncated)


def _softmax(logs: Logs) -> Logs:
    powers = np.exp(logs - logs.max(axis=1, keepdims=True))
    normal: Logs = powers / powers.sum(axis=1, keepdims=True)
    return normal
