import numpy as np
import pytest

from anpr_stream.config.tracking import TrackerSettings
from anpr_stream.testing import make_box
from anpr_stream.tracking.association import FORBIDDEN, assign, iou, pair_costs
from anpr_stream.tracking.motion import PlateMotion, Step
from anpr_stream.types import Box

SETTINGS = TrackerSettings()


def standing(box: Box) -> PlateMotion:
    motion = PlateMotion(box, SETTINGS)
    for _ in range(10):
        motion.predict(Step(0.04, SETTINGS))
        motion.correct(box)
    motion.predict(Step(0.04, SETTINGS))
    return motion


def costs(*boxes: Box, reach: float = float("inf")) -> np.ndarray:
    return pair_costs([standing(make_box(500, 500, 20))], boxes, [reach], SETTINGS)[0]


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ((0, 0, 10, 10), (0, 0, 10, 10), 1.0),
        ((0, 0, 10, 10), (5, 0, 15, 10), 1 / 3),
        ((0, 0, 10, 10), (10, 0, 20, 10), 0.0),
        ((0, 0, 0, 0), (0, 0, 0, 0), 0.0),
    ],
)
def test_iou(one: Box, other: Box, expected: float) -> None:
    assert iou(np.array([one], float), np.array([other], float))[0, 0] == pytest.approx(expected)


def test_nearer_is_cheaper_and_too_far_is_forbidden() -> None:
    here, beside, far = costs(make_box(500, 500, 20), make_box(505, 500, 20), make_box(900, 500, 20))
    assert 0.0 <= here < beside < 1.0
    assert far == FORBIDDEN


def test_another_size_is_dearer_and_a_very_different_one_forbidden() -> None:
    same, larger, huge = costs(make_box(500, 500, 20), make_box(500, 500, 26), make_box(500, 500, 50))
    assert same < larger < 1.0
    assert huge == FORBIDDEN


def test_the_reach_limits_the_distance_but_not_the_overlap() -> None:
    beside = make_box(500, 522, 20)
    overlapping = make_box(506, 500, 20)
    assert costs(beside, reach=1.0)[0] == FORBIDDEN
    assert costs(overlapping, reach=0.1)[0] < 1.0


def test_the_best_assignment_is_that_of_all_together() -> None:
    assert assign(np.array([[0.1, 0.2], [0.15, 0.9]])) == [(0, 1), (1, 0)]


def test_forbidden_pairs_are_not_assigned_even_if_nothing_else_is_left() -> None:
    assert assign(np.array([[FORBIDDEN, FORBIDDEN], [0.3, FORBIDDEN]])) == [(1, 0)]
    assert assign(np.full((2, 3), FORBIDDEN)) == []
