"""Searching the visits: by parts of a text, by patterns, by likeness, time, camera and list."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from anpr_stream.plates.text import normalise

Distance = Callable[[str, str], float]
"""How far two texts are apart: 0 for equal ones, about 1 for each character that differs."""


@dataclass(frozen=True, slots=True)
class Query:
    """What to look for; empty fields do not narrow.

    Attributes:
        text: a part of the text; with `?` (one character) or `*` (any number) a pattern of the whole;
            hashes do not fit.
        max_distance: look for texts this near to `text` instead.
        since_utc_s: visits that ended at this time or later.
        until_utc_s: visits that ended before this time.
        cameras: any of these.
        lists: on any of these.
        classes: any of `listed`, `unlisted`, `unread`.
        limit: at most as many, newest first; None: all.
        hashed_text: the keyed hash of `text`, so that hashed visits are found by a whole text.
    """

    text: str = ""
    max_distance: float | None = None
    since_utc_s: float | None = None
    until_utc_s: float | None = None
    cameras: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    limit: int | None = 100
    hashed_text: str | None = None

    def __post_init__(self) -> None:
        if self.text and not pattern(self.text):
            raise ValueError(f"text: {self.text!r} holds no letter or digit")
        if self.max_distance is not None and not normalise(self.text) == pattern(self.text) != "":
            raise ValueError("fuzzy: a search by likeness needs a text, without ? and *")


@dataclass(frozen=True, slots=True)
class Found:
    """A visit: its last revision's payload, its class, and the distance of a search by likeness."""

    payload: str
    plate_class: str
    distance: float | None = None


def pattern(text: str) -> str:
    """Return a search text in the form of stored ones: capitals, digits, `?` and `*` only."""
    return normalise(text, keep="?*")


def search(database: sqlite3.Connection, query: Query, distance: Distance | None = None) -> Iterator[Found]:
    """Yield the visits that fit, newest first.

    Args:
        database: for reading.
        query: what to look for.
        distance: needed for `max_distance`.

    Raises:
        ValueError: `max_distance` without a `distance` or a text.
    """
    where, values = _conditions(query)
    sql = "SELECT payload, plate_class, text FROM visits JOIN revisions USING (visit_id, revision)"
    rows = database.execute(f"{sql} WHERE {' AND '.join(where)} ORDER BY last_utc_s DESC", values)
    found = _near(rows, query, distance) if query.max_distance is not None else _plain(rows)
    for number, visit in enumerate(found):
        if query.limit is not None and number >= query.limit:
            return
        yield visit


def revisions(database: sqlite3.Connection, visit_id: str) -> list[str]:
    """Return the payloads of a visit in order, empty for an unknown one."""
    rows = database.execute("SELECT payload FROM revisions WHERE visit_id = ? ORDER BY revision", (visit_id,))
    return [payload for (payload,) in rows]


def newest(database: sqlite3.Connection) -> int:
    """Return the sequence number of the last accepted event, 0 when there is none."""
    found: int = database.execute("SELECT coalesce(max(sequence), 0) FROM revisions").fetchone()[0]
    return found


def after(database: sqlite3.Connection, sequence: int, limit: int) -> list[tuple[int, str]]:
    """Return sequence number and payload of the events accepted after one, oldest first."""
    return database.execute(
        "SELECT sequence, payload FROM revisions WHERE sequence > ? ORDER BY sequence LIMIT ?",
        (sequence, limit),
    ).fetchall()


def _plain(rows: Iterator[tuple[str, str, str | None]]) -> Iterator[Found]:
    for payload, plate_class, _ in rows:
        yield Found(payload, plate_class)


def _near(
    rows: Iterator[tuple[str, str, str | None]], query: Query, distance: Distance | None
) -> Iterator[Found]:
    wanted = pattern(query.text)
    if distance is None or query.max_distance is None:
        raise ValueError("a search by likeness needs a distance")
    for payload, plate_class, text in rows:
        away = 0.0 if text == query.hashed_text else distance(wanted, normalise(text or ""))
        if away <= query.max_distance:
            yield Found(payload, plate_class, away)


def _conditions(query: Query) -> tuple[list[str], list[object]]:
    where, values = ["1"], list[object]()
    for condition, value in (
        ("last_utc_s >= ?", query.since_utc_s),
        ("last_utc_s < ?", query.until_utc_s),
    ):
        if value is not None:
            where.append(condition)
            values.append(value)
    _any_of(where, values, "camera IN ({})", query.cameras)
    _any_of(where, values, "plate_class IN ({})", query.classes)
    _any_of(where, values, "visit_id IN (SELECT visit_id FROM hits WHERE list IN ({}))", query.lists)
    if query.text:
        _text_condition(where, values, query)
    return where, values


def _any_of(where: list[str], values: list[object], condition: str, options: tuple[str, ...]) -> None:
    if options:
        where.append(condition.format(", ".join("?" * len(options))))
        values.extend(options)


def _text_condition(where: list[str], values: list[object], query: Query) -> None:
    wanted = pattern(query.text)
    if query.max_distance is None:
        has_wildcard = "?" in wanted or "*" in wanted
        condition = "text GLOB ?"
        values.append(wanted if has_wildcard else f"*{wanted}*")
    else:
        # No character more or less costs under a half, so other lengths need no look.
        condition = "abs(length(text) - ?) <= ?"
        values.extend([len(wanted), int(query.max_distance * 2)])
    # The digits of a hash say nothing of the plate's.
    where.append(f"(({condition} AND text NOT LIKE '#%') OR text = ?)")
    values.append(query.hashed_text)
