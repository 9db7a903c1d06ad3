from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from anpr_stream.errors import StoreError
from anpr_stream.service.writer import Writer
from anpr_stream.store.database import open_database, read_database


def fire(name: str) -> object:
    return lambda database: database.execute("INSERT INTO fired VALUES ('lane', ?, 'AB1')", (name,)).rowcount


def names(folder: Path) -> list[str]:
    with closing(read_database(folder)) as database:
        return [name for (name,) in database.execute("SELECT visit_id FROM fired ORDER BY visit_id")]


def test_a_result_comes_when_it_is_committed(writer: Writer, tmp_path: Path) -> None:
    assert writer.submit(fire("a")).result(60) == 1
    assert names(tmp_path) == ["a"]


def test_a_job_that_fails_takes_nothing_else_down(writer: Writer, tmp_path: Path) -> None:
    gate = threading.Event()
    first = writer.submit(lambda database: gate.wait(60))

    def half_done(database: sqlite3.Connection) -> None:
        fire("half")(database)
        raise ValueError("no")

    jobs = [writer.submit(job) for job in (fire("a"), half_done, fire("a"), fire("b"))]
    gate.set()
    assert first.result(60)
    assert jobs[0].result(60) == 1
    with pytest.raises(ValueError, match="no"):
        jobs[1].result(60)
    with pytest.raises(sqlite3.IntegrityError):
        jobs[2].result(60)
    assert jobs[3].result(60) == 1
    assert names(tmp_path) == ["a", "b"]


def test_closing_commits_what_waits(tmp_path: Path) -> None:
    with Writer(open_database(tmp_path)) as writer:
        for number in range(1000):
            writer.submit(fire(f"{number:04}"))
    assert len(names(tmp_path)) == 1000


def test_nothing_is_taken_after_closing(writer: Writer) -> None:
    writer.close()
    with pytest.raises(StoreError, match="closed"):
        writer.submit(fire("late")).result(60)


class FullDisk(sqlite3.Connection):
    """A database whose disk is full until somebody makes room."""

    has_room = threading.Event()
    tried = threading.Event()

    def execute(self, sql: str, *values: object) -> sqlite3.Cursor:
        if sql == "COMMIT" and not self.has_room.is_set():
            self.tried.set()
            raise sqlite3.OperationalError("database or disk is full")
        return super().execute(sql, *values)


def full_disk(folder: Path) -> FullDisk:
    open_database(folder).close()
    FullDisk.has_room.clear()
    FullDisk.tried.clear()
    return sqlite3.connect(
        folder / "anpr-stream.sqlite", factory=FullDisk, isolation_level=None, check_same_thread=False
    )


def test_jobs_wait_while_the_disk_is_full(tmp_path: Path) -> None:
    with Writer(full_disk(tmp_path)) as writer:
        job = writer.submit(fire("a"))
        assert FullDisk.tried.wait(60)
        assert not job.done()
        FullDisk.has_room.set()
        assert job.result(60) == 1
        assert writer.fault == ""
    assert names(tmp_path) == ["a"]


def test_a_full_disk_does_not_keep_the_program_from_ending(tmp_path: Path) -> None:
    writer = Writer(full_disk(tmp_path))
    job = writer.submit(fire("a"))
    assert FullDisk.tried.wait(60)
    writer.close()
    with pytest.raises(StoreError, match="full"):
        job.result(60)
    assert "full" in writer.fault
