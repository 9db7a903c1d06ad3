"""Searching the visits: by parts of a text, by patterns, by likeness, time, camera and list.

A search holds no transaction while its caller handles what it found: that may take as long as somebody
reads it page by page, and the write-ahead log would grow all the time.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import TypeAlias

from anpr_stream.plates.matching import Confusions, TextIndex
from anpr_stream.plates.text import normalise
from anpr_stream.store.corrections import Correction
from anpr_stream.store.ledger import ImageRow

IS_CLIP = "path LIKE '%.mp4'"
"""Tells clips from pictures among the rows of `images`."""

PAGE = 200
"""Visits that are read in one go."""
COMPARED = 5000
"""Texts that are compared in one go."""
_Row: TypeAlias = "tuple[int, str | None, str | None]"
"""Sequence number of a visit's last revision, its text, and what a person says that it is."""
_Fitting: TypeAlias = "tuple[int, float | None]"
"""Sequence number of a visit's last revision, and the distance of a search by likeness."""


@dataclass(frozen=True, slots=True)
class Query:
    """What to look for; empty fields do not narrow.

    Attributes:
        text: a part of the text, or of what a person says that it is; with `?` (one character) or `*` (any
            number) a pattern of the whole; hashes do not fit.
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
    """A visit: its last revision's payload, its class, the distance of a search by likeness, what a person
    says that its plate says, and its clip."""

    payload: str
    plate_class: str
    distance: float | None = None
    correction: Correction | None = None
    clip: ImageRow | None = None


def pattern(text: str) -> str:
    """Return a search text in the form of stored ones: capitals, digits, `?` and `*` only."""
    return normalise(text, keep="?*")


def search(
    database: sqlite3.Connection, query: Query, confusions: Confusions | None = None
) -> Iterator[Found]:
    """Yield the visits that fit at the first step, newest first; one that is deleted meanwhile is left out.

    Args:
        database: for reading.
        query: what to look for.
        confusions: how far apart texts are, for `max_distance`; the prior for None.
    """
    where, values = _conditions(query)
    sql = "SELECT sequence, visits.text, corrections.text FROM visits"
    sql += " JOIN revisions USING (visit_id, revision) LEFT JOIN corrections USING (visit_id)"
    sql += f" WHERE {' AND '.join(where)} ORDER BY last_utc_s DESC"
    with closing(database.execute(sql, values)) as rows:
        limit = query.max_distance
        fitting = _plain(rows) if limit is None else _near(rows, query, limit, confusions or Confusions())
        found = list(islice(fitting, query.limit))
    for start in range(0, len(found), PAGE):
        yield from _page(database, found[start : start + PAGE])


def revisions(database: sqlite3.Connection, visit_id: str) -> list[str]:
    """Return the payloads of a visit in order, empty for an unknown one."""
    rows = database.execute("SELECT payload FROM revisions WHERE visit_id = ? ORDER BY revision", (visit_id,))
    return [payload for (payload,) in rows]


def clip(database: sqlite3.Connection, visit_id: str) -> ImageRow | None:
    """Return the clip of a visit, None where there is none, or not any more."""
    row = database.execute(
        f"SELECT path, sha256, bytes FROM images WHERE visit_id = ? AND {IS_CLIP}", (visit_id,)
    ).fetchone()
    return None if row is None else ImageRow(*row)


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


def _page(database: sqlite3.Connection, fitting: Sequence[_Fitting]) -> Iterator[Found]:
    rows = database.execute(
        "SELECT sequence, payload, visits.plate_class, corrected_utc_s, corrections.text, path, sha256, bytes"
        " FROM revisions JOIN visits USING (visit_id) LEFT JOIN corrections USING (visit_id)"
        f" LEFT JOIN images ON images.visit_id = revisions.visit_id AND {IS_CLIP}"
        " WHERE sequence IN (SELECT value FROM json_each(?))",
        (json.dumps([sequence for sequence, _ in fitting]),),
    )
    found = {sequence: rest for sequence, *rest in rows}
    for sequence, away in fitting:
        if sequence in found:
            payload, plate_class, corrected, text, path, *rest = found[sequence]
            correction = None if corrected is None else Correction(text)
            yield Found(payload, plate_class, away, correction, ImageRow(path, *rest) if path else None)


def _plain(rows: Iterable[_Row]) -> Iterator[_Fitting]:
    return ((sequence, None) for sequence, *_ in rows)


def _near(rows: Iterator[_Row], query: Query, limit: float, confusions: Confusions) -> Iterator[_Fitting]:
    wanted, costs = pattern(query.text), confusions.turned()
    while chunk := list(islice(rows, COMPARED)):
        texts = {text for _, *both in chunk for text in both if text} - {query.hashed_text}
        distances = {text: away for away, text in TextIndex(texts, costs).near(wanted, limit)}
        if query.hashed_text:
            distances[query.hashed_text] = 0.0
        for sequence, *both in chunk:
            if fitting := [distances[text] for text in both if text in distances]:
                yield sequence, min(fitting)


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
    # The plus keeps SQLite to the order of time: by class it would sort all that fit to give the newest.
    _any_of(where, values, "+plate_class IN ({})", query.classes)
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
    needed: list[object]
    if query.max_distance is None:
        has_wildcard = "?" in wanted or "*" in wanted
        condition, needed = "{0} GLOB ?", [wanted if has_wildcard else f"*{wanted}*"]
    else:
        # No character more or less costs under a half, so other lengths need no look.
        condition, needed = "abs(length({0}) - ?) <= ?", [len(wanted), int(query.max_distance * 2)]
    read, corrected = (condition.format(f"{table}.text") for table in ("visits", "corrections"))
    # The digits of a hash say nothing of the plate's.
    where.append(f"(({read} AND visits.text NOT LIKE '#%') OR visits.text = ? OR {corrected})")
    values.extend([*needed, query.hashed_text, *needed])
