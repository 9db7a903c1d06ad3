"""What a person says that a visit's plate says: kept beside the events, which never change."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from anpr_stream.plates.text import normalise
from anpr_stream.store.privacy import keeps_plain

LONGEST = 16
"""Characters of a plate; the longest that are in use have eleven."""
LONGEST_TYPED = 64
"""Characters of what a person types, blanks and hyphens among them."""


class UnknownVisit(LookupError):
    """There is no such visit, or not any more."""


class HiddenPlate(ValueError):
    """The plate's text may not be kept."""


@dataclass(frozen=True, slots=True)
class Correction:
    """The right text of a visit's plate; None: there is no plate."""

    text: str | None


def checked(text: str | None) -> Correction:
    """Return the correction that a person means.

    Raises:
        ValueError: the text cannot be that of a plate.
    """
    if text is None:
        return Correction(None)
    plain = normalise(text[: LONGEST_TYPED + 1])
    if not 0 < len(plain) <= LONGEST or len(text) > LONGEST_TYPED:
        raise ValueError(f"text: expected 1 to {LONGEST} letters and digits, or null where there is no plate")
    return Correction(plain)


def correct(
    database: sqlite3.Connection, visit_id: str, correction: Correction, is_plain: bool, utc_s: float
) -> None:
    """Keep a correction in place of an earlier one; the caller commits.

    Args:
        database: inside a transaction.
        visit_id: of the visit.
        correction: what its plate says.
        is_plain: whether the settings let texts be kept as they are, whoever's they are; the store's last
            daemon must have, too.
        utc_s: now.

    Raises:
        UnknownVisit: it is not in the history.
        HiddenPlate: privacy forbids to keep its text.
    """
    found = database.execute("SELECT text FROM visits WHERE visit_id = ?", (visit_id,)).fetchone()
    if found is None:
        raise UnknownVisit(f"{visit_id}: no such visit, or not any more")
    if not (is_plain and keeps_plain(database)) or (found[0] or "").startswith("#"):
        raise HiddenPlate(f"{visit_id}: privacy is set to hash or drop texts, so this one may not be kept")
    database.execute(
        "INSERT OR REPLACE INTO corrections VALUES (?, ?, ?)", (visit_id, correction.text, utc_s)
    )


def take_back(database: sqlite3.Connection, visit_id: str) -> None:
    """Forget the correction of a visit, if there is one; the caller commits."""
    database.execute("DELETE FROM corrections WHERE visit_id = ?", (visit_id,))


def correction_of(database: sqlite3.Connection, visit_id: str) -> Correction | None:
    """Return the correction of a visit."""
    found = database.execute("SELECT text FROM corrections WHERE visit_id = ?", (visit_id,)).fetchone()
    return None if found is None else Correction(*found)
