from __future__ import annotations

import sqlite3

from anpr_stream.store.audit import HIDDEN_TEXT, Record, add, asked_of, forget_records, kept_text, records
from anpr_stream.store.history import Query


def test_records_come_newest_first(database: sqlite3.Connection) -> None:
    kept = [
        Record(float(time), who, "search", {"text": "Ä?"}, 2)
        for time, who in enumerate(("anna@10.0.0.7", "ben", "root (login anna)"))
    ]
    for record in kept:
        add(database, record)
    assert list(records(database)) == kept[::-1]
    assert list(records(database, who="anna")) == [kept[2], kept[0]]
    assert list(records(database, since_utc_s=1.0, until_utc_s=2.0)) == [kept[1]]
    assert list(records(database, limit=1)) == [kept[2]]


def test_old_records_are_forgotten_in_parts(database: sqlite3.Connection) -> None:
    for time in (9.0, 1.0, 2.0, 3.0):  # the clock was wrong at first
        add(database, Record(time, "ben", "search", {}))
    assert [forget_records(database, 5.0, limit=2) for _ in range(3)] == [2, 1, 0]
    assert [record.utc_s for record in records(database)] == [9.0]


def test_a_query_stands_as_it_was_asked_and_privacy_hides_its_text() -> None:
    query = Query("AB1?", since_utc_s=0.0, cameras=("gate",), hashed_text="#00aa")
    asked = {"text": "AB1?", "since": "1970-01-01T00:00:00+00:00", "cameras": ("gate",), "limit": 100}
    assert asked_of(query, is_plain=True) == asked
    assert asked_of(query, is_plain=False) == {**asked, "text": "#00aa"}
    assert asked_of(Query("AB1", limit=None), is_plain=False) == {"text": HIDDEN_TEXT}
    assert kept_text("AB1", is_plain=False, hashed=lambda text: f"#{len(text)}") == "#3"
    assert kept_text("#00aa", is_plain=False, hashed=None) == "#00aa"
    assert kept_text("AB1", is_plain=False, hashed=None) == HIDDEN_TEXT
