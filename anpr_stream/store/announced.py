"""Of which cameras each MQTT broker was told, so that a later run can take back what the broker kept."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence


def exchange_announced(database: sqlite3.Connection, lane: str, cameras: Sequence[str]) -> frozenset[str]:
    """Write down the cameras that a receiver is told of; return those of last time. The caller commits."""
    rows = database.execute("SELECT camera FROM announced WHERE lane = ?", (lane,))
    earlier = frozenset(camera for (camera,) in rows)
    database.execute("DELETE FROM announced WHERE lane = ?", (lane,))
    database.executemany("INSERT INTO announced VALUES (?, ?)", [(lane, camera) for camera in cameras])
    return earlier
