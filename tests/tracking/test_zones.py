from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from anpr_stream.config.tracking import LineSettings, PlaceSettings, ZoneSettings
from anpr_stream.tracking.zones import Places, Whereabouts, is_inside
from anpr_stream.types import Box, Detection

LEFT_HALF = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))
L_SHAPE = ((0.0, 0.0), (1.0, 0.0), (1.0, 0.4), (0.4, 0.4), (0.4, 1.0), (0.0, 1.0))
MIDDLE_DOWN = LineSettings(start=(0.5, 0.2), end=(0.5, 0.8), to_left="east", to_right="west")


def at(x: float, y: float = 500.0, height: float = 20.0) -> Box:
    """A box around a point of a picture of 1000x1000."""
    return (x - 40, y - height / 2, x + 40, y + height / 2)


def way(places: Places, *boxes: Box) -> Whereabouts:
    followed = Whereabouts()
    for box in boxes:
        places.follow(followed, box, 1000, 1000)
    return followed


@pytest.mark.parametrize(
    ("point", "expected"),
    [((0.2, 0.2), True), ((0.9, 0.2), True), ((0.2, 0.9), True), ((0.7, 0.7), False), ((1.2, 0.2), False)],
)
def test_a_point_in_a_bent_polygon(point: tuple[float, float], expected: bool) -> None:
    assert is_inside(point, L_SHAPE) is expected


@given(st.floats(0.01, 0.99), st.floats(0.01, 0.99), st.integers(0, 5))
def test_where_a_polygon_starts_does_not_matter(x: float, y: float, shift: int) -> None:
    turned = L_SHAPE[shift:] + L_SHAPE[:shift]
    assert is_inside((x, y), turned) == is_inside((x, y), L_SHAPE)


@pytest.mark.parametrize(
    ("settings", "box", "reason"),
    [
        (PlaceSettings(), at(100), None),
        (PlaceSettings(min_height_px=30), at(100), "too_small"),
        (PlaceSettings(max_height_px=10), at(100), "too_large"),
        (PlaceSettings(mask=(LEFT_HALF,)), at(100), "masked"),
        (PlaceSettings(mask=(LEFT_HALF,)), at(900), None),
        (PlaceSettings(include=(LEFT_HALF,)), at(100), None),
        (PlaceSettings(include=(LEFT_HALF,)), at(900), "outside"),
        (PlaceSettings(include=(LEFT_HALF,), mask=(LEFT_HALF,)), at(100), "masked"),
    ],
)
def test_why_a_plate_is_not_looked_at(settings: PlaceSettings, box: Box, reason: str | None) -> None:
    assert Places(settings).refusal(box, 1000, 1000) == reason


def test_refused_detections_are_counted() -> None:
    places = Places(PlaceSettings(mask=(LEFT_HALF,), min_height_px=10))
    boxes = [at(100), at(200), at(900), at(900, height=5)]
    kept, refused = places.admit([Detection(box, 0.9) for box in boxes], 1000, 1000)
    assert [d.box for d in kept] == [at(900)]
    assert refused == Counter(masked=2, too_small=1)


def test_zones_are_named_in_order_of_entry() -> None:
    zones = (
        ZoneSettings(name="yard", polygon=LEFT_HALF),
        ZoneSettings(name="street", polygon=((0.5, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 1.0))),
    )
    places = Places(PlaceSettings(zones=zones))
    assert way(places, at(900), at(800), at(400), at(300)).zones == ("street", "yard")


def test_a_trembling_box_enters_no_zone() -> None:
    places = Places(PlaceSettings(zones=(ZoneSettings(name="yard", polygon=LEFT_HALF),), min_frames=3))
    assert way(places, at(510), at(490), at(510), at(495)).zones == ()


@pytest.mark.parametrize(
    ("boxes", "direction"),
    [
        ([at(400), at(600), at(610)], "east"),
        ([at(600), at(400), at(390)], "west"),
        ([at(400), at(600), at(400), at(600), at(400)], None),
        ([at(400), at(600), at(610), at(400), at(390)], "west"),
        ([at(400, 100), at(600, 100), at(610, 100)], None),
        ([at(400, 100), at(600, 150), at(610, 900)], None),
    ],
    ids=["over", "back", "trembling", "there and back", "past its end", "around its end"],
)
def test_crossing_a_line(boxes: list[Box], direction: str | None) -> None:
    assert way(Places(PlaceSettings(lines=(MIDDLE_DOWN,))), *boxes).crossed == direction


@pytest.mark.parametrize(
    "wrong",
    [
        {"include": [[[0, 0], [1, 1]]]},
        {"mask": [[[0, 0], [1, 1], [2, 0]]]},
        {"zones": [{"name": "a", "polygon": LEFT_HALF}, {"name": "a", "polygon": LEFT_HALF}]},
        {"lines": [{"start": [0, 0], "end": [0, 0], "to_left": "a", "to_right": "b"}]},
        {"zones": [{"name": "", "polygon": LEFT_HALF}]},
        {"unknown": 1},
    ],
)
def test_places_that_make_no_sense_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        PlaceSettings.model_validate(wrong)
