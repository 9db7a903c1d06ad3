from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import QueryParams

from anpr_stream.service.queries import parse_query, parse_time


def test_all_parameters() -> None:
    query = parse_query(
        QueryParams(
            "text=ab&fuzzy=0.5&since=2026-11-30&until=2026-11-30T12:00:00%2B01:00"
            "&camera=gate&camera=yard&list=staff&class=listed&limit=5"
        ),
        lambda text: f"#{text}",
    )
    assert (query.text, query.max_distance, query.limit, query.hashed_text) == ("ab", 0.5, 5, "#ab")
    assert (query.cameras, query.lists, query.classes) == (("gate", "yard"), ("staff",), ("listed",))
    assert query.until_utc_s is not None
    assert query.since_utc_s is not None
    assert query.until_utc_s - query.since_utc_s == 11 * 3600


def test_a_plus_that_an_address_turned_into_a_blank_is_one() -> None:
    query = parse_query(QueryParams("since=2026-11-30T12:00:00+01:00&until=2026-11-30 11:00"))
    assert query.since_utc_s == query.until_utc_s


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("colour=red", "colour: unknown parameter; known: text"),
        ("text=", "text: expected 1 to 64"),
        (f"text={'a' * 65}", "text: expected 1 to 64"),
        (f"list={'a' * 201}", "list: expected 1 to 200"),
        ("text=--", "holds no letter"),
        ("text=a&text=b", "text: given twice"),
        ("fuzzy=1", "a search by likeness needs a text"),
        ("text=A%3F&fuzzy=1", "without ? and"),
        ("text=%2A&fuzzy=1", "a search by likeness needs a text, without ? and"),
        ("text=a&fuzzy=9", "fuzzy: expected a number from 0 to 3"),
        ("text=a&fuzzy=nan", "fuzzy: expected a number"),
        ("limit=0", "limit: expected a number from 1 to 1000"),
        ("limit=1.5", "limit: expected a whole number"),
        ("since=yesterday", "since: expected a time like"),
        ("class=red", "class: expected one of listed, unlisted, unread"),
        ("camera=", "camera: expected 1 to 200"),
    ],
)
def test_a_wrong_parameter_is_named(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says.replace("?", r"\?")):
        parse_query(QueryParams(text))


@given(st.dictionaries(st.sampled_from(["text", "fuzzy", "since", "limit", "class"]), st.text(max_size=20)))
def test_any_parameters_are_a_query_or_a_told_fault(values: dict[str, Any]) -> None:
    try:
        query = parse_query(QueryParams(values))
    except ValueError:
        return
    assert query.limit is not None
    assert 1 <= query.limit <= 1000


@given(st.text(max_size=30))
def test_any_text_is_a_time_or_none(text: str) -> None:
    try:
        time_s = parse_time(text)
    except ValueError:
        return
    assert math.isfinite(time_s)
