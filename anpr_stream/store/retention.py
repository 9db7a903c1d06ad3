"""Forgetting: visits by age and class, pictures by size. All work in the caller's transaction.

Rows go first and files after the commit, so that a crash leaves files without rows (found by
`SnapshotFolder.older_than`) but never an event whose picture is said to be there and is not.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from anpr_stream.store.ledger import PlateClass

AT_ONCE = 500
"""Rows in one transaction; more would hold up events that wait to be accepted."""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was deleted: visits, dead letters among their deliveries, and pictures yet to be unlinked."""

    visits: int
    dead_letters: int
    paths: tuple[str, ...]


def forget_visits(database: sqlite3.Connection, plate_class: PlateClass, before_utc_s: float) -> Forgotten:
    """Delete up to `AT_ONCE` visits of a class that ended before a time.

    Visits that a receiver still waits for stay; dead letters go with their visit.
    """
    rows = database.execute(
        "SELECT visit_id FROM visits WHERE plate_class = ? AND last_utc_s < ? AND NOT EXISTS ("
        " SELECT 1 FROM outbox WHERE outbox.visit_id = visits.visit_id AND state != 'dead'"
        ") ORDER BY last_utc_s LIMIT ?",
        (plate_class.value, before_utc_s, AT_ONCE),
    ).fetchall()
    paths: list[str] = []
    dead = 0
    for visit in rows:
        images = database.execute("SELECT path FROM images WHERE visit_id = ?", visit)
        paths.extend(path for (path,) in images)
        dead += database.execute("DELETE FROM outbox WHERE visit_id = ?", visit).rowcount
        for table in ("images", "hits", "fired", "corrections", "revisions", "visits"):
            database.execute(f"DELETE FROM {table} WHERE visit_id = ?", visit)
    return Forgotten(len(rows), dead, tuple(paths))


def forget_images(database: sqlite3.Connection, surplus_bytes: float) -> dict[str, int]:
    """Delete up to `AT_ONCE` pictures of at least so many bytes together; return their sizes by path.

    The oldest go first, all those of plates on no list before any of a listed one.
    """
    rows = database.execute(
        "SELECT path, bytes FROM images ORDER BY plate_class = 'listed', stored_utc_s LIMIT ?", (AT_ONCE,)
    ).fetchall()
    sizes: dict[str, int] = {}
    for path, size in rows:
        if surplus_bytes <= 0:
            break
        sizes[path] = size
        surplus_bytes -= size
    database.executemany("DELETE FROM images WHERE path = ?", [(path,) for path in sizes])
    return sizes


def image_bytes(database: sqlite3.Connection) -> int:
    """Return the size of all stored pictures together."""
    found: int = database.execute("SELECT coalesce(sum(bytes), 0) FROM images").fetchone()[0]
    return found


def without_row(database: sqlite3.Connection, paths: Iterable[str]) -> list[str]:
    """Return those of the pictures that no event knows."""
    return [
        path
        for path in paths
        if database.execute("SELECT 1 FROM images WHERE path = ?", (path,)).fetchone() is None
    ]
