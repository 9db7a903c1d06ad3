"""Clips in the store: bound to their visit, gone with it, and never in the way of an event."""

from __future__ import annotations

import hashlib
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from anpr_stream.config.load import parse_settings
from anpr_stream.metrics import CLIPS_DROPPED
from anpr_stream.service.clips import ClipKeeper
from anpr_stream.service.depot import Depot
from anpr_stream.service.reaper import DAY_S
from anpr_stream.service.writer import Writer
from anpr_stream.store import history
from anpr_stream.store.database import read_database
from anpr_stream.store.ledger import ImageRow
from anpr_stream.types import Clip, EventKind
from tests.service.conftest import fill
from tests.service.fakes import FakeClock, event
from tests.service.house import House

DATA = b"\0\0\0\x20ftypiso5 a clip"
FINAL = event("v1", kind=EventKind.FINAL, camera="yard")


def clip(visit_id: str = "v1", size: int = 0) -> Clip:
    return Clip(visit_id, "yard", 1_700_000_000.0, DATA + bytes(size))


def row_of(folder: Path, visit_id: str = "v1") -> ImageRow | None:
    with closing(read_database(folder)) as database:
        return history.clip(database, visit_id)


def dropped(reason: str) -> Callable[[], float]:
    before = CLIPS_DROPPED.labels("yard", reason)._value.get()
    return lambda: CLIPS_DROPPED.labels("yard", reason)._value.get() - before


def kept(folder: Path, *clips: Clip, settings: str = "", disk: Callable[[], None] = lambda: None) -> None:
    """Have a depot take a visit and clips, and end it."""
    with opened(folder, settings) as depot:
        depot.write(FINAL)
        disk()
        for each in clips:
            depot.write_clip(each)


def opened(folder: Path, settings: str, days: float = 0.0) -> Depot:
    """Open a depot, some days later; it applies retention as it opens."""
    return Depot(parse_settings(settings, "test", {}), folder, FakeClock(1_700_000_000.0 + days * DAY_S))


def files(folder: Path) -> list[Path]:
    return [path for path in (folder / "snapshots").rglob("*") if path.is_file()]


def test_a_clip_is_bound_to_its_visit_by_its_hash(tmp_path: Path) -> None:
    kept(tmp_path, clip())
    assert row_of(tmp_path) == ImageRow(
        "2023-11-14/yard/v1-clip.mp4", hashlib.sha256(DATA).hexdigest(), len(DATA)
    )
    assert [path.read_bytes() for path in files(tmp_path)] == [DATA]


def test_a_clip_goes_with_its_visit(tmp_path: Path) -> None:
    kept(tmp_path, clip())
    opened(tmp_path, "store: {keep: {unlisted_days: 1}}", days=2).close()
    assert row_of(tmp_path) is None
    assert files(tmp_path) == []


def test_clips_count_for_the_size_of_all_pictures(tmp_path: Path) -> None:
    kept(tmp_path, clip(size=2_000_000))
    opened(tmp_path, "store: {keep: {max_gb: 0.001}}").close()
    assert files(tmp_path) == []
    with closing(read_database(tmp_path)) as database:
        assert len(history.revisions(database, "v1")) == 1


def test_a_clip_of_no_visit_is_taken_back(tmp_path: Path) -> None:
    count = dropped("no_visit")
    kept(tmp_path, clip("dropped by privacy"))
    assert (count(), files(tmp_path)) == (1, [])


@pytest.mark.parametrize("privacy", ["{blur_unlisted: true}", "{unread: drop}"])
def test_settings_that_came_to_hide_plates_keep_no_clip(tmp_path: Path, privacy: str) -> None:
    count = dropped("privacy")
    kept(tmp_path, clip(), settings=f"privacy: {privacy}")
    assert (count(), files(tmp_path)) == (1, [])


def test_a_full_disk_loses_the_clip_and_keeps_the_event(small_disk: Path) -> None:
    count = dropped("disk_error")
    settings = "store: {keep: {min_free_gb: 0}}"
    kept(small_disk, clip(size=9_000_000), settings=settings, disk=lambda: fill(small_disk))
    assert count() == 1
    assert row_of(small_disk) is None
    assert files(small_disk) == []
    with closing(read_database(small_disk)) as database:
        assert len(history.revisions(database, "v1")) == 1


def test_without_space_no_clip_is_stored(tmp_path: Path) -> None:
    count = dropped("disk_space")
    kept(tmp_path, clip(), settings="store: {keep: {min_free_gb: 1.0e+6}}")
    assert (count(), files(tmp_path)) == (1, [])


def test_a_clip_that_comes_after_the_end_is_no_stray_file(house: House, writer: Writer) -> None:
    count = dropped("closed")
    house.recorder.close()
    before = len(files(house.site.folder))
    ClipKeeper(house.snapshots, house.recorder, writer, FakeClock()).write(clip("v2"))
    assert (count(), len(files(house.site.folder))) == (1, before)


def test_no_video_waits_in_memory_for_a_busy_store(house: House, writer: Writer) -> None:
    may_go_on, is_queued = threading.Event(), threading.Event()
    writer.submit(lambda database: may_go_on.wait(60))
    data = bytes(1_000_000)
    before = sys.getrefcount(data)
    keeper = ClipKeeper(house.snapshots, house.recorder, writer, FakeClock())
    keeper.write(Clip("v2", "yard", 1_700_000_000.0, data))
    house.recorder.afterwards(is_queued.set)
    assert is_queued.wait(60)
    held = sys.getrefcount(data) - before
    may_go_on.set()
    assert held == 0
