"""The durable queue of each receiver, in the order of acceptance.

A parcel is `waiting` until it is delivered (its row goes) or put aside as `dead`. A lane that must
not send twice claims its parcels first: `started` parcels found at the next start are put aside,
because nobody knows whether they went out. All functions work inside the caller's transaction.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

Change: TypeAlias = Callable[[sqlite3.Connection, str | None, Sequence[int]], int]
"""What is done with dead letters, those named or all of a lane (of all lanes: None); tells how many."""

INTERRUPTED = "interrupted: may have run, resend by hand if it must run again"


@dataclass(frozen=True, slots=True)
class Parcel:
    """One event for one receiver.

    Attributes:
        id: of the row; grows in the order of acceptance.
        lane: name of the receiver.
        visit_id: with `revision` the receiver's key against doubles.
        revision: see `visit_id`.
        tries: refusals so far.
        error: the last refusal.
        queued_utc_s: when it was accepted, or queued again by hand.
        payload: the event as one line of JSON, the same at every try.
    """

    id: int
    lane: str
    visit_id: str
    revision: int
    tries: int
    error: str
    queued_utc_s: float
    payload: str


_PARCELS = (
    "SELECT id, lane, visit_id, revision, tries, error, queued_utc_s, payload"
    " FROM outbox JOIN revisions USING (visit_id, revision)"
)


def take(database: sqlite3.Connection, lane: str, limit: int) -> list[Parcel]:
    """Return the lane's next parcels, oldest first; they stay in the queue."""
    rows = database.execute(
        f"{_PARCELS} WHERE lane = ? AND state = 'waiting' ORDER BY id LIMIT ?", (lane, limit)
    )
    return [Parcel(*row) for row in rows]


def claim(database: sqlite3.Connection, ids: Iterable[int]) -> None:
    """Mark parcels as started; from here on they are never sent again by themselves."""
    database.executemany("UPDATE outbox SET state = 'started' WHERE id = ?", [(row,) for row in ids])


def release(database: sqlite3.Connection, ids: Iterable[int]) -> None:
    """Take back the claim on parcels that surely did not go out."""
    database.executemany("UPDATE outbox SET state = 'waiting' WHERE id = ?", [(row,) for row in ids])


def delivered(database: sqlite3.Connection, ids: Iterable[int]) -> None:
    """Forget parcels that the receiver has."""
    database.executemany("DELETE FROM outbox WHERE id = ?", [(row,) for row in ids])


def refused(database: sqlite3.Connection, row: int, error: str, is_dead: bool) -> None:
    """Count a refusal; a dead parcel is put aside and no longer holds up those behind it."""
    database.execute(
        "UPDATE outbox SET tries = tries + 1, error = ?, state = ? WHERE id = ?",
        (error, "dead" if is_dead else "waiting", row),
    )


def put_aside(database: sqlite3.Connection, ids: Iterable[int], reason: str) -> None:
    """Make parcels dead that are not to be sent any more."""
    database.executemany(
        "UPDATE outbox SET error = ?, state = 'dead' WHERE id = ?", [(reason, row) for row in ids]
    )


def bury_interrupted(database: sqlite3.Connection) -> int:
    """At start: put aside parcels that were started when the last run was killed; return how many."""
    return database.execute(
        "UPDATE outbox SET state = 'dead', error = ? WHERE state = 'started'", (INTERRUPTED,)
    ).rowcount


def dead_letters(database: sqlite3.Connection, lane: str | None, limit: int) -> list[Parcel]:
    """Return parcels that were put aside, oldest first, of one lane or of all."""
    rows = database.execute(
        f"{_PARCELS} WHERE state = 'dead' AND lane = coalesce(?, lane) ORDER BY id LIMIT ?", (lane, limit)
    )
    return [Parcel(*row) for row in rows]


def resend(database: sqlite3.Connection, lane: str | None, ids: Sequence[int] = (), *, utc_s: float) -> int:
    """Queue dead letters again, those named or all of a lane; return how many.

    They keep their place: older than what waits, they go first. Their age counts from `utc_s`, now.
    """
    what = "UPDATE outbox SET state = 'waiting', tries = 0, queued_utc_s = ?"
    return _change_dead(database, what, (utc_s,), lane, ids)


def discard(database: sqlite3.Connection, lane: str | None, ids: Sequence[int] = ()) -> int:
    """Delete dead letters, those named or all of a lane; return how many."""
    return _change_dead(database, "DELETE FROM outbox", (), lane, ids)


def discard_removed(database: sqlite3.Connection, configured: Collection[str], lane: str | None) -> int:
    """Delete what waits for lanes that are not configured, dead letters too; return how many.

    Args:
        database: inside a transaction.
        configured: the lanes that stay.
        lane: of this lane only; None: of all.
    """
    return database.execute(
        "DELETE FROM outbox WHERE state != 'started' AND lane = coalesce(?, lane)"
        " AND lane NOT IN (SELECT value FROM json_each(?))",
        (lane, json.dumps(list(configured))),
    ).rowcount


def depths(database: sqlite3.Connection) -> dict[str, dict[str, int]]:
    """Return the number of parcels by lane and state (`waiting`, `started`, `dead`)."""
    found: dict[str, dict[str, int]] = {}
    for lane, state, count in database.execute(
        "SELECT lane, state, count(*) FROM outbox GROUP BY lane, state ORDER BY lane, state"
    ):
        found.setdefault(lane, {})[state] = count
    return found


def _change_dead(
    database: sqlite3.Connection, what: str, values: tuple[float, ...], lane: str | None, ids: Sequence[int]
) -> int:
    change = f"{what} WHERE state = 'dead' AND lane = coalesce(?, lane)"
    if not ids:
        return database.execute(change, (*values, lane)).rowcount
    return sum(database.execute(f"{change} AND id = ?", (*values, lane, row)).rowcount for row in ids)
