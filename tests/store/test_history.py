from __future__ import annotations

import json
import sqlite3
from typing import Any

import numpy as np
import pytest

from anpr_stream.plates.matching import Confusions
from anpr_stream.store import corrections, history, ledger
from anpr_stream.store.corrections import Correction
from anpr_stream.store.history import Query
from anpr_stream.store.ledger import PlateClass
from tests.store.entries import make_entry, steps

PLATES = ["AB123", "AB128", "XY777", "B12", None]


@pytest.fixture
def filled(database: sqlite3.Connection) -> sqlite3.Connection:
    for number, text in enumerate(PLATES):
        ledger.accept(
            database,
            make_entry(
                f"v{number}",
                text=text,
                camera=f"cam{number % 2}",
                last_utc_s=1000.0 + number,
                lists=("watch",) if text == "XY777" else (),
                plate_class=PlateClass.UNREAD if text is None else PlateClass.UNLISTED,
            ),
            1.0,
        )
    return database


DIFFERING = Confusions(1 - np.eye(36, dtype=np.float32))


def found(database: sqlite3.Connection, **query: Any) -> list[str]:
    visits = history.search(database, Query(**query), DIFFERING)
    return [json.loads(visit.payload)["visit_id"] for visit in visits]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["v4", "v3", "v2", "v1", "v0"]),
        ({"text": "b-12"}, ["v3", "v1", "v0"]),
        ({"text": "B12?"}, []),
        ({"text": "AB12?"}, ["v1", "v0"]),
        ({"text": "?b*"}, ["v1", "v0"]),
        ({"text": "*7"}, ["v2"]),
        ({"text": "*[A-Z]77"}, []),
        ({"text": "' OR 1=1 --"}, []),
        ({"text": "AB123", "max_distance": 0}, ["v0"]),
        ({"text": "AB123", "max_distance": 1}, ["v1", "v0"]),
        ({"text": "AB123", "max_distance": 0, "hashed_text": "AB128"}, ["v1", "v0"]),
        ({"since_utc_s": 1001.0, "until_utc_s": 1003.0}, ["v2", "v1"]),
        ({"cameras": ("cam1",)}, ["v3", "v1"]),
        ({"cameras": ("cam0", "cam1"), "lists": ("watch", "none")}, ["v2"]),
        ({"classes": ("unread",)}, ["v4"]),
        ({"limit": 2}, ["v4", "v3"]),
        ({"limit": None, "text": "B", "cameras": ("cam0",)}, ["v0"]),
    ],
)
def test_search(filled: sqlite3.Connection, query: dict[str, Any], expected: list[str]) -> None:
    assert found(filled, **query) == expected


def test_a_search_by_likeness_tells_the_distance(filled: sqlite3.Connection) -> None:
    visits = history.search(filled, Query(text="ab128", max_distance=1.0), DIFFERING)
    assert [visit.distance for visit in visits] == [0.0, 1.0]


def test_a_search_by_likeness_compares_a_few_texts_at_a_time(
    filled: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "COMPARED", 1)
    assert found(filled, text="AB123", max_distance=1, hashed_text="XY777") == ["v2", "v1", "v0"]


def test_a_search_by_class_stops_at_its_limit(filled: sqlite3.Connection) -> None:
    def search() -> None:
        classes = (PlateClass.LISTED.value, PlateClass.UNLISTED.value)
        assert len(found(filled, classes=classes, limit=1)) == 1

    few = steps(filled, search)
    for number in range(500):
        ledger.accept(filled, make_entry(f"w{number}", last_utc_s=2000.0 + number), 1.0)
    assert steps(filled, search) <= few + 2


def test_a_hash_is_found_by_the_whole_text_only(filled: sqlite3.Connection) -> None:
    ledger.accept(filled, make_entry("hashed", text="#aa00", raw_text=None, last_utc_s=9e3), 1.0)
    assert found(filled, text="ZZ1", hashed_text="#aa00") == ["hashed"]
    assert found(filled, text="ZZ", hashed_text="#other") == []


@pytest.mark.parametrize("text", ["12", "00", "?*00*", "*", "*3"])
def test_a_part_of_a_text_finds_no_hash(database: sqlite3.Connection, text: str) -> None:
    ledger.accept(database, make_entry("hashed", text="#120034005600", raw_text=None), 1.0)
    assert found(database, text=text) == []


def test_a_search_that_is_read_slowly_holds_no_transaction(
    database: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "PAGE", 2)
    for number in range(5):
        ledger.accept(database, make_entry(f"v{number}", last_utc_s=float(number)), 1.0)
    visits = history.search(database, Query(limit=4))
    first = next(visits)
    assert database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
    ledger.accept(database, make_entry("v3", 1, payload="later", last_utc_s=9.0), 1.0)
    ledger.accept(database, make_entry("v9", last_utc_s=9.0), 1.0)
    database.execute("DELETE FROM revisions WHERE visit_id = 'v2'")
    rest = [json.loads(visit.payload) for visit in visits]
    assert [json.loads(first.payload)["visit_id"], *(event["visit_id"] for event in rest)] == [
        "v4",
        "v3",
        "v1",
    ]


@pytest.mark.parametrize("text", ["--", " ", "車"])
def test_a_text_without_letters_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no letter"):
        Query(text=text)


@pytest.mark.parametrize("text", ["", "AB?", "*"])
def test_likeness_needs_a_text_without_wildcards(text: str) -> None:
    with pytest.raises(ValueError, match=r"needs a text|holds no letter"):
        Query(text=text, max_distance=1.0)


def test_revisions_come_in_order(filled: sqlite3.Connection) -> None:
    ledger.accept(filled, make_entry("v0", 2, payload="later"), 2.0)
    ledger.accept(filled, make_entry("v0", 1, payload="between"), 2.0)
    assert history.revisions(filled, "v0")[1:] == ["between", "later"]
    assert history.revisions(filled, "nobody") == []


def test_events_are_followed_in_the_order_of_acceptance(filled: sqlite3.Connection) -> None:
    last = history.newest(filled)
    assert history.after(filled, last, 9) == []
    ledger.accept(filled, make_entry("v0", 1, payload="later"), 0.5)
    assert [payload for _, payload in history.after(filled, last, 9)] == ["later"]
    assert len(history.after(filled, 0, 3)) == 3


def test_a_corrected_visit_is_found_by_both_texts(filled: sqlite3.Connection) -> None:
    corrections.correct(filled, "v4", Correction("ZZ999"), True, 1.0)
    corrections.correct(filled, "v2", Correction(None), True, 1.0)
    assert found(filled, text="z999") == ["v4"]
    assert found(filled, text="ZZ998", max_distance=1) == ["v4"]
    assert found(filled, text="XY777") == ["v2"]
    said = {
        json.loads(visit.payload)["visit_id"]: visit.correction for visit in history.search(filled, Query())
    }
    assert said == {"v4": Correction("ZZ999"), "v3": None, "v2": Correction(None), "v1": None, "v0": None}
