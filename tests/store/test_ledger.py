from __future__ import annotations

import json
import sqlite3

from anpr_stream.store import ledger, outbox
from anpr_stream.store.history import revisions
from anpr_stream.store.ledger import ImageRow, OnceLane
from tests.store.entries import make_entry, steps

GATE = OnceLane("gate", "AB123")


def lanes_of(database: sqlite3.Connection) -> dict[str, dict[str, int]]:
    return outbox.depths(database)


def test_an_event_is_accepted_once_and_keeps_its_content(database: sqlite3.Connection) -> None:
    assert ledger.accept(database, make_entry(payload="first", lanes=("hook",)), 5.0)
    assert not ledger.accept(database, make_entry(payload="other", lanes=("hook",)), 6.0)
    assert revisions(database, "v1") == ["first"]
    assert lanes_of(database) == {"hook": {"waiting": 1}}


def test_nothing_is_accepted_without_a_commit(database: sqlite3.Connection) -> None:
    database.execute("BEGIN")
    image = ImageRow("a.jpg", "00", 3)
    ledger.accept(database, make_entry(lanes=("hook",), images=(image,), once_lanes=(GATE,)), 5.0)
    database.execute("ROLLBACK")
    tables = ("visits", "revisions", "hits", "images", "outbox", "fired")
    assert [database.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in tables] == [0] * 6


def test_a_visit_shows_its_last_revision(database: sqlite3.Connection) -> None:
    ledger.accept(database, make_entry(lists=("watch",)), 5.0)
    ledger.accept(database, make_entry(revision=1, text="AB128", lists=()), 6.0)
    assert database.execute("SELECT revision, text FROM visits").fetchall() == [(1, "AB128")]
    assert database.execute("SELECT count(*) FROM hits").fetchone() == (0,)


def test_a_lane_fires_once_per_visit(database: sqlite3.Connection) -> None:
    for revision in range(3):
        ledger.accept(database, make_entry(revision=revision, once_lanes=(GATE,)), 5.0)
    ledger.accept(database, make_entry("v2", once_lanes=(GATE,)), 5.0)
    assert [parcel.visit_id for parcel in outbox.take(database, "gate", 9)] == ["v1", "v2"]


def test_a_lane_fires_with_the_first_revision_that_asks(database: sqlite3.Connection) -> None:
    ledger.accept(database, make_entry(), 5.0)
    ledger.accept(database, make_entry(revision=1, once_lanes=(GATE,)), 5.0)
    assert [parcel.revision for parcel in outbox.take(database, "gate", 9)] == [1]


def test_a_visit_cut_off_by_a_crash_gets_its_final(database: sqlite3.Connection) -> None:
    ledger.accept(database, make_entry("done", kind="final"), 5.0)
    ledger.accept(database, make_entry("cut"), 5.0)
    (payload,) = ledger.open_visits(database)
    ledger.close_interrupted(database, payload, ("hook",), 7.0)
    final = json.loads(revisions(database, "cut")[-1])
    assert (final["kind"], final["revision"], final["interrupted"]) == ("final", 1, True)
    assert ledger.open_visits(database) == []
    assert [parcel.revision for parcel in outbox.take(database, "hook", 9)] == [1]


def after_a_crash(database: sqlite3.Connection, **change: object) -> int:
    """Accept a visit, cut it off, accept another; return how often the gate fired."""
    ledger.accept(database, make_entry("cut", once_lanes=(GATE,)), 5.0)
    (payload,) = ledger.open_visits(database)
    ledger.close_interrupted(database, payload, (), 7.0)
    entry = make_entry("next", **{"first_utc_s": 1030.0, "once_lanes": (GATE,), **change})
    ledger.accept(database, entry, 8.0, resume_s=60.0)
    return len(outbox.take(database, "gate", 9))


def test_the_same_car_after_a_crash_fires_nothing_again(database: sqlite3.Connection) -> None:
    assert after_a_crash(database) == 1


def test_a_later_car_after_a_crash_fires(database: sqlite3.Connection) -> None:
    assert after_a_crash(database, first_utc_s=1062.0) == 2


def test_the_car_fires_again_where_the_clock_went_back_over_a_crash(database: sqlite3.Connection) -> None:
    """The visit that was cut off lies in the future: it is no earlier part of this one."""
    assert after_a_crash(database, first_utc_s=900.0) == 2


def test_a_clock_that_was_set_back_by_seconds_over_a_crash_fires_nothing_again(
    database: sqlite3.Connection,
) -> None:
    assert after_a_crash(database, first_utc_s=990.0) == 1


def test_another_car_after_a_crash_fires(database: sqlite3.Connection) -> None:
    assert after_a_crash(database, once_lanes=(OnceLane("gate", "XY999"),)) == 2


def test_the_same_car_at_another_camera_fires(database: sqlite3.Connection) -> None:
    assert after_a_crash(database, camera="exit") == 2


def test_the_third_part_of_a_twice_cut_visit_fires_nothing(database: sqlite3.Connection) -> None:
    after_a_crash(database)
    (payload,) = ledger.open_visits(database)
    ledger.close_interrupted(database, payload, (), 9.0)
    ledger.accept(database, make_entry("third", first_utc_s=1040.0, once_lanes=(GATE,)), 10.0, resume_s=60.0)
    assert len(outbox.take(database, "gate", 9)) == 1


def test_what_fired_long_ago_does_not_slow_down_a_gate(database: sqlite3.Connection) -> None:
    def fire(number: int) -> None:
        time_s = 1000.0 + 60 * number
        entry = make_entry(f"v{number}", first_utc_s=time_s, last_utc_s=time_s + 1, once_lanes=(GATE,))
        ledger.accept(database, entry, time_s, resume_s=30.0)

    early = steps(database, lambda: fire(0))
    for number in range(1, 500):
        fire(number)
    assert steps(database, lambda: fire(500)) <= early + 2
