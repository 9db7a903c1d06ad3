from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from anpr_stream.store import corrections, history, ledger, retention
from anpr_stream.store.corrections import Correction, HiddenPlate, UnknownVisit, checked, correction_of
from anpr_stream.store.database import CORRECTIONS, NAME, STEPS, read_database
from anpr_stream.store.history import Query
from anpr_stream.store.ledger import PlateClass
from tests.store.entries import make_entry


def correct(
    database: sqlite3.Connection, text: str | None, visit_id: str = "v1", is_plain: bool = True
) -> None:
    corrections.correct(database, visit_id, Correction(text), is_plain, 1.0)


def test_a_correction_stands_until_it_is_replaced_or_taken_back(database: sqlite3.Connection) -> None:
    ledger.accept(database, make_entry(), 1.0)
    payloads = history.revisions(database, "v1")
    assert correction_of(database, "v1") is None
    for text in ("AB128", None, "AB123"):
        correct(database, text)
        assert correction_of(database, "v1") == Correction(text)
    corrections.take_back(database, "v1")
    corrections.take_back(database, "v1")
    assert correction_of(database, "v1") is None
    assert history.revisions(database, "v1") == payloads


def test_what_privacy_hides_cannot_be_said(database: sqlite3.Connection) -> None:
    ledger.accept(database, make_entry(), 1.0)
    ledger.accept(database, make_entry("hashed", text="#00aa"), 1.0)
    with pytest.raises(HiddenPlate, match="v1"):
        correct(database, "AB128", is_plain=False)
    with pytest.raises(HiddenPlate, match="hashed"):
        correct(database, "AB128", "hashed")
    with pytest.raises(UnknownVisit, match="nothing"):
        correct(database, "AB128", "nothing")
    assert database.execute("SELECT count(*) FROM corrections").fetchone() == (0,)


@pytest.mark.parametrize("text", ["", " - ", "A" * 17, "AB12" + " " * 61, "日本"])
def test_no_text_of_a_plate(text: str) -> None:
    with pytest.raises(ValueError, match="1 to 16 letters"):
        checked(text)


def test_texts_are_kept_in_one_spelling() -> None:
    assert checked("ab-12 сde") == Correction("AB12CDE")
    assert checked(None) == Correction(None)


def test_a_correction_goes_with_its_visit(database: sqlite3.Connection) -> None:
    ledger.accept(database, make_entry(kind="final"), 1.0)
    correct(database, "AB128")
    assert retention.forget_visits(database, PlateClass.UNLISTED, 2000.0).visits == 1
    assert correction_of(database, "v1") is None


def test_an_older_store_has_no_corrections(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / NAME, isolation_level=None)) as database:
        for step in STEPS[: STEPS.index(CORRECTIONS)]:
            database.executescript(step)
        database.execute(f"PRAGMA user_version={STEPS.index(CORRECTIONS)}")
        ledger.accept(database, make_entry(), 1.0)
    with closing(read_database(tmp_path)) as database:
        assert [visit.correction for visit in history.search(database, Query(text="AB123"))] == [None]
        assert correction_of(database, "v1") is None
