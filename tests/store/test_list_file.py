from __future__ import annotations

import os
import stat
import threading
from contextlib import suppress
from datetime import date, datetime, time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anpr_stream.errors import StoreError
from anpr_stream.store.list_file import (
    DAYS,
    ListEntry,
    add_entries,
    format_list,
    make_entry,
    parse_list,
    read_list,
    remove_plate,
)

DAEMON = 65_534
"""A user that is not root."""
MONDAY_NOON = datetime(2026, 11, 30, 12, 0)


def test_a_file_of_plates_alone() -> None:
    assert [entry.plate for entry in parse_list("plate\nab-12 cd\nXY 9\n", "f")] == ["AB12CD", "XY9"]


def test_all_columns() -> None:
    text = (
        "plate,note,cameras,zones,days,from,to,expires\n"
        'ab1,"Smith, J",gate exit,yard ramp,Tue mon,7:30,18:00,2027-01-31\n'
    )
    assert parse_list(text, "f") == (
        ListEntry(
            plate="AB1",
            note="Smith, J",
            cameras=("gate", "exit"),
            zones=("yard", "ramp"),
            days=(0, 1),
            begins=time(7, 30),
            ends=time(18),
            expires=date(2027, 1, 31),
        ),
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "f:1: expected a header"),
        ("number\nAB1\n", "f:1: expected a header with the column 'plate'"),
        ("plate,color\nAB1,red\n", "f:1: unknown column 'color'"),
        ("plate\nAB1\n---\n", "f:3: plate: '---' holds no letter"),
        ("plate,days\nAB1,monday\n", "f:2: days: 'monday' is none of mon tue"),
        ("plate,from\nAB1,25:00\n", "f:2: from: '25:00' is no time"),
        ("plate,to\nAB1,noon\n", "f:2: to: expected a time like 22:00"),
        ("plate,expires\nAB1,31.12.2027\n", "f:2: expires: expected a date"),
        ("plate\nAB1,x,y\n", "f:2: more values than columns"),
        ("plate,,\nAB1,x,\n", "f:2: more values than columns"),
        ("plate,from,to\nAB1,8:00,08:00\n", "f:2: to: the same time as 'from'"),
        ('plate,note\n"AB1,x\nAB2,y\n', "f:3: unexpected end of data"),
    ],
)
def test_each_fault_names_its_line(text: str, says: str) -> None:
    with pytest.raises(StoreError) as caught:
        parse_list(text, "f")
    assert says in caught.value.message


@pytest.mark.parametrize(
    "content",
    [
        b"plate;note\r\nAB1;Meyer, B\r\n",
        "\ufeffPlate;Note;;\r\nAB1;Meyer, B;;\r\n;;;\r\n".encode(),
        "plate\tnote\r\nAB1\tMeyer, B\r\n".encode("utf-16"),
        b'plate,note\r\nAB1,"Meyer, B",,\r\n,\r\n',
    ],
    ids=["semicolons", "BOM and empty cells", "UTF-16 and tabs", "commas and empty rows"],
)
def test_a_spreadsheets_file_is_read(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "staff.csv"
    file.write_bytes(content)
    assert read_list(file) == (ListEntry("AB1", "Meyer, B"),)


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(StoreError) as caught:
        parse_list("plate,expires\n-,\nAB1,soon\nAB2,\n", "f")
    assert [line[:4] for line in caught.value.message.splitlines()] == ["f:2:", "f:3:"]


@pytest.mark.parametrize(
    ("values", "local", "counts"),
    [
        ({}, MONDAY_NOON, True),
        ({"cameras": "exit"}, MONDAY_NOON, False),
        ({"cameras": "exit gate"}, MONDAY_NOON, True),
        ({"zones": "yard"}, MONDAY_NOON, True),
        ({"zones": "ramp yard"}, MONDAY_NOON, True),
        ({"zones": "ramp"}, MONDAY_NOON, False),
        ({"zones": "yard", "cameras": "exit"}, MONDAY_NOON, False),
        ({"zones": "yard", "days": "tue"}, MONDAY_NOON, False),
        ({"days": "mon"}, MONDAY_NOON, True),
        ({"days": "tue sun"}, MONDAY_NOON, False),
        ({"from": "12:00", "to": "13:00"}, MONDAY_NOON, True),
        ({"from": "11:00", "to": "12:00"}, MONDAY_NOON, False),
        ({"from": "12:01"}, MONDAY_NOON, False),
        ({"to": "12:01"}, MONDAY_NOON, True),
        ({"to": "0:00"}, MONDAY_NOON, True),
        ({"from": "22:00", "to": "0:00"}, datetime(2026, 11, 30, 23, 59), True),
        ({"from": "22:00", "to": "0:00"}, datetime(2026, 12, 1), False),
        ({"from": "22:00", "to": "06:00"}, MONDAY_NOON, False),
        ({"from": "22:00", "to": "06:00"}, datetime(2026, 11, 30, 23, 59, 59), True),
        ({"from": "22:00", "to": "06:00"}, datetime(2026, 12, 1, 5, 59), True),
        ({"from": "22:00", "to": "06:00", "days": "mon"}, datetime(2026, 12, 1, 5, 59), True),
        ({"from": "22:00", "to": "06:00", "days": "tue"}, datetime(2026, 12, 1, 5, 59), False),
        ({"from": "22:00", "to": "06:00", "expires": "2026-11-30"}, datetime(2026, 12, 1, 5, 59), True),
        ({"expires": "2026-11-30"}, datetime(2026, 11, 30, 23, 59), True),
        ({"expires": "2026-11-30"}, datetime(2026, 12, 1), False),
    ],
)
def test_when_an_entry_counts(values: dict[str, str], local: datetime, counts: bool) -> None:
    assert make_entry({"plate": "AB1", **values}).counts("gate", ("street", "yard"), local) == counts


WORD = st.text("abcXYZ019_-", min_size=1, max_size=8)
MINUTE = st.none() | st.times().map(lambda t: t.replace(second=0, microsecond=0, fold=0))
ENTRIES = st.builds(
    ListEntry,
    plate=st.text("ABCXYZ019", min_size=1, max_size=9)
    | st.text("0123456789abcdef", min_size=32, max_size=32).map("#".__add__),
    note=st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=20).map(str.strip),
    cameras=st.lists(WORD, max_size=3).map(tuple),
    zones=st.lists(WORD, max_size=3).map(tuple),
    days=st.sets(st.integers(0, len(DAYS) - 1)).map(lambda days: tuple(sorted(days))),
    begins=MINUTE,
    ends=MINUTE,
    expires=st.none() | st.dates(),
).filter(lambda entry: entry.begins is None or entry.begins != entry.ends)


@given(st.lists(ENTRIES, max_size=5))
def test_what_is_written_is_read_back(entries: list[ListEntry]) -> None:
    assert parse_list(format_list(entries), "f") == tuple(entries)


@given(st.text(max_size=200) | st.text(max_size=200).map("plate,note,days,from,expires\n".__add__))
def test_any_text_is_a_list_or_a_told_fault(text: str) -> None:
    faults, entries = [], ()
    try:
        entries = parse_list(text, "f")
    except StoreError as error:
        faults = error.message.splitlines()
    assert all(line.startswith("f:") for line in faults)
    assert all(entry.plate for entry in entries)


@given(st.binary(max_size=100))
def test_any_file_is_a_list_or_a_told_fault(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("lists") / "list.csv"
    path.write_bytes(content)
    with suppress(StoreError):
        read_list(path)


def test_a_missing_file_is_an_empty_list(tmp_path: Path) -> None:
    assert read_list(tmp_path / "none.csv") == ()


def test_editing(tmp_path: Path) -> None:
    path = tmp_path / "lists" / "gate.csv"
    add_entries(path, [make_entry({"plate": "AB1", "note": "old"}), make_entry({"plate": "XY2"})])
    add_entries(
        path, [make_entry({"plate": "ab-1", "note": "new"}), make_entry({"plate": "AB1", "days": "sun"})]
    )
    add_entries(path, [make_entry({"plate": "AB1", "zones": "yard"})])
    assert [(e.plate, e.note, e.days, e.zones) for e in read_list(path)] == [
        ("AB1", "new", (), ()),
        ("XY2", "", (), ()),
        ("AB1", "", (6,), ()),
        ("AB1", "", (), ("yard",)),
    ]
    assert remove_plate(path, "AB1") == 3
    assert remove_plate(path, "AB1") == 0
    assert [entry.plate for entry in read_list(path)] == ["XY2"]
    assert [name.name for name in path.parent.iterdir() if not name.name.startswith(".")] == ["gate.csv"]


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, as most who look after a daemon are")


@needs_root
@pytest.mark.parametrize("makes_folder", [False, True])
def test_a_list_that_root_changes_stays_the_daemons(tmp_path: Path, makes_folder: bool) -> None:
    folder = tmp_path / "lists"
    if not makes_folder:
        folder.mkdir()
    for made in (tmp_path, *([] if makes_folder else [folder])):
        os.chown(made, DAEMON, DAEMON)
        made.chmod(0o750)
    path = folder / "gate.csv"
    add_entries(path, [make_entry({"plate": "AB1"})])
    add_entries(path, [make_entry({"plate": "AB2"})])
    for made, mode in ((folder, 0o750), (path, 0o640), (folder / ".gate.csv.lock", 0o640)):
        found = made.stat()
        assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (DAEMON, DAEMON, mode)


@needs_root
def test_a_list_keeps_its_owner_and_mode(tmp_path: Path) -> None:
    path = tmp_path / "gate.csv"
    path.write_text("plate\nAB1\n")
    os.chown(path, DAEMON, 0)
    path.chmod(0o600)
    assert remove_plate(path, "AB1") == 1
    found = path.stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (DAEMON, 0, 0o600)


def test_a_list_in_a_folder_for_all_is_not_writable_for_all(tmp_path: Path) -> None:
    tmp_path.chmod(0o1777)
    add_entries(tmp_path / "lists" / "gate.csv", [make_entry({"plate": "AB1"})])
    modes = [stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*")]
    assert sorted(modes) == [0o664, 0o664, 0o775]


def test_a_wrong_file_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "gate.csv"
    path.write_text("something else\n")
    with pytest.raises(StoreError, match="header"):
        add_entries(path, [make_entry({"plate": "AB1"})])
    assert path.read_text() == "something else\n"


def test_two_editors_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "gate.csv"

    def add(first: int) -> None:
        for number in range(first, first + 10):
            add_entries(path, [make_entry({"plate": f"P{number}"})])

    threads = [threading.Thread(target=add, args=(first,)) for first in (100, 200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(read_list(path)) == 20
