"""Entries for the tests of the store."""

from __future__ import annotations

import itertools
import json
import sqlite3
from collections.abc import Callable
from typing import Any

from anpr_stream.store.ledger import Entry, PlateClass


def make_entry(visit_id: str = "v1", revision: int = 0, **change: Any) -> Entry:
    values: dict[str, Any] = {
        "kind": "new",
        "camera": "gate",
        "text": "AB123",
        "raw_text": "A8123",
        "plate_class": PlateClass.UNLISTED,
        "first_utc_s": 1000.0,
        "last_utc_s": 1001.0,
        "lists": (),
    } | change
    payload = json.dumps({"visit_id": visit_id, "revision": revision, "kind": values["kind"]})
    return Entry(visit_id=visit_id, revision=revision, **{"payload": payload, **values})


def steps(database: sqlite3.Connection, action: Callable[[], object]) -> int:
    """Return how many of SQLite's own steps an action takes, in hundreds: time without a clock."""
    count = itertools.count()
    database.set_progress_handler(lambda: min(next(count), 0), 100)
    action()
    database.set_progress_handler(None, 0)
    return next(count)
