from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from anpr_stream.config.delivery import PlateList
from anpr_stream.errors import StoreError
from anpr_stream.interfaces import ListMatcher
from anpr_stream.plates.matching import Confusions
from anpr_stream.store.list_file import add_entries, make_entry, remove_plate
from anpr_stream.store.lists import ListBook, list_path
from anpr_stream.store.privacy import keyed_hash
from anpr_stream.types import FusedRead
from tests.outputs.events import PLATE

NOON_UTC_S = 1_796_040_000.0  # 2026-11-30 12:00 UTC, a Monday
KEY = b"0123456789abcdef"


def book(folder: Path, *lists: PlateList) -> ListBook:
    return ListBook(lists, folder, Confusions(), lambda text: keyed_hash(KEY, text))


def read(text: str, **change: Any) -> FusedRead:
    return replace(PLATE, text=text, **change)


def add(folder: Path, name: str, *plates: str, **values: str) -> None:
    entries = [make_entry({"plate": plate, **values}) for plate in plates]
    add_entries(list_path(PlateList(name=name), folder), entries)


def test_an_exact_hit(tmp_path: Path) -> None:
    add(tmp_path, "gate", "AB123", note="Smith")
    lists = book(tmp_path, PlateList(name="gate", action="allow"))
    assert isinstance(lists, ListMatcher)
    (hit,) = lists.hits("cam", read("AB123"), NOON_UTC_S)
    assert (hit.list_name, hit.action, hit.entry, hit.distance, hit.ambiguous, hit.note) == (
        "gate",
        "allow",
        "AB123",
        0.0,
        False,
        "Smith",
    )
    assert lists.hits("cam", read("AB124"), NOON_UTC_S) == ()
    assert lists.hits("cam", read(""), NOON_UTC_S) == ()


def test_a_near_hit_tells_its_distance_and_leaves_the_text(tmp_path: Path) -> None:
    add(tmp_path, "watch", "AB120")
    lists = book(tmp_path, PlateList(name="watch", max_distance=0.5))
    (hit,) = lists.hits("cam", read("AB12O"), NOON_UTC_S)
    assert (hit.entry, round(hit.distance, 3), hit.ambiguous) == ("AB120", 0.3, False)
    assert lists.hits("cam", read("AB1"), NOON_UTC_S) == ()


def test_two_entries_as_near_are_told(tmp_path: Path) -> None:
    add(tmp_path, "watch", "AB120", "AB12D")
    lists = book(tmp_path, PlateList(name="watch", max_distance=0.5))
    assert lists.hits("cam", read("AB12O"), NOON_UTC_S)[0].ambiguous
    assert not lists.hits("cam", read("AB120"), NOON_UTC_S)[0].ambiguous


def test_a_gate_waits_for_agreeing_reads(tmp_path: Path) -> None:
    add(tmp_path, "gate", "AB123")
    lists = book(tmp_path, PlateList(name="gate", min_agreeing_reads=3))
    assert lists.hits("cam", read("AB123", agreeing_reads=2), NOON_UTC_S) == ()
    assert lists.hits("cam", read("AB123", agreeing_reads=3), NOON_UTC_S) != ()


def test_cameras_of_list_and_entry(tmp_path: Path) -> None:
    add(tmp_path, "gate", "AB123", cameras="in out")
    lists = book(tmp_path, PlateList(name="gate", cameras=("in", "yard")))
    assert [bool(lists.hits(name, read("AB123"), NOON_UTC_S)) for name in ("in", "out", "yard")] == [
        True,
        False,
        False,
    ]


def test_zones_of_list_and_entry(tmp_path: Path) -> None:
    add(tmp_path, "gate", "AB123", zones="ramp yard")
    lists = book(tmp_path, PlateList(name="gate", zones=("yard", "lane 2")))
    ways = [(), ("yard",), ("ramp",), ("lane 2",), ("ramp", "lane 2")]
    assert [bool(lists.hits("cam", read("AB123"), NOON_UTC_S, way)) for way in ways] == [
        False,
        True,
        False,
        False,
        True,
    ]


@pytest.mark.parametrize(
    ("zone", "is_open"), [("UTC", True), ("Asia/Taipei", False), ("America/New_York", False)]
)
def test_hours_are_local(tmp_path: Path, zone: str, is_open: bool) -> None:
    add(tmp_path, "gate", "AB123", **{"from": "11:00", "to": "13:00"})
    lists = book(tmp_path, PlateList(name="gate", timezone=zone))
    assert bool(lists.hits("cam", read("AB123"), NOON_UTC_S)) == is_open


def test_the_best_list_stands_first(tmp_path: Path) -> None:
    add(tmp_path, "near", "ABI23")
    add(tmp_path, "exact", "AB123")
    lists = book(tmp_path, PlateList(name="near", max_distance=1), PlateList(name="exact"))
    assert [hit.list_name for hit in lists.hits("cam", read("AB123"), NOON_UTC_S)] == ["exact", "near"]


def test_a_hashed_entry_matches_exactly(tmp_path: Path) -> None:
    add(tmp_path, "gate", keyed_hash(KEY, "AB123"))
    settings = PlateList(name="gate", max_distance=1)
    assert book(tmp_path, settings).hits("cam", read("AB123"), NOON_UTC_S)[0].distance == 0
    assert book(tmp_path, settings).hits("cam", read("AB128"), NOON_UTC_S) == ()
    assert ListBook([settings], tmp_path, Confusions()).hits("cam", read("AB123"), NOON_UTC_S) == ()


def test_a_changed_file_is_picked_up(tmp_path: Path) -> None:
    lists = book(tmp_path, PlateList(name="gate"))
    assert lists.hits("cam", read("AB123"), NOON_UTC_S) == ()
    add(tmp_path, "gate", "AB123", "XY9")
    assert lists.refresh() == []
    assert lists.sizes() == {"gate": 2}
    assert lists.hits("cam", read("AB123"), NOON_UTC_S) != ()
    remove_plate(list_path(PlateList(name="gate"), tmp_path), "AB123")
    lists.refresh()
    assert lists.hits("cam", read("AB123"), NOON_UTC_S) == ()


def test_a_wrong_file_is_told_once_and_the_old_list_stays(tmp_path: Path) -> None:
    add(tmp_path, "gate", "AB123")
    lists = book(tmp_path, PlateList(name="gate"))
    path = list_path(PlateList(name="gate"), tmp_path)
    path.write_text("plate\n---\n")
    (fault,) = lists.refresh()
    assert f"{path}:2:" in fault
    assert lists.refresh() == []
    assert lists.hits("cam", read("AB123"), NOON_UTC_S) != ()


def test_a_file_wrong_at_start_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("nothing")
    with pytest.raises(StoreError, match=r"mine\.csv:1"):
        book(tmp_path, PlateList(name="gate", file=path))


@contextmanager
def as_somebody_else() -> Iterator[None]:
    os.seteuid(65_534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to read as somebody else")
def test_a_file_that_may_be_read_again_is_read_again() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        lists = book(folder, PlateList(name="gate"))
        add(folder, "gate", "AB123")
        path = folder / "lists" / "gate.csv"
        path.chmod(0o600)
        with as_somebody_else():
            assert "Permission denied" in lists.refresh()[0]
            assert (lists.refresh(), len(lists.faults())) == ([], 1)
        path.chmod(0o644)
        with as_somebody_else():
            assert (lists.refresh(), lists.faults(), lists.sizes()) == ([], [], {"gate": 1})
