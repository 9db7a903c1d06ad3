from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from anpr_stream.errors import StoreError
from anpr_stream.store import database as database_module
from anpr_stream.store.database import NAME, open_database, read_database


def test_a_new_store_is_made_and_found_again(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "store"
    with closing(open_database(folder)) as first:
        first.execute("INSERT INTO fired VALUES ('lane', 'v1', 'AB1')")
    with closing(open_database(folder)) as second:
        assert second.execute("SELECT visit_id FROM fired").fetchall() == [("v1",)]


def test_readers_do_not_wait_for_the_writer(tmp_path: Path) -> None:
    with closing(open_database(tmp_path)) as writer, closing(read_database(tmp_path)) as reader:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("INSERT INTO fired VALUES ('lane', 'v1', 'AB1')")
        assert reader.execute("SELECT count(*) FROM fired").fetchone() == (0,)
        writer.execute("COMMIT")
        assert reader.execute("SELECT count(*) FROM fired").fetchone() == (1,)


def test_the_log_that_a_reader_let_grow_is_cut_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "LOG_BYTES", 100_000)
    log = tmp_path / f"{NAME}-wal"
    with closing(open_database(tmp_path)) as writer:
        with closing(read_database(tmp_path)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM fired").fetchone()
            for number in range(8):
                writer.execute("INSERT INTO fired VALUES ('lane', ?, ?)", (str(number), "x" * 1_000_000))
        assert log.stat().st_size > 8_000_000
        for number in range(8, 11):
            writer.execute("INSERT INTO fired VALUES ('lane', ?, 'x')", (str(number),))
        assert log.stat().st_size <= 100_000


def test_a_reader_cannot_write(tmp_path: Path) -> None:
    open_database(tmp_path).close()
    with closing(read_database(tmp_path)) as reader, pytest.raises(sqlite3.OperationalError):
        reader.execute("DELETE FROM fired")


READ_AS_NOBODY = """
import os, sys
from contextlib import closing
from pathlib import Path
from anpr_stream.store.database import read_database
os.setuid(65534)
with closing(read_database(Path(sys.argv[1]))) as reader:
    print(reader.execute("SELECT visit_id FROM fired").fetchall())
"""


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that other users reach; pytest's own are closed to them."""
    if os.getuid():
        pytest.skip("becoming another user needs root")
    with TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def read_as_nobody(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", READ_AS_NOBODY, str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_store_at_rest_is_read_by_who_may_only_read(open_folder: Path) -> None:
    with closing(open_database(open_folder)) as database:
        database.execute("INSERT INTO fired VALUES ('lane', 'v1', 'AB1')")
    assert read_as_nobody(open_folder).stdout == "[('v1',)]\n"


def test_a_store_at_work_is_read_by_who_may_only_read(open_folder: Path) -> None:
    with closing(open_database(open_folder)) as database:
        database.execute("INSERT INTO fired VALUES ('lane', 'v1', 'AB1')")
        assert read_as_nobody(open_folder).stdout == "[('v1',)]\n"


@pytest.mark.parametrize("closed", [".", NAME])
def test_who_may_not_read_a_store_is_told(open_folder: Path, closed: str) -> None:
    open_database(open_folder).close()
    (open_folder / closed).chmod(0o600)
    assert "StoreError: " in (told := read_as_nobody(open_folder).stderr)
    assert f"{NAME}: this user may not read it" in told


def test_a_missing_store_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no such store"):
        read_database(tmp_path)


def test_a_newer_store_is_left_alone(tmp_path: Path) -> None:
    with closing(open_database(tmp_path)) as database:
        database.execute("PRAGMA user_version=99")
    with pytest.raises(StoreError, match="newer"):
        open_database(tmp_path)
    with pytest.raises(StoreError, match="newer"):
        read_database(tmp_path)


@pytest.mark.parametrize("content", [b"no database at all" * 100, b"\0" * 5000])
def test_a_damaged_store_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / NAME).write_bytes(content)
    with pytest.raises(StoreError, match=NAME):
        open_database(tmp_path)


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("in the way")
    with pytest.raises(StoreError, match="writable"):
        open_database(tmp_path / "store")
