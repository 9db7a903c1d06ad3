from collections.abc import Iterable

import numpy as np
import pytest

from anpr_stream.config.tracking import PlaceSettings, VisitSettings, ZoneSettings
from anpr_stream.testing import make_box
from anpr_stream.tracking.path import Path, distance_heights, distances_heights
from anpr_stream.tracking.zones import Places
from anpr_stream.types import Box, Moment

SIZE = (1920, 1080)
EVERYWHERE = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))


def walk(
    boxes: Iterable[Box], step_s: float = 0.1, settings: VisitSettings | None = None, start_s: float = 0.0
) -> Path:
    """The way of a plate that is seen in each frame, with its true speed."""
    seen = list(boxes)
    path = Path(seen[0], Moment(start_s, start_s), start_s, settings or VisitSettings())
    for i, box in enumerate(seen):
        before = seen[max(i - 1, 0)]
        speed = ((box[0] - before[0]) / step_s, (box[1] - before[1]) / step_s)
        now_s = start_s + i * step_s
        path.follow(box, speed, Moment(now_s, now_s), now_s, SIZE, Places())
    return path


def test_distance_is_in_heights_of_the_larger_plate() -> None:
    assert distance_heights(make_box(100, 100, 10), make_box(130, 140, 20)) == pytest.approx(2.5)


def test_all_distances_at_once_are_the_same() -> None:
    boxes = [make_box(100, 100, 10), make_box(130, 140, 20), (5.0, 5.0, 9.0, 5.0)]
    pairs = [[distance_heights(one, other) for other in boxes] for one in boxes]
    assert distances_heights(boxes) == pytest.approx(np.array(pairs))


@pytest.mark.parametrize(
    ("boxes", "direction"),
    [
        ([make_box(900, 500, 20 + i) for i in range(20)], "approaching"),
        ([make_box(900, 500, 40 - i) for i in range(20)], "leaving"),
        ([make_box(400 + 20 * i, 500, 20) for i in range(20)], "right"),
        ([make_box(1400 - 20 * i, 500, 20) for i in range(20)], "left"),
        ([make_box(900, 500, 20 + (i % 2) * 5) for i in range(40)], None),
        ([make_box(900 + i, 500, 20) for i in range(20)], None),
    ],
    ids=["grows", "shrinks", "to the right", "to the left", "trembles", "hardly moves"],
)
def test_direction(boxes: list[Box], direction: str | None) -> None:
    assert walk(boxes).direction == direction


def test_a_plate_that_comes_into_the_picture_does_not_grow() -> None:
    entering = [(900.0, 1080.0 - 4 * i, 1000.0, 1080.0) for i in range(1, 8)]
    driving_off = [make_box(950, 1040 - 10 * i, 28 - i / 2) for i in range(20)]
    assert walk(entering).direction is None
    assert walk(entering + driving_off).direction == "leaving"


def test_a_direction_is_not_taken_back_for_a_little() -> None:
    there = [make_box(900, 500, 20 + i) for i in range(20)]
    back_a_little = [make_box(900, 500, 40 - i / 2) for i in range(10)]
    all_the_way_back = [make_box(900, 500, 40 - i) for i in range(28)]
    assert walk(there + back_a_little).direction == "approaching"
    assert walk(there + all_the_way_back).direction == "leaving"


def test_a_plate_is_parked_once_it_stood_long_enough() -> None:
    settings = VisitSettings(parked_after_s=10.0)
    arriving = [make_box(400 + 20 * i, 500, 20) for i in range(10)]
    standing = [make_box(600 + (i % 2), 500, 20) for i in range(150)]
    assert not walk(standing[:50], settings=settings).is_parked
    assert walk(standing, settings=settings).is_parked
    assert walk(arriving + standing, settings=settings).is_parked
    assert not walk(standing + arriving, settings=settings).is_parked


def test_dwell_and_way_are_measured() -> None:
    path = walk([make_box(400 + 20 * i, 500, 20) for i in range(11)])
    assert path.dwell_s == pytest.approx(1.0)
    assert path.moved_heights == pytest.approx(10.0)


def test_growth_at_the_edge_tells_no_direction() -> None:
    growing = [make_box(500, 500, 20 * 1.05**i) for i in range(20)]
    cut = [(0.0, y1, 40.0, y2) for _, y1, _, y2 in growing]
    assert walk(growing).direction == "approaching"
    assert walk(cut).direction is None


@pytest.mark.parametrize(
    ("x", "start_s", "expected"),
    [(700, 2.0, True), (900, 2.0, True), (1100, 3.0, True), (100, 2.0, False), (1700, 2.0, False)],
    ids=["where it was", "where it should be", "where it should be later", "behind", "far ahead"],
)
def test_where_a_plate_may_come_back(x: float, start_s: float, expected: bool) -> None:
    before = walk([make_box(500 + 20 * i, 500, 20) for i in range(11)])
    after = Path(make_box(x, 500, 20), Moment(start_s, start_s), start_s, VisitSettings())
    assert before.leads_to(after) is expected


def test_a_way_goes_on_in_another_track() -> None:
    settings = VisitSettings(parked_after_s=5.0)
    places = Places(PlaceSettings(zones=(ZoneSettings(name="all", polygon=EVERYWHERE),), min_frames=1))
    first = walk([make_box(500, 500, 20)] * 40, settings=settings)
    second = Path(make_box(502, 500, 20), Moment(5.0, 5.0), 5.0, settings)
    second.follow(second.box, (0.0, 0.0), Moment(6.0, 6.0), 6.0, SIZE, places)
    first.join(second)
    assert (first.first.pts_s, first.last.pts_s, first.dwell_s) == (0.0, 6.0, 6.0)
    assert first.whereabouts.zones == ("all",)
    assert first.is_parked, "it stood through the gap"


def test_a_way_that_goes_on_elsewhere_is_not_parked() -> None:
    settings = VisitSettings(parked_after_s=5.0)
    first = walk([make_box(500, 500, 20)] * 100, settings=settings)
    second = walk([make_box(900, 500, 20)] * 5, settings=settings, start_s=11.0)
    first.join(second)
    assert first.moved_heights == pytest.approx(20.0)
    assert not first.is_parked


def test_two_ways_are_one_in_the_order_of_time_whichever_takes_up_the_other() -> None:
    earlier = walk([make_box(500, 500, 20)] * 5)
    later = walk([make_box(520, 500, 20), make_box(560, 500, 20)], start_s=2.0)
    later.join(earlier)
    assert (later.first.pts_s, later.last.pts_s, later.dwell_s) == (0.0, 2.1, 2.1)
    assert (later.first_box, later.box) == (make_box(500, 500, 20), make_box(560, 500, 20))
    assert later.moved_heights == pytest.approx(3.0)
