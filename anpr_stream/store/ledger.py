"""Accepting events: history, pictures and outbox rows in the caller's one transaction.

An event is accepted when that transaction is committed. From then on its payload never changes:
the same `visit_id` and `revision` is always the same bytes, for every receiver and every try.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from enum import Enum


class PlateClass(Enum):
    """Whose plate it is, for privacy and for how long it is kept."""

    LISTED = "listed"
    UNLISTED = "unlisted"
    UNREAD = "unread"


@dataclass(frozen=True, slots=True)
class ImageRow:
    """A stored picture: path relative to the snapshots' folder, hash and size of the file's bytes."""

    path: str
    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True)
class OnceLane:
    """An outbox lane that gets a visit's event at most one time, and the list entry that asks for it."""

    lane: str
    entry: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One event, ready to be accepted: what may be kept of it after privacy.

    Attributes:
        visit_id: with `revision` the key.
        revision: see `Event`.
        kind: `new`, `update` or `final`.
        camera: name of the camera.
        text: fused text or its keyed hash; None for an unread visit.
        raw_text: fused text before plate formats; None where privacy hides it.
        plate_class: whose plate it is.
        first_utc_s: begin of the visit.
        last_utc_s: end so far.
        lists: names of the lists that the plate is on.
        payload: the event as one line of JSON.
        images: its pictures, already on disk.
        lanes: outbox lanes that get every event.
        once_lanes: outbox lanes that get one event per visit.
    """

    visit_id: str
    revision: int
    kind: str
    camera: str
    text: str | None
    raw_text: str | None
    plate_class: PlateClass
    first_utc_s: float
    last_utc_s: float
    lists: tuple[str, ...]
    payload: str
    images: tuple[ImageRow, ...] = ()
    lanes: tuple[str, ...] = ()
    once_lanes: tuple[OnceLane, ...] = ()


def accept(database: sqlite3.Connection, entry: Entry, utc_s: float, resume_s: float = 0.0) -> bool:
    """Write an event with all that follows from it; the caller commits.

    Args:
        database: inside a transaction.
        entry: the event.
        utc_s: now.
        resume_s: a visit that a crash cut off less than this before the event's begin counts as
            the same visit of a car, and what it fired is not fired again; one that began this much
            later is of a clock that was wrong.

    Returns:
        False if this revision was accepted before; then nothing is written.
    """
    added = database.execute(
        "INSERT OR IGNORE INTO revisions (visit_id, revision, payload, accepted_utc_s) VALUES (?, ?, ?, ?)",
        (entry.visit_id, entry.revision, entry.payload, utc_s),
    )
    if added.rowcount == 0:
        return False
    _write_visit(database, entry)
    _write_images(database, entry, utc_s)
    fired = [once.lane for once in entry.once_lanes if _fire(database, entry, once, resume_s)]
    database.executemany(
        "INSERT INTO outbox (lane, visit_id, revision, queued_utc_s) VALUES (?, ?, ?, ?)",
        [(lane, entry.visit_id, entry.revision, utc_s) for lane in (*entry.lanes, *fired)],
    )
    return True


def add_clip(database: sqlite3.Connection, visit_id: str, clip: ImageRow, utc_s: float) -> bool:
    """Write the clip of a visit beside its pictures; the caller commits.

    Returns:
        False if there is no such visit, or not any more; then nothing is written.
    """
    added = database.execute(
        "INSERT OR REPLACE INTO images"
        " SELECT ?, visit_id, ?, ?, plate_class, ? FROM visits WHERE visit_id = ?",
        (clip.path, clip.sha256, clip.bytes, utc_s, visit_id),
    )
    return added.rowcount == 1


def open_visits(database: sqlite3.Connection) -> list[str]:
    """Return the last payload of each visit without a `final`: at start, those that a crash cut off."""
    rows = database.execute(
        "SELECT payload FROM visits JOIN revisions USING (visit_id, revision) WHERE kind != 'final'"
    )
    return [payload for (payload,) in rows]


def close_interrupted(
    database: sqlite3.Connection, payload: str, lanes: tuple[str, ...], utc_s: float
) -> None:
    """Accept the `final` of a visit that a crash cut off: its last known state, marked `interrupted`."""
    last = json.loads(payload)
    revision = last["revision"] + 1
    final = {**last, "revision": revision, "kind": "final", "interrupted": True}
    key = (last["visit_id"], revision)
    text = json.dumps(final, ensure_ascii=False, separators=(",", ":"))
    database.execute(
        "INSERT INTO revisions (visit_id, revision, payload, accepted_utc_s) VALUES (?, ?, ?, ?)",
        (*key, text, utc_s),
    )
    database.execute(
        "UPDATE visits SET revision = ?, kind = 'final', interrupted = 1 WHERE visit_id = ?",
        (revision, last["visit_id"]),
    )
    database.executemany(
        "INSERT INTO outbox (lane, visit_id, revision, queued_utc_s) VALUES (?, ?, ?, ?)",
        [(lane, *key, utc_s) for lane in lanes],
    )


def _write_visit(database: sqlite3.Connection, entry: Entry) -> None:
    database.execute(
        "INSERT OR REPLACE INTO visits VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0)",
        (
            entry.visit_id,
            entry.revision,
            entry.kind,
            entry.camera,
            entry.text,
            entry.raw_text,
            entry.plate_class.value,
            entry.first_utc_s,
            entry.last_utc_s,
        ),
    )
    database.execute("DELETE FROM hits WHERE visit_id = ?", (entry.visit_id,))
    database.executemany(
        "INSERT OR IGNORE INTO hits VALUES (?, ?)", [(entry.visit_id, name) for name in entry.lists]
    )


def _write_images(database: sqlite3.Connection, entry: Entry, utc_s: float) -> None:
    plate_class = entry.plate_class.value
    database.executemany(
        "INSERT OR IGNORE INTO images VALUES (?, ?, ?, ?, ?, ?)",
        [
            (image.path, entry.visit_id, image.sha256, image.bytes, plate_class, utc_s)
            for image in entry.images
        ],
    )


def _fire(database: sqlite3.Connection, entry: Entry, once: OnceLane, resume_s: float) -> bool:
    """Return whether the lane fires now: not fired in this visit, nor in its part before a crash."""
    # CROSS holds SQLite to the last seconds' visits; by itself it looks through all that the lane ever fired.
    before_crash = database.execute(
        "SELECT 1 FROM visits CROSS JOIN fired USING (visit_id)"
        " WHERE lane = ? AND entry = ? AND camera = ? AND interrupted AND last_utc_s > ? AND first_utc_s < ?",
        (once.lane, once.entry, entry.camera, entry.first_utc_s - resume_s, entry.first_utc_s + resume_s),
    ).fetchone()
    added = database.execute(
        "INSERT OR IGNORE INTO fired VALUES (?, ?, ?)", (once.lane, entry.visit_id, once.entry)
    )
    return before_crash is None and added.rowcount == 1
