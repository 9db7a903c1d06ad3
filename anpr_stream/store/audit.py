"""Who looked up plates: one record for each search, export, picture, correction and change of a list.

The record of a search or stream stands for the pictures of the plates that it tells of.
Records are added and forgotten by age; nothing changes one.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from typing import Any

from anpr_stream.store.history import Query

HIDDEN_TEXT = "(not stored)"
"""Stands for a text that privacy hides where its hash is not known."""


@dataclass(frozen=True, slots=True)
class Record:
    """One look-up or change.

    Attributes:
        utc_s: when.
        who: a user of this machine, or the name of the token and the caller's address.
        action: `search`, `export`, `visit`, `picture`, `clip`, `stream`, `correct` or `list`.
        asked: what was asked, as JSON values; no more of a text than privacy lets be kept.
        answers: how many visits, pictures or plates; None: nobody counted.
    """

    utc_s: float
    who: str
    action: str
    asked: Mapping[str, Any]
    answers: int | None = None


def asked_of(query: Query, is_plain: bool) -> dict[str, Any]:
    """Return what a search asks for, as JSON values; `is_plain`: whether texts may be kept as they are."""
    asked = {name: value for name, value in asdict(query).items() if value not in (None, "", ())}
    hashed_text = asked.pop("hashed_text", None)
    if query.text and not is_plain:
        asked["text"] = hashed_text or HIDDEN_TEXT
    for name in ("since_utc_s", "until_utc_s"):
        if name in asked:
            utc_s = asked.pop(name)
            asked[name[:5]] = datetime.fromtimestamp(utc_s, tz=timezone.utc).isoformat()
    return asked


def kept_text(text: str, is_plain: bool, hashed: Callable[[str], str] | None) -> str:
    """Return what of a plate's text may stand in a record."""
    if is_plain or text.startswith("#"):
        return text
    return hashed(text) if hashed else HIDDEN_TEXT


def add(database: sqlite3.Connection, record: Record) -> None:
    """Add a record; the caller commits."""
    asked = json.dumps(record.asked, ensure_ascii=False)
    database.execute(
        "INSERT INTO audit (utc_s, who, action, asked, answers) VALUES (?, ?, ?, ?, ?)",
        (record.utc_s, record.who, record.action, asked, record.answers),
    )


def records(
    database: sqlite3.Connection,
    since_utc_s: float | None = None,
    until_utc_s: float | None = None,
    who: str = "",
    limit: int | None = None,
) -> Iterator[Record]:
    """Yield records, newest first: from a time on, before a time, of those whose name holds `who`."""
    rows = database.execute(
        "SELECT utc_s, who, action, asked, answers FROM audit"
        " WHERE utc_s >= ? AND utc_s < ? AND instr(who, ?) ORDER BY id DESC LIMIT ?",
        (since_utc_s or 0.0, until_utc_s or float("inf"), who, -1 if limit is None else limit),
    )
    for utc_s, name, action, asked, answers in rows:
        yield Record(utc_s, name, action, json.loads(asked), answers)


def forget_records(database: sqlite3.Connection, before_utc_s: float, limit: int) -> int:
    """Delete up to `limit` records from before a time; return how many. The caller commits."""
    return database.execute(
        "DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE utc_s < ? ORDER BY utc_s LIMIT ?)",
        (before_utc_s, limit),
    ).rowcount
