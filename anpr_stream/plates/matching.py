"""How far apart two texts are, by the mistakes that the reader makes; the nearest of many at once.

The distance of a text from an entry is a weighted edit distance (Wagner and Fischer 1974): a common
confusion of the reader costs about 0.3, any other change of a character 1.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from anpr_stream.errors import ModelError
from anpr_stream.types import ALPHABET, FloatArray

Codes = npt.NDArray[np.intp]

# fmt: off
_LOOK_ALIKES = (
    "0OQD", "1IL", "2Z", "5S", "8B", "6G", "7T", "4A", "UV", "VY", "MN", "CG", "EF", "PR", "HM", "KX",
)
# fmt: on
"""Groups of characters that readers and people confuse, the prior where no reader was measured."""
_LOOK_ALIKE_COST = 0.3
_GAP_COST = 1.0
_THIN = "1I"
_THIN_GAP_COST = 0.6
"""Thin characters come and go with bolts, borders and dividing marks."""
_GAPS = np.array([_THIN_GAP_COST if c in _THIN else _GAP_COST for c in ALPHABET], dtype=np.float32)
_COMMON, _RAREST = 0.02, 0.0005
"""Rates of confusions that cost as much as a look-alike of the prior, and as any other change."""


_PLACES = np.full(128, -1, dtype=np.intp)
_PLACES[[ord(character) for character in ALPHABET]] = range(len(ALPHABET))


def _codes(text: str) -> Codes:
    return _PLACES[np.frombuffer(text.encode("ascii"), dtype=np.uint8)]


def _prior() -> FloatArray:
    costs = np.ones((len(ALPHABET), len(ALPHABET)), dtype=np.float32)
    for group in _LOOK_ALIKES:
        costs[np.ix_(_codes(group), _codes(group))] = _LOOK_ALIKE_COST
    np.fill_diagonal(costs, 0.0)
    return costs


class Confusions:
    """What it costs to take one character for another.

    Args:
        costs: (36, 36) float32 over `ALPHABET`, true character by read character, 0 on the diagonal;
            the prior of look-alikes for None.
    """

    def __init__(self, costs: FloatArray | None = None) -> None:
        self.costs: FloatArray = _prior() if costs is None else costs
        rows = (dict(zip(ALPHABET, map(float, row), strict=True)) for row in self.costs)
        self._table = dict(zip(ALPHABET, rows, strict=True))

    @classmethod
    def from_counts(cls, counts: npt.ArrayLike) -> Confusions:
        """Turn a reader's confusion matrix into costs.

        The cost falls with the logarithm of the rate, from 1 for the rarest that counts over that of a
        look-alike for common ones down to a tenth; without observations the prior stands.

        Args:
            counts: (36, 36), true character by read character.
        """
        matrix = np.asarray(counts, dtype=np.float64)
        # The prior stands in for a hundred observations, so that rare characters are not free.
        prior = np.where(_prior() < 1.0, _COMMON, _RAREST)
        rates = (matrix + 100 * prior) / (matrix.sum(axis=1, keepdims=True) + 100)
        rarity = np.log(_COMMON / rates) / np.log(_COMMON / _RAREST)
        costs = np.clip(_LOOK_ALIKE_COST + (1 - _LOOK_ALIKE_COST) * rarity, 0.1, 1.0).astype(np.float32)
        np.fill_diagonal(costs, 0.0)
        return cls(costs)

    @classmethod
    def load(cls, path: Path) -> Confusions:
        """Read `{"alphabet": ..., "counts": [[36] * 36]}`; the prior where there is no file.

        Raises:
            ModelError: a file of another form.
        """
        if not path.is_file():
            return cls()
        try:
            document = json.loads(path.read_text("utf-8"))
            counts = np.asarray(document["counts"], dtype=np.float64)
        except (ValueError, KeyError, TypeError) as error:
            raise ModelError(
                f"{path}: not a confusion matrix ({error}); make it anew or remove it"
            ) from error
        if document.get("alphabet") != ALPHABET or counts.shape != (len(ALPHABET),) * 2:
            raise ModelError(f"{path}: expected 36x36 counts over {ALPHABET}; make it anew or remove it")
        return cls.from_counts(counts)

    def distance(self, true: str, read: str) -> float:
        """Return the weighted edit distance of a read text from a true one, both A-Z0-9."""
        row = [0.0]
        for character in read:
            row.append(row[-1] + self._gap(character))
        for character in true:
            gap = self._gap(character)
            costs = self._table[character]
            below = [row[0] + gap]
            for place, other in enumerate(read):
                kept = min(row[place] + costs[other], row[place + 1] + gap)
                below.append(min(kept, below[-1] + self._gap(other)))
            row = below
        return row[-1]

    def turned(self) -> Confusions:
        """Return the costs the other way round, of read characters by true ones."""
        return Confusions(np.ascontiguousarray(self.costs.T))

    def costs_of(self, read: str) -> npt.NDArray[np.float32]:
        """Return what each character of a text costs as each true one: (len(read), 36) float32."""
        return np.ascontiguousarray(self.costs[:, _codes(read)].T)

    def _gap(self, character: str) -> float:
        return _THIN_GAP_COST if character in _THIN else _GAP_COST


class TextIndex:
    """Many texts, of which the nearest to another are wanted; 10,000 take a few milliseconds.

    Args:
        texts: A-Z0-9, in any order; empty ones are left out.
        confusions: what mistakes cost.
    """

    def __init__(self, texts: Iterable[str], confusions: Confusions | None = None) -> None:
        self._confusions = confusions or Confusions()
        by_length: dict[int, list[str]] = {}
        for text in dict.fromkeys(texts):
            by_length.setdefault(len(text), []).append(text)
        by_length.pop(0, None)
        self._texts = by_length
        self._codes = {
            length: _codes("".join(texts)).reshape(-1, length).T for length, texts in by_length.items()
        }

    def near(self, read: str, limit: float) -> list[tuple[float, str]]:
        """Return the distance and text of all that are within `limit` of a read text, nearest first."""
        found = []
        for length, texts in self._texts.items():
            if abs(length - len(read)) * _THIN_GAP_COST <= limit:
                distances = self._distances(self._codes[length], read, limit)
                found += [(float(distances[i]), texts[i]) for i in np.flatnonzero(distances <= limit)]
        return sorted(found)

    def _distances(self, true: Codes, read: str, limit: float) -> npt.NDArray[np.float32]:
        """Return the distance of a text from N of one length, infinity where it is over the limit.

        Args:
            true: (L, N) places in `ALPHABET`.
            read: the text.
            limit: no cell of the table that so many gaps cannot reach is looked at.
        """
        found = np.full(true.shape[1], np.inf, dtype=np.float32)
        alive = np.arange(true.shape[1])
        costs, gaps = self._confusions.costs_of(read), _GAPS[_codes(read)]
        reach = int(limit / _THIN_GAP_COST)
        row = np.full((len(read) + 1, len(alive)), np.inf, dtype=np.float32)
        row[: reach + 1] = np.concatenate([[0.0], np.cumsum(gaps)])[: reach + 1, None]
        for number, codes in enumerate(true, start=1):
            first, last = max(0, number - reach), min(len(read), number + reach)
            row = _next_row(row, codes[alive], costs, gaps, (first, last))
            # No path gets cheaper further on: what is over the limit everywhere is out.
            keep = row[first : last + 1].min(axis=0, initial=np.inf) <= limit
            alive, row = alive[keep], row[:, keep]
        found[alive] = row[-1]
        return found


def _next_row(
    above: npt.NDArray[np.float32],
    true: Codes,
    costs: npt.NDArray[np.float32],
    gaps: npt.NDArray[np.float32],
    band: tuple[int, int],
) -> npt.NDArray[np.float32]:
    """Return the next row, (len(read) + 1, N), of N tables; cells outside the band are infinite."""
    row = np.full_like(above, np.inf)
    missed = _GAPS[true]
    first, last = band
    for place in range(first, last + 1):
        cell = above[place] + missed
        if place > 0:
            np.minimum(cell, above[place - 1] + costs[place - 1][true], out=cell)
            np.minimum(cell, row[place - 1] + gaps[place - 1], out=cell)
        row[place] = cell
    return row
