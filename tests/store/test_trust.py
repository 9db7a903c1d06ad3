from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from anpr_stream.store import database as module
from anpr_stream.store import ledger
from anpr_stream.store.database import open_database
from anpr_stream.store.ledger import PlateClass
from anpr_stream.store.trust import LONGEST_PAUSE_S, Belief, weigh
from tests.store.entries import make_entry

NOW_S = 1_700_000_000.0
DAY_S = 86_400.0
YEARS_S = 5000 * DAY_S


def visits(database: sqlite3.Connection, utc_s: float, count: int = 1) -> None:
    for number in range(count):
        entry = make_entry(f"{utc_s}-{number}", last_utc_s=utc_s)
        ledger.accept(database, entry, utc_s)


def check(database: sqlite3.Connection, now_s: float, ran_s: float = 60.0) -> Belief:
    return weigh(database, {PlateClass.UNLISTED: now_s - 30 * DAY_S}, now_s, ran_s)


def test_a_clock_that_goes_on_is_believed_whatever_is_old(database: sqlite3.Connection) -> None:
    visits(database, NOW_S - YEARS_S, 9)
    visits(database, NOW_S)
    assert check(database, NOW_S) == Belief(NOW_S)
    later_s = NOW_S + LONGEST_PAUSE_S - 1
    assert check(database, later_s) == Belief(later_s)


def test_a_jump_is_doubted_until_the_clock_comes_back(database: sqlite3.Connection) -> None:
    visits(database, NOW_S)
    assert check(database, NOW_S + YEARS_S).is_doubted
    visits(database, NOW_S + YEARS_S, 9)  # many new visits by the wrong clock prove nothing
    assert check(database, NOW_S + YEARS_S).is_doubted
    assert check(database, NOW_S + DAY_S) == Belief(NOW_S + DAY_S)


def test_a_jump_is_believed_when_the_daemon_has_run_for_long(database: sqlite3.Connection) -> None:
    visits(database, NOW_S)
    check(database, NOW_S + YEARS_S)
    check(database, NOW_S + YEARS_S, LONGEST_PAUSE_S - 1)
    assert check(database, NOW_S + 2 * YEARS_S, 0.5).is_doubted
    assert check(database, NOW_S + YEARS_S, 0.5) == Belief(NOW_S + YEARS_S)
    assert not check(database, NOW_S + YEARS_S).is_doubted


def test_a_jump_that_makes_little_old_is_believed(database: sqlite3.Connection) -> None:
    """A machine without a battery begins in 1970 and sees a car before the time server answers."""
    visits(database, NOW_S, 3)
    assert check(database, 60.0) == Belief(60.0)
    visits(database, 60.0)
    assert not check(database, NOW_S).is_doubted


def test_the_doubt_outlives_a_restart(tmp_path: Path) -> None:
    with closing(open_database(tmp_path)) as first:
        visits(first, NOW_S)
        check(first, NOW_S + YEARS_S)
        visits(first, NOW_S + YEARS_S, 9)
    with closing(open_database(tmp_path)) as second:
        assert check(second, NOW_S + YEARS_S).is_doubted


def test_an_empty_store_believes_any_clock(database: sqlite3.Connection) -> None:
    assert check(database, NOW_S) == Belief(NOW_S)
    assert check(database, NOW_S + YEARS_S) == Belief(NOW_S + YEARS_S)


def test_a_store_of_the_first_version_takes_the_newest_visit_for_its_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as old:
        old.setattr(module, "STEPS", module.STEPS[:1])
        old.setattr(module, "VERSION", 1)
        with closing(open_database(tmp_path)) as first:
            visits(first, NOW_S)
    with closing(open_database(tmp_path)) as second:
        assert check(second, NOW_S + YEARS_S) == Belief(NOW_S, 0.0)
