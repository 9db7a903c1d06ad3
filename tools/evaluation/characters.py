"""How well single characters are named: share right, confusions, and the same with look-alikes made equal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from anpr_stream.plates.text import alike

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class CharacterReport:
    """Figures of a character reader. `confusions`: (true, read, count), most frequent first;
    `by_character`: share right of each."""

    count: int
    right: float
    right_look_alikes_equal: float
    by_character: dict[str, float]
    confusions: tuple[tuple[str, str, int], ...]

    def lines(self) -> list[str]:
        """The report for people."""
        worst = sorted(self.by_character.items(), key=lambda item: item[1])[:8]
        return [
            f"characters {self.count}, right {self.right:.4f}",
            f"right with O=0 and I=1: {self.right_look_alikes_equal:.4f}",
            "worst: " + ", ".join(f"{name} {share:.3f}" for name, share in worst),
            "confused: " + ", ".join(f"{true}>{read} {count}" for true, read, count in self.confusions[:12]),
        ]


def report(truth: Indices, read: Indices, alphabet: Sequence[str]) -> CharacterReport:
    """Figures of class indices `read` (n,) against `truth` (n,), both into `alphabet`."""
    names = np.array(list(alphabet))
    equal = np.array([list(alphabet).index(alike(name)) for name in alphabet])
    hits = truth == read
    pairs = Counter(zip(truth[~hits].tolist(), read[~hits].tolist(), strict=True))
    return CharacterReport(
        count=len(truth),
        right=float(hits.mean()) if len(hits) else 0.0,
        right_look_alikes_equal=float((equal[truth] == equal[read]).mean()) if len(hits) else 0.0,
        by_character={str(names[index]): float(hits[truth == index].mean()) for index in np.unique(truth)},
        confusions=tuple((str(names[a]), str(names[b]), count) for (a, b), count in pairs.most_common()),
    )
