"""The one SQLite file of a machine: history, outbox and what was fired, in one transaction each.

Write-ahead log, so that readers (search, status) never wait for the writer, with a full sync at
each commit: what is accepted survives a power cut, and batched commits make it cheap.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from anpr_stream.errors import StoreError

NAME = "anpr-stream.sqlite"
BUSY_S = 10.0
LOG_BYTES = 8 * 1024 * 1024
"""The write-ahead log is cut to this when it begins anew. Less: cut and grown again all the time, more: what
a long reader or a busy hour let it grow to stays on the disk."""

FIRST = """
CREATE TABLE visits (
    visit_id TEXT PRIMARY KEY,
    revision INTEGER NOT NULL,
    kind TEXT NOT NULL,
    camera TEXT NOT NULL,
    text TEXT,
    raw_text TEXT,
    plate_class TEXT NOT NULL,
    first_utc_s REAL NOT NULL,
    last_utc_s REAL NOT NULL,
    interrupted INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE INDEX visits_by_time ON visits (last_utc_s);
CREATE INDEX visits_by_text ON visits (text);
CREATE INDEX visits_open ON visits (visit_id) WHERE kind != 'final';

CREATE TABLE revisions (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    visit_id TEXT NOT NULL,
    revision INTEGER NOT NULL,
    payload TEXT NOT NULL,
    accepted_utc_s REAL NOT NULL,
    UNIQUE (visit_id, revision)
);

CREATE TABLE hits (
    visit_id TEXT NOT NULL,
    list TEXT NOT NULL,
    PRIMARY KEY (visit_id, list)
) WITHOUT ROWID;

CREATE TABLE images (
    path TEXT PRIMARY KEY,
    visit_id TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    plate_class TEXT NOT NULL,
    stored_utc_s REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX images_by_visit ON images (visit_id);

CREATE TABLE outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    lane TEXT NOT NULL,
    visit_id TEXT NOT NULL,
    revision INTEGER NOT NULL,
    state TEXT NOT NULL DEFAULT 'waiting',
    tries INTEGER NOT NULL DEFAULT 0,
    error TEXT NOT NULL DEFAULT '',
    queued_utc_s REAL NOT NULL
);
CREATE INDEX outbox_next ON outbox (lane, state, id);
CREATE INDEX outbox_by_visit ON outbox (visit_id);

CREATE TABLE fired (
    lane TEXT NOT NULL,
    visit_id TEXT NOT NULL,
    entry TEXT NOT NULL,
    PRIMARY KEY (lane, visit_id)
) WITHOUT ROWID;
CREATE INDEX fired_by_visit ON fired (visit_id);
"""

CLOCK = """
CREATE TABLE clock (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    utc_s REAL NOT NULL,
    doubted_s REAL
);
"""

REMEMBERED = """
CREATE TABLE remembered (
    camera TEXT PRIMARY KEY,
    plates TEXT NOT NULL
) WITHOUT ROWID;
"""

ANNOUNCED = """
CREATE TABLE announced (
    lane TEXT NOT NULL,
    camera TEXT NOT NULL,
    PRIMARY KEY (lane, camera)
) WITHOUT ROWID;
"""

BY_AGE = """
CREATE INDEX visits_by_class ON visits (plate_class, last_utc_s);
CREATE INDEX images_by_age ON images (plate_class = 'listed', stored_utc_s, bytes);
"""

CORRECTIONS = """
CREATE TABLE corrections (
    visit_id TEXT PRIMARY KEY,
    text TEXT,
    corrected_utc_s REAL NOT NULL
) WITHOUT ROWID;
"""

AUDIT = """
CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    utc_s REAL NOT NULL,
    who TEXT NOT NULL,
    action TEXT NOT NULL,
    asked TEXT NOT NULL,
    answers INTEGER
);
CREATE INDEX audit_by_time ON audit (utc_s);
CREATE TABLE privacy (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    is_plain INTEGER NOT NULL
);
"""

STEPS = (FIRST, CLOCK, REMEMBERED, ANNOUNCED, BY_AGE, CORRECTIONS, AUDIT)
"""What each version added; a store is brought from its own version to the last one, step by step."""
VERSION = len(STEPS)


def open_database(folder: Path) -> sqlite3.Connection:
    """Open the store's database for reading and writing; make it when it is missing.

    Args:
        folder: the store's folder; made when it is missing, for its owner only.

    Returns:
        A connection without implicit transactions; use it in one thread at a time.

    Raises:
        StoreError: the folder or the file cannot be used, or a newer version wrote it.
    """
    path = folder / NAME
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o750)
        database = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=FULL")
        database.execute(f"PRAGMA journal_size_limit={LOG_BYTES}")
        _migrate(database, path)
    except (OSError, sqlite3.Error) as error:
        raise StoreError(f"{path}: {error}; is the folder writable and on a local disk?") from error
    return database


def read_database(folder: Path) -> sqlite3.Connection:
    """Open the store's database for reading only.

    Raises:
        StoreError: there is none, or it cannot be read.
    """
    path = folder / NAME
    _check_readable(path)
    try:
        database = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro{_immutable(path)}",
            uri=True,
            timeout=BUSY_S,
            isolation_level=None,
            check_same_thread=False,
        )
        _stand_in(database, _check_version(database, path))
    except sqlite3.Error as error:
        raise StoreError(f"{path}: {error}") from error
    return database


def is_current(folder: Path) -> bool:
    """Return whether a store has all tables of this version.

    Raises:
        StoreError: there is none, or it cannot be read.
    """
    with closing(read_database(folder)) as database:
        return _check_version(database, folder / NAME) == VERSION


def _stand_in(database: sqlite3.Connection, version: int) -> None:
    """Give an older store, which no daemon has opened since, empty tables that searches ask for."""
    missing = STEPS[max(version, STEPS.index(CORRECTIONS)) :]
    for statement in ";".join(missing).split(";"):
        if "CREATE TABLE" in statement:
            database.execute(statement.replace("CREATE TABLE", "CREATE TEMP TABLE"))


def _check_readable(path: Path) -> None:
    """Raise `StoreError` where SQLite would only say that it cannot open the file.

    It is not opened to find out: closing it would take SQLite's locks of this process away.
    """
    is_closed = os.path.isdir(path.parent) and not os.access(path.parent, os.X_OK)
    if not is_closed and not os.path.isfile(path):
        raise StoreError(f"{path}: no such store; name its folder, or run 'anpr-stream serve' first")
    if is_closed or not os.access(path, os.R_OK):
        raise StoreError(f"{path}: this user may not read it; ask as root or as the service's user")


def _immutable(path: Path) -> str:
    """Return what lets SQLite read a store at rest where the caller may not make a log beside it."""
    is_at_rest = not path.with_name(f"{NAME}-wal").exists()
    return "&immutable=1" if is_at_rest and not os.access(path.parent, os.W_OK) else ""


def _check_version(database: sqlite3.Connection, path: Path) -> int:
    version: int = database.execute("PRAGMA user_version").fetchone()[0]
    if version > VERSION:
        raise StoreError(f"{path}: written by a newer anpr-stream (version {version}); upgrade this one")
    return version


def _migrate(database: sqlite3.Connection, path: Path) -> None:
    """Add the tables that a new or older file lacks; two processes may try at once."""
    if _check_version(database, path) == VERSION:
        return
    database.execute("BEGIN IMMEDIATE")
    for step in STEPS[_check_version(database, path) :]:
        for statement in step.split(";"):
            database.execute(statement)
    database.execute(f"PRAGMA user_version={VERSION}")
    database.execute("COMMIT")
