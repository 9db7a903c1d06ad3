"""From a request's parameters to a search, or to one line that says what is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from typing import Protocol

from anpr_stream.store.history import Query
from anpr_stream.store.ledger import PlateClass

MOST = 1000
LONGEST_TEXT = 64
LONGEST_NAME = 200
PARAMETERS = ("text", "fuzzy", "since", "until", "camera", "list", "class", "limit")


class Parameters(Protocol):
    """Parameters of a request, by name; one name may come several times."""

    def __iter__(self) -> Iterator[str]:
        """Yield the names."""

    def getlist(self, key: str) -> list[str]:
        """Return the values of a name in order."""


def parse_query(parameters: Parameters, hashed: Callable[[str], str] | None = None) -> Query:
    """Check a request's parameters.

    Args:
        parameters: of the request; the names stand in `PARAMETERS`.
        hashed: the keyed hash of a text, so that hashed visits are found too.

    Raises:
        ValueError: says which parameter is wrong and what is expected.
    """
    for name in parameters:
        if name not in PARAMETERS:
            raise ValueError(f"{name}: unknown parameter; known: {', '.join(PARAMETERS)}")
    text = _single(parameters, "text")
    if text is not None and not 0 < len(text) <= LONGEST_TEXT:
        raise ValueError(f"text: expected 1 to {LONGEST_TEXT} characters")
    fuzzy = _number(parameters, "fuzzy", 3.0)
    limit = _number(parameters, "limit", MOST, least=1)
    if limit is not None and limit != int(limit):
        raise ValueError("limit: expected a whole number")
    return Query(
        text=text or "",
        max_distance=fuzzy,
        since_utc_s=_time(parameters, "since"),
        until_utc_s=_time(parameters, "until"),
        cameras=_names(parameters, "camera"),
        lists=_names(parameters, "list"),
        classes=_classes(parameters),
        limit=int(limit) if limit is not None else 100,
        hashed_text=hashed(text) if hashed and text else None,
    )


def parse_time(text: str) -> float:
    """Return an RFC 3339 time, or a day in UTC, as seconds since the Unix epoch.

    Raises:
        ValueError: it is none.
    """
    try:
        moment = datetime.fromisoformat(text.upper().replace("Z", "+00:00"))
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=timezone.utc)
        return moment.timestamp()
    except (ValueError, OverflowError) as error:
        raise ValueError(f"expected a time like 2026-11-30T12:00:00Z, not {text!r}") from error


def _single(parameters: Parameters, name: str) -> str | None:
    values = parameters.getlist(name)
    if len(values) > 1:
        raise ValueError(f"{name}: given twice")
    return values[0] if values else None


def _number(parameters: Parameters, name: str, most: float, least: float = 0) -> float | None:
    text = _single(parameters, name)
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not least <= value <= most:
        raise ValueError(f"{name}: expected a number from {least:g} to {most:g}")
    return value


def _time(parameters: Parameters, name: str) -> float | None:
    text = _single(parameters, name)
    if text is None:
        return None
    try:
        # In an address a plus that is not written %2B means a blank: 2026-11-30T12:00:00 01:00.
        return parse_time(re.sub(r"(T.*) ", r"\1+", text.upper()))
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def _names(parameters: Parameters, name: str) -> tuple[str, ...]:
    values = parameters.getlist(name)
    if not all(0 < len(value) <= LONGEST_NAME for value in values):
        raise ValueError(f"{name}: expected 1 to {LONGEST_NAME} characters")
    return tuple(values)


def _classes(parameters: Parameters) -> tuple[str, ...]:
    known = [plate_class.value for plate_class in PlateClass]
    values = parameters.getlist("class")
    for value in values:
        if value not in known:
            raise ValueError(f"class: expected one of {', '.join(known)}")
    return tuple(values)
