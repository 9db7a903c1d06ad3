from __future__ import annotations

import sqlite3

import pytest

from anpr_stream.store import ledger, outbox
from tests.store.entries import make_entry


@pytest.fixture
def filled(database: sqlite3.Connection) -> sqlite3.Connection:
    for number in range(5):
        ledger.accept(database, make_entry(f"v{number}", lanes=("hook", "mqtt")), float(number))
    return database


def visits(database: sqlite3.Connection, lane: str = "hook") -> list[str]:
    return [parcel.visit_id for parcel in outbox.take(database, lane, 99)]


def test_parcels_come_in_order_and_stay_until_delivered(filled: sqlite3.Connection) -> None:
    first = outbox.take(filled, "hook", 2)
    assert [parcel.visit_id for parcel in first] == ["v0", "v1"]
    assert outbox.take(filled, "hook", 2) == first
    outbox.delivered(filled, [first[0].id])
    assert visits(filled) == ["v1", "v2", "v3", "v4"]
    assert len(visits(filled, "mqtt")) == 5


def test_a_parcel_carries_the_frozen_payload(filled: sqlite3.Connection) -> None:
    assert outbox.take(filled, "hook", 1)[0].payload == make_entry("v0").payload


def test_a_refused_parcel_stays_first_until_it_is_dead(filled: sqlite3.Connection) -> None:
    row = outbox.take(filled, "hook", 1)[0].id
    outbox.refused(filled, row, "500", is_dead=False)
    assert [(p.visit_id, p.tries, p.error) for p in outbox.take(filled, "hook", 1)] == [("v0", 1, "500")]
    outbox.refused(filled, row, "500 again", is_dead=True)
    assert visits(filled)[0] == "v1"
    assert [(p.tries, p.error) for p in outbox.dead_letters(filled, "hook", 9)] == [(2, "500 again")]
    assert outbox.dead_letters(filled, "mqtt", 9) == []


def test_dead_letters_are_sent_again_first(filled: sqlite3.Connection) -> None:
    row = outbox.take(filled, "hook", 1)[0].id
    outbox.refused(filled, row, "no", is_dead=True)
    assert outbox.resend(filled, "mqtt", utc_s=9.0) == 0
    assert outbox.resend(filled, "hook", [row, 999], utc_s=9.0) == 1
    (first,) = outbox.take(filled, "hook", 1)
    assert (first.visit_id, first.tries, first.queued_utc_s) == ("v0", 0, 9.0)


def test_only_dead_letters_can_be_discarded(filled: sqlite3.Connection) -> None:
    row = outbox.take(filled, "hook", 1)[0].id
    assert outbox.discard(filled, None, [row]) == 0
    outbox.refused(filled, row, "no", is_dead=True)
    assert outbox.discard(filled, None) == 1
    assert len(visits(filled)) == 4


def test_what_waits_for_removed_outputs_can_be_discarded(filled: sqlite3.Connection) -> None:
    rows = [parcel.id for parcel in outbox.take(filled, "hook", 2)]
    outbox.claim(filled, rows[:1])
    outbox.refused(filled, rows[1], "no", is_dead=True)
    assert outbox.discard_removed(filled, ["hook", "mqtt"], None) == 0
    assert outbox.discard_removed(filled, ["mqtt"], "mqtt") == 0
    assert outbox.discard_removed(filled, [], "hook") == 4
    assert outbox.depths(filled) == {"hook": {"started": 1}, "mqtt": {"waiting": 5}}


def test_what_was_started_when_killed_is_put_aside_not_sent_again(filled: sqlite3.Connection) -> None:
    rows = [parcel.id for parcel in outbox.take(filled, "hook", 3)]
    outbox.claim(filled, rows)
    assert visits(filled) == ["v3", "v4"]
    outbox.release(filled, rows[2:])
    assert outbox.bury_interrupted(filled) == 2
    assert visits(filled) == ["v2", "v3", "v4"]
    assert {p.error for p in outbox.dead_letters(filled, None, 9)} == {outbox.INTERRUPTED}


def test_depths_count_by_lane_and_state(filled: sqlite3.Connection) -> None:
    rows = [parcel.id for parcel in outbox.take(filled, "hook", 2)]
    outbox.claim(filled, rows[:1])
    outbox.refused(filled, rows[1], "no", is_dead=True)
    assert outbox.depths(filled) == {"hook": {"dead": 1, "started": 1, "waiting": 3}, "mqtt": {"waiting": 5}}
