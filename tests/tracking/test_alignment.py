import math

import numpy as np
import pytest

from anpr_stream.tracking.alignment import Pair, align, diagonal, likeness
from anpr_stream.types import ALPHABET

MISSED, EXTRA = math.log(0.03), math.log(0.02)


def spell(text: str, sure: float = 0.95) -> np.ndarray:
    rows = np.full((len(text), 36), (1 - sure) / 35)
    rows[range(len(text)), [ALPHABET.index(c) for c in text]] = sure
    return rows


def aligned(column_text: str, row_text: str, free_ends: bool = False) -> list[Pair]:
    scores = likeness(spell(column_text), spell(row_text))
    return align(scores, [MISSED] * len(column_text), [EXTRA] * len(row_text), free_ends)


def picture(column_text: str, row_text: str, free_ends: bool = False) -> tuple[str, str]:
    """Both texts with dashes at their gaps."""
    pairs = aligned(column_text, row_text, free_ends)
    return (
        "".join("-" if column is None else column_text[column] for column, _ in pairs),
        "".join("-" if row is None else row_text[row] for _, row in pairs),
    )


@pytest.mark.parametrize(
    ("columns", "rows", "expected"),
    [
        ("AB123", "AB123", ("AB123", "AB123")),
        ("AB123", "AB23", ("AB123", "AB-23")),
        ("AB123", "B123", ("AB123", "-B123")),
        ("AB123", "AB12", ("AB123", "AB12-")),
        ("AB123", "AB1Z23", ("AB1-23", "AB1Z23")),
        ("AB123", "AB12345", ("AB123--", "AB12345")),
        ("AB123", "AX123", ("AB123", "AX123")),
        ("AB1234", "B12345", ("AB1234-", "-B12345")),
        ("A", "", ("A", "-")),
        ("", "A", ("-", "A")),
    ],
)
def test_gaps_are_where_a_person_would_put_them(columns: str, rows: str, expected: tuple[str, str]) -> None:
    assert picture(columns, rows) == expected


def test_a_cut_off_plate_is_laid_to_one_end() -> None:
    assert picture("1231234", "123", free_ends=True) in [("1231234", "123----"), ("1231234", "---123-")]
    assert picture("ABC1234", "1234", free_ends=True) == ("ABC1234", "---1234")
    assert picture("ABC1234", "ABC", free_ends=True) == ("ABC1234", "ABC----")


@pytest.mark.parametrize(
    ("columns", "rows", "expected"),
    [("AB123", "AB123", True), ("AB123", "AX123", True), ("AB123", "B1234", False), ("AB123", "AB12", False)],
)
def test_most_reads_need_no_search(columns: str, rows: str, expected: bool) -> None:
    assert (diagonal(likeness(spell(columns), spell(rows))) is not None) is expected


def test_every_character_is_used_once_and_in_order() -> None:
    pairs = aligned("ABC1234", "XBC134Y")
    assert [column for column, _ in pairs if column is not None] == list(range(7))
    assert [row for _, row in pairs if row is not None] == list(range(7))
