"""Figures of a training over time, as CSV and as a plot."""

from __future__ import annotations

import csv
from pathlib import Path

Row = dict[str, float]
X_AXIS = "samples"
NOT_DRAWN = frozenset({X_AXIS, "step", "minutes", "rate"})
LOSSES = frozenset({"loss", "ctc", "alignment", "box", "objectness", "corners"})
"""Columns drawn on the log scale."""


class Curves:
    """Appends rows to `curves.csv` in a folder and redraws `curves.png` from all of them."""

    def __init__(self, folder: Path) -> None:
        self._csv = folder / "curves.csv"
        self._plot = folder / "curves.png"
        self._rows = read_rows(self._csv)

    def add(self, row: Row) -> None:
        """Add one row; columns may differ from row to row."""
        self._rows.append(row)
        names = list(dict.fromkeys(name for row in self._rows for name in row))
        part = self._csv.with_suffix(".part")
        with part.open("w", newline="") as file:
            writer = csv.DictWriter(file, names)
            writer.writeheader()
            writer.writerows(self._rows)
        part.replace(self._csv)
        draw(self._rows, self._plot)


def read_rows(path: Path) -> list[Row]:
    """The rows of a curves file, none if there is no file."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return [{key: float(value) for key, value in row.items() if value} for row in csv.DictReader(file)]


def draw(rows: list[Row], path: Path) -> None:
    """Plot every column over the number of samples; losses on a log scale above, the rest below."""
    from matplotlib.figure import Figure

    names = [name for name in dict.fromkeys(n for row in rows for n in row) if name not in NOT_DRAWN]
    losses = [name for name in names if name in LOSSES]
    rest = [name for name in names if name not in LOSSES]
    figure = Figure(figsize=(9, 9))
    upper, lower = figure.subplots(2, 1, sharex=True)
    for axes, shown in ((upper, losses), (lower, rest)):
        for name in shown:
            points = [(row[X_AXIS], row[name]) for row in rows if name in row]
            axes.plot(*zip(*points, strict=True), label=name, linewidth=1)
            if name in LOSSES and any(value > 0 for _, value in points):
                axes.set_yscale("log")
        if shown:
            axes.legend(fontsize=6, ncol=4)
    lower.set_xlabel(X_AXIS)
    figure.savefig(path, dpi=80)
