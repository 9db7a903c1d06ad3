"""What cameras remember of plates that stand or were just here: one row a camera, replaced as a whole."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection
from dataclasses import astuple
from typing import Any

from anpr_stream.types import Remembered


def read_remembered(database: sqlite3.Connection) -> dict[str, tuple[Remembered, ...]]:
    """Return what was noted, by camera, oldest plate first."""
    rows = database.execute("SELECT camera, plates FROM remembered")
    return {camera: tuple(map(_plate, json.loads(plates))) for camera, plates in rows}


def write_remembered(database: sqlite3.Connection, camera: str, plates: tuple[Remembered, ...]) -> None:
    """Put this in the place of what was noted for a camera; the caller commits."""
    text = json.dumps([astuple(plate) for plate in plates])
    database.execute("INSERT OR REPLACE INTO remembered VALUES (?, ?)", (camera, text))


def keep_remembered(database: sqlite3.Connection, cameras: Collection[str]) -> None:
    """Delete what was noted for other cameras than these; the caller commits."""
    known = json.dumps(list(cameras))
    database.execute("DELETE FROM remembered WHERE camera NOT IN (SELECT value FROM json_each(?))", (known,))


def _plate(values: list[Any]) -> Remembered:
    text, box, velocity, *rest = values
    rest[3:] = [tuple(size) for size in rest[3:] if size]  # notes of earlier versions have none
    return Remembered(text, tuple(box), tuple(velocity), *rest)
