import inspect
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from anpr_stream.outputs.schema import event_to_dict, event_to_json, utc_text
from anpr_stream.store.privacy import HIDDEN
from anpr_stream.tracking.visit import Visit
from anpr_stream.types import Moment
from tests.outputs.events import make_event

KEYS = """
    schema visit_id revision kind camera track_id text raw_text confidence char_confidences candidates
    format country reads agreeing_reads reason first_seen last_seen dwell_s direction zones lists box quad
    plate_height_px frame_index pts_s read_at images backend models
"""
GUIDE = (Path(__file__).resolve().parents[2] / "docs" / "delivery.md").read_text()


def test_keys_stand_in_the_order_of_the_schema() -> None:
    assert list(event_to_dict(make_event())) == KEYS.split()


def explained(heading: str) -> set[str]:
    """What stands in the first column of a table of the guide."""
    rows = GUIDE.split(f"| {heading} |\n", 1)[1].split("\n\n", 1)[0].splitlines()
    return {name for row in rows[1:] for name in re.findall(r"`(\w+)`", row.split("|")[1])}


def test_every_key_and_reason_is_explained_to_receivers() -> None:
    assert explained("key | what") == {*KEYS.split(), "interrupted"}
    reasons = re.findall(r'"(\w+)"', inspect.getsource(Visit.reason))
    assert explained("`reason` | the plate") == {*reasons, "burned_in", HIDDEN}


def test_a_read_visit_carries_text_and_time() -> None:
    fields = event_to_dict(make_event())
    assert fields["schema"] == 1
    assert fields["text"] == "AB12CDE"
    assert fields["raw_text"] == "A812CDE"
    assert fields["confidence"] == 0.9877
    assert fields["candidates"][1] == {"text": "A812CDE", "confidence": 0.01}
    assert fields["first_seen"] == {"utc": "2023-11-14T22:13:21.000Z", "pts_s": 1.0}
    assert fields["pts_s"] == 2.0
    assert fields["box"] == [10.0, 20.0, 110.0, 50.0]
    assert fields["lists"][0]["list"] == "staff"
    assert list(fields["images"]) == ["crop", "frame"]
    assert list(fields["models"]) == ["detector-cpu", "reader-cpu"]


def test_an_unread_visit_has_the_same_keys_and_a_reason() -> None:
    fields = event_to_dict(make_event(plate=None))
    assert list(fields) == KEYS.split()
    assert fields["text"] is None
    assert fields["char_confidences"] == []
    assert fields["reads"] == 0
    assert fields["reason"] == "too_small"


def test_the_same_event_is_the_same_bytes() -> None:
    one = make_event()
    other = replace(make_event(), images=dict(reversed(make_event().images.items())))
    assert event_to_json(one) == event_to_json(other)
    assert "\n" not in event_to_json(one)
    assert json.loads(event_to_json(one)) == event_to_dict(one)


@pytest.mark.parametrize(
    ("utc_s", "text"),
    [
        (0.0, "1970-01-01T00:00:00.000Z"),
        (1_700_000_000.0004, "2023-11-14T22:13:20.000Z"),
        (1_700_000_000.9996, "2023-11-14T22:13:21.000Z"),
    ],
)
def test_times_are_utc_with_milliseconds(utc_s: float, text: str) -> None:
    assert utc_text(utc_s) == text


def test_a_quad_may_be_missing() -> None:
    event = replace(make_event(), quad=None, read_at=Moment(0.1234, 0.0))
    assert event_to_dict(event)["quad"] is None
    assert event_to_dict(event)["pts_s"] == 0.123
