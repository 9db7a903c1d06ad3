"""Whether the clock may be believed before visits are forgotten by age.

A clock that jumps years ahead (a wrong time server, a worn battery) makes the whole history old at
once. A machine that was off for long does the same, so a jump is doubted, not refused for ever.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

from anpr_stream.store.ledger import PlateClass

LONGEST_PAUSE_S = 14 * 86_400.0
"""A clock that went on by more than this between two checks may be wrong; it is believed nevertheless
once the daemon has run for as long. Less: asks after every holiday, more: notices small jumps late."""
NOTED_EVERY_S = 3600.0
"""A clock that goes on as it should is written down this often: checks must not wear out a flash card."""
MOST = 0.5
"""A jump that makes no larger share of all visits old is none to worry about."""


@dataclass(frozen=True, slots=True)
class Belief:
    """What is thought of the clock.

    Attributes:
        utc_s: what it said when it was last believed.
        doubted_s: how long the daemon has run since it jumped; None: it is believed.
    """

    utc_s: float
    doubted_s: float | None = None

    @property
    def is_doubted(self) -> bool:
        """Whether nothing may be forgotten by age."""
        return self.doubted_s is not None


def weigh(
    database: sqlite3.Connection, limits_s: Mapping[PlateClass, float], now_s: float, ran_s: float
) -> Belief:
    """Judge the clock before a run of retention and remember the judgement; the caller commits.

    Args:
        database: inside a transaction.
        limits_s: visits of a class that ended before this UTC time would be forgotten.
        now_s: what the clock says, UTC.
        ran_s: how long the daemon has run since the last call, by a clock that does not jump.
    """
    last = _remembered(database, now_s)
    found = _judged(last, now_s, ran_s)
    if found.is_doubted and not last.is_doubted and not _forgets_most(database, limits_s):
        found = Belief(now_s)
    if found.is_doubted or last.is_doubted or abs(found.utc_s - last.utc_s) >= NOTED_EVERY_S:
        database.execute("INSERT OR REPLACE INTO clock VALUES (1, ?, ?)", (found.utc_s, found.doubted_s))
    return found


def _remembered(database: sqlite3.Connection, now_s: float) -> Belief:
    """Return the last judgement; at the first one the newest visit tells what time it was."""
    row = database.execute("SELECT utc_s, doubted_s FROM clock").fetchone()
    if row is not None:
        return Belief(*row)
    newest = database.execute("SELECT max(last_utc_s) FROM visits").fetchone()[0]
    return Belief(now_s if newest is None else newest)


def _judged(last: Belief, now_s: float, ran_s: float) -> Belief:
    if now_s - last.utc_s <= LONGEST_PAUSE_S:
        return Belief(now_s)
    doubted_s = 0.0 if last.doubted_s is None else last.doubted_s + ran_s
    return Belief(now_s) if doubted_s >= LONGEST_PAUSE_S else Belief(last.utc_s, doubted_s)


def _forgets_most(database: sqlite3.Connection, limits_s: Mapping[PlateClass, float]) -> bool:
    old = sum(
        database.execute(
            "SELECT count(*) FROM visits WHERE plate_class = ? AND last_utc_s < ?", (name.value, limit_s)
        ).fetchone()[0]
        for name, limit_s in limits_s.items()
    )
    total: int = database.execute("SELECT count(*) FROM visits").fetchone()[0]
    return bool(old > MOST * total)
