"""The table and the JSON line of a check, and parts of it that may fail without ending it."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

Result = TypeVar("Result")


@dataclass
class Report:
    """What was measured; `rows` is the table, `data` the JSON line.

    Attributes:
        end_s: when no further part begins, in seconds of the monotonic clock.
        rows: what, value, and whether it holds.
        data: by name.
        is_right: nothing failed and everything that must hold does.
    """

    end_s: float = float("inf")
    rows: list[tuple[str, str, str]] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)
    is_right: bool = True

    @property
    def has_time(self) -> bool:
        """Whether another part may begin."""
        return time.monotonic() < self.end_s

    def add(self, what: str, value: str, holds: bool | None = None) -> None:
        """Add a row and tell it at once on standard error; `holds` is None for a plain figure."""
        self.rows.append((what, value, {None: "", True: "holds", False: "DOES NOT HOLD"}[holds]))
        self.is_right = self.is_right and holds is not False
        print("  ".join(filter(None, self.rows[-1])), file=sys.stderr, flush=True)

    def part(self, name: str, work: Callable[[], Result]) -> Result | None:
        """Do a part; where it fails or the time is over, a row says so and the check goes on."""
        if not self.has_time:
            self._fail(name, "not measured: the time is over", None)
            return None
        try:
            return work()
        except Exception as error:  # noqa: BLE001 - whatever one part dies of, the others are still of use
            self._fail(name, f"failed: {_line(error)}", False)
            return None

    def _fail(self, name: str, reason: str, holds: bool | None) -> None:
        self.add(name, reason, holds)
        self.data.setdefault("failed", {})[name] = reason

    def print(self) -> None:
        """Write the table and the JSON line to standard output."""
        widths = [max(map(len, column)) for column in zip(*self.rows, strict=True)]
        for row in self.rows:
            print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        print(json.dumps(self.data, sort_keys=True))


def _line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
