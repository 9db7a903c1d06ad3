import numpy as np
import pytest

from anpr_stream.vision.geometry import (
    box_area,
    clip_box,
    expand_box,
    expand_quad,
    intersections,
    iou,
    is_convex_clockwise,
    quad_bounds,
    quad_sides,
    touches_edge,
)

SQUARE = ((0.0, 0.0), (10.0, 0.0), (10.0, 10.0), (0.0, 10.0))


def boxes(*rows):
    return np.array(rows, np.float32).reshape(-1, 4)


def test_area_of_a_turned_over_box_is_zero():
    assert box_area(boxes([0, 0, 4, 5], [3, 3, 1, 9])).tolist() == [20, 0]


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ([0, 0, 10, 10], 1.0),
        ([5, 0, 15, 10], 50 / 150),
        ([10, 0, 20, 10], 0.0),
        ([2, 2, 4, 4], 4 / 100),
        ([50, 50, 60, 60], 0.0),
    ],
)
def test_iou(other, expected):
    assert iou(boxes([0, 0, 10, 10]), boxes(other))[0, 0] == pytest.approx(expected)


def test_iou_of_nothing():
    assert iou(boxes(), boxes([0, 0, 1, 1])).shape == (0, 1)
    assert intersections(boxes([0, 0, 1, 1]), boxes()).shape == (1, 0)


def test_iou_of_two_points_is_zero_not_a_division_by_zero():
    assert iou(boxes([1, 1, 1, 1]), boxes([1, 1, 1, 1]))[0, 0] == 0


def test_margins_are_fractions_of_each_side():
    assert expand_box((10, 10, 30, 20), 0.1) == pytest.approx((8, 9, 32, 21))
    expected = ((-1, -1), (11, -1), (11, 11), (-1, 11))
    assert np.allclose(expand_quad(SQUARE, 0.1), expected)


def test_a_quad_grows_along_its_own_sides():
    slanted = ((0, 0), (10, 2), (10, 12), (0, 10))
    grown = np.array(expand_quad(slanted, 0.1))
    assert np.allclose(grown, [(-1, -1.2), (11, 1.2), (11, 13.2), (-1, 10.8)])


def test_clip_keeps_what_is_inside():
    assert clip_box((-5, 2, 50, 30), 40, 20) == (0, 2, 40, 20)
    assert clip_box((50, 2, 60, 30), 40, 20) == (40, 2, 40, 20)


@pytest.mark.parametrize(
    ("box", "expected"),
    [((5, 5, 30, 15), False), ((0.4, 5, 30, 15), True), ((5, 5, 39.5, 15), True), ((5, 5, 30, 20), True)],
)
def test_touches_edge(box, expected):
    assert touches_edge(box, 40, 20, slack_px=1.0) is expected


def test_sides_and_bounds_of_a_quad():
    quad = ((1.0, 1.0), (9.0, 1.0), (11.0, 5.0), (3.0, 5.0))
    width, height = quad_sides(quad)
    assert width == pytest.approx(8)
    assert height == pytest.approx(np.hypot(2, 4))
    assert quad_bounds(quad) == (1, 1, 11, 5)


@pytest.mark.parametrize(
    ("quad", "expected"),
    [
        (SQUARE, True),
        (SQUARE[::-1], False),
        ((SQUARE[0], SQUARE[2], SQUARE[1], SQUARE[3]), False),
        (((0, 0), (10, 0), (2, 2), (0, 10)), False),
        (((5, 5), (5, 5), (5, 5), (5, 5)), False),
    ],
)
def test_only_quads_without_dents_can_be_rectified(quad, expected):
    assert is_convex_clockwise(quad) is expected
