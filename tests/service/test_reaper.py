from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from anpr_stream.config.delivery import Retention
from anpr_stream.metrics import RETENTION_HELD
from anpr_stream.service.reaper import DAY_S, STRAY_AFTER_S, Reaper, free_bytes
from anpr_stream.service.writer import Writer
from anpr_stream.store import ledger
from anpr_stream.store.audit import Record, add, records
from anpr_stream.store.database import open_database
from anpr_stream.store.ledger import ImageRow, PlateClass
from anpr_stream.store.reserve import Reserve
from anpr_stream.store.snapshots import SnapshotFolder
from tests.service.conftest import fill
from tests.service.fakes import FakeClock
from tests.store.entries import make_entry

KB = 1e-6


@pytest.fixture
def reserve(tmp_path: Path) -> Reserve:
    return Reserve(tmp_path, 4096)


@pytest.fixture
def snapshots(tmp_path: Path) -> SnapshotFolder:
    return SnapshotFolder(tmp_path / "snapshots", 80)


def keep(
    writer: Writer, snapshots: SnapshotFolder, visit: str, utc_s: float, plate_class: PlateClass
) -> Path:
    path = snapshots.folder / "day" / f"{visit}.jpg"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * 1000)
    image = ImageRow(f"day/{visit}.jpg", "00", 1000)
    entry = make_entry(visit, plate_class=plate_class, last_utc_s=utc_s, images=(image,))
    writer.submit(lambda db: ledger.accept(db, entry, utc_s)).result(60)
    return path


def visits(writer: Writer) -> list[str]:
    rows = writer.submit(lambda db: db.execute("SELECT visit_id FROM visits ORDER BY visit_id").fetchall())
    return [visit for (visit,) in rows.result(60)]


def test_each_class_has_its_age(writer: Writer, snapshots: SnapshotFolder, reserve: Reserve) -> None:
    clock = FakeClock()
    rules = Retention(listed_days=3, unlisted_days=2, unread_days=None, min_free_gb=0)
    for name, plate_class in (("l", PlateClass.LISTED), ("n", PlateClass.UNLISTED), ("u", PlateClass.UNREAD)):
        for days in (1, 2.5, 4):
            keep(writer, snapshots, f"{name}{days}", clock.now_s - days * DAY_S, plate_class)
    assert Reaper(rules, writer, snapshots, clock, reserve).run()
    assert visits(writer) == ["l1", "l2.5", "n1", "u1", "u2.5", "u4"]
    assert len(list(snapshots.folder.rglob("*.jpg"))) == 6


def test_records_of_who_looked_up_plates_have_their_age(
    writer: Writer, snapshots: SnapshotFolder, reserve: Reserve
) -> None:
    clock = FakeClock()
    for days in (10, 200, 400):
        record = Record(clock.now_s - days * DAY_S, "anna", "search", {})
        writer.submit(partial(add, record=record)).result(60)

    def left(days: float | None) -> int:
        Reaper(Retention(audit_days=days, min_free_gb=0), writer, snapshots, clock, reserve).run()
        return writer.submit(lambda database: len(list(records(database)))).result(60)

    assert [left(days) for days in (None, 365, 100, 0)] == [3, 2, 1, 0]


def test_a_clock_that_jumps_years_ahead_deletes_nothing(
    writer: Writer, snapshots: SnapshotFolder, reserve: Reserve, caplog: pytest.LogCaptureFixture
) -> None:
    clock = FakeClock()
    for days in (1, 29, 31):
        keep(writer, snapshots, f"v{days}", clock.now_s - days * DAY_S, PlateClass.UNLISTED)
    reaper = Reaper(Retention(min_free_gb=0), writer, snapshots, clock, reserve)
    reaper.run()
    clock.ahead_s = 3650 * DAY_S
    for _ in range(2):
        clock.now_s += 60
        keep(writer, snapshots, f"future{clock.now_s}", clock.utc_s(), PlateClass.UNLISTED)
        reaper.run()
    assert len(visits(writer)) == 4
    assert "3650 days on since the last check, nothing is deleted by age" in reaper.doubt
    assert caplog.text.count("nothing is deleted by age") == 1
    assert RETENTION_HELD._value.get() == 1
    clock.ahead_s = 0
    clock.now_s += 2 * DAY_S
    reaper.run()
    assert "v1" in visits(writer)
    assert "v29" not in visits(writer)
    assert (reaper.doubt, RETENTION_HELD._value.get()) == ("", 0)
    assert "believed again" in caplog.text


def test_surplus_pictures_go_and_their_events_stay(
    writer: Writer, snapshots: SnapshotFolder, reserve: Reserve
) -> None:
    clock = FakeClock()
    old = keep(writer, snapshots, "old", clock.now_s - 2, PlateClass.UNLISTED)
    new = keep(writer, snapshots, "new", clock.now_s - 1, PlateClass.UNLISTED)
    Reaper(Retention(max_gb=1.5 * KB, min_free_gb=0), writer, snapshots, clock, reserve).run()
    assert (old.exists(), new.exists()) == (False, True)
    assert visits(writer) == ["new", "old"]


def test_pictures_make_room_on_a_disk_that_gets_full(
    writer: Writer, snapshots: SnapshotFolder, reserve: Reserve
) -> None:
    clock = FakeClock()
    paths = [keep(writer, snapshots, f"v{n}", clock.now_s + n, PlateClass.UNLISTED) for n in range(3)]

    def free(folder: SnapshotFolder) -> int:
        return 1000 * sum(not path.exists() for path in paths)

    assert Reaper(Retention(min_free_gb=2 * KB), writer, snapshots, clock, reserve, free).run()
    assert [path.exists() for path in paths] == [False, False, True]


def test_a_disk_that_gives_space_back_late_does_not_cost_all_pictures(
    writer: Writer, snapshots: SnapshotFolder, reserve: Reserve
) -> None:
    clock = FakeClock()
    paths = [keep(writer, snapshots, f"v{n}", clock.now_s + n, PlateClass.UNLISTED) for n in range(3)]
    Reaper(Retention(min_free_gb=2 * KB), writer, snapshots, clock, reserve, lambda _: 500).run()
    assert [path.exists() for path in paths] == [False, False, True]


def test_room_is_made_on_a_disk_that_others_filled(small_disk: Path) -> None:
    clock, reserve = FakeClock(), Reserve(small_disk, 1_000_000)
    snapshots = SnapshotFolder(small_disk / "snapshots", 80)
    with Writer(open_database(small_disk), reserve.release) as writer:
        for number in range(100):
            picture = keep(writer, snapshots, f"v{number:03}", clock.now_s + number, PlateClass.UNLISTED)
            picture.write_bytes(b"x" * 50_000)
        reaper = Reaper(Retention(min_free_gb=1e-3), writer, snapshots, clock, reserve)
        assert reaper.run()
        fill(small_disk)
        entry = make_entry("late", payload="x" * 200_000, last_utc_s=clock.now_s)
        late = writer.submit(lambda db: ledger.accept(db, entry, clock.now_s))
        assert reaper.run()
        late.result(60)
        assert (writer.fault, "late" in visits(writer)) == ("", True)
        assert free_bytes(snapshots) >= 1e6


def test_without_pictures_to_delete_there_is_no_space(
    writer: Writer, snapshots: SnapshotFolder, reserve: Reserve, caplog: pytest.LogCaptureFixture
) -> None:
    assert not Reaper(Retention(min_free_gb=1), writer, snapshots, FakeClock(), reserve, lambda _: 0).run()
    assert "no pictures left" in caplog.text


def test_files_that_no_event_knows_go_after_a_while(
    writer: Writer, snapshots: SnapshotFolder, reserve: Reserve
) -> None:
    stray = snapshots.folder / "day" / "stray.jpg"
    stray.parent.mkdir(parents=True)
    stray.write_bytes(b"x")
    clock = FakeClock(stray.stat().st_mtime)
    kept = keep(writer, snapshots, "kept", clock.now_s, PlateClass.UNLISTED)
    reaper = Reaper(Retention(min_free_gb=0), writer, snapshots, clock, reserve)
    reaper.run()
    assert stray.exists()
    clock.now_s += STRAY_AFTER_S + 10
    reaper.run()
    assert (stray.exists(), kept.exists()) == (False, True)


def test_free_space_is_that_of_the_disk(tmp_path: Path) -> None:
    assert free_bytes(SnapshotFolder(tmp_path / "not" / "yet", 80)) > 0
