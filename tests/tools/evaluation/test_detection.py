import numpy as np
import pytest

from tools.evaluation.detection import (
    Found,
    Truth,
    average_precision,
    false_plates,
    lowest_threshold,
    match_all,
    match_picture,
    pairwise_iou,
    report,
)

PLATE = [10.0, 10.0, 50.0, 20.0]
OTHER = [60.0, 40.0, 100.0, 60.0]
NOWHERE = [200.0, 200.0, 240.0, 220.0]


def truth(*boxes, complete=True, country="tw", scale=1.0):
    array = np.array(boxes, np.float32).reshape(-1, 4)
    return Truth(array, (array[:, 3] - array[:, 1]) * np.float32(scale), complete, country)


def found(*pairs):
    boxes = np.array([box for box, _ in pairs], np.float32).reshape(-1, 4)
    return Found(boxes, np.array([confidence for _, confidence in pairs], np.float32))


def test_iou_of_boxes_side_by_side_and_half_covered():
    boxes = np.array([[0, 0, 2, 2]], np.float32)
    others = np.array([[0, 0, 2, 2], [1, 0, 3, 2], [5, 5, 6, 6]], np.float32)
    assert pairwise_iou(boxes, others)[0] == pytest.approx([1, 1 / 3, 0])


def test_a_plate_is_found_once_and_the_surest_find_has_it():
    matches = match_picture(truth(PLATE), found((PLATE, 0.4), (PLATE, 0.9)), 0.5)
    assert matches.right.tolist() == [True, False]
    assert matches.confidences.tolist() == pytest.approx([0.9, 0.4])
    assert matches.taken.tolist() == pytest.approx([0.9])


def test_a_find_takes_the_plate_that_it_covers_best():
    near = [12.0, 10.0, 52.0, 20.0]
    matches = match_picture(truth(PLATE, near), found((near, 0.9), (PLATE, 0.8)), 0.5)
    assert matches.right.all()
    assert matches.taken.tolist() == pytest.approx([0.8, 0.9])


def test_finds_beside_the_labels_of_an_incomplete_picture_do_not_count():
    matches = match_picture(truth(PLATE, complete=False), found((PLATE, 0.9), (NOWHERE, 0.8)), 0.5)
    assert matches.right.tolist() == [True]


def test_all_plates_found_without_a_false_one_is_a_perfect_precision():
    truths, finds = [truth(PLATE), truth(OTHER)], [found((PLATE, 0.3)), found((OTHER, 0.9))]
    assert average_precision(match_all(truths, finds, 0.5)) == 1.0


def test_average_precision_by_hand():
    """Right, false, right over two plates: 0.5 * 1 + 0.5 * 2/3."""
    finds = [found((PLATE, 0.9), (NOWHERE, 0.8), (OTHER, 0.7))]
    assert average_precision(match_all([truth(PLATE, OTHER)], finds, 0.5)) == pytest.approx(5 / 6)


def test_a_false_find_surer_than_all_others_costs_more_than_a_weak_one():
    sure = match_all([truth(PLATE)], [found((NOWHERE, 0.9), (PLATE, 0.5))], 0.5)
    weak = match_all([truth(PLATE)], [found((NOWHERE, 0.1), (PLATE, 0.5))], 0.5)
    assert average_precision(sure) == pytest.approx(0.5)
    assert average_precision(weak) == 1.0


@pytest.mark.parametrize(("truths", "finds"), [([], []), ([truth(PLATE)], [found()]), ([truth()], [found()])])
def test_nothing_found_or_nothing_there_is_zero(truths, finds):
    assert average_precision(match_all(truths, finds, 0.5)) == 0.0


def test_a_loose_box_counts_at_low_overlap_only():
    loose = [10.0, 10.0, 50.0, 24.0]
    figures = report([truth(PLATE)], [found((loose, 0.9))], 0.5)
    assert figures.ap50 == 1.0
    assert figures.ap50_95 == pytest.approx(0.5)


def test_recall_counts_finds_from_the_threshold_on_by_height_and_country():
    truths = [truth(PLATE, country="tw"), truth(OTHER, country="fr"), truth(PLATE, country="fr", scale=0.7)]
    finds = [found((PLATE, 0.9)), found((OTHER, 0.4)), found((PLATE, 0.8))]
    figures = report(truths, finds, 0.5)
    assert figures.recall == pytest.approx(2 / 3)
    assert figures.readable == 1
    assert figures.recall_readable == 0.0
    assert figures.recall_by_country == {"fr": (0.5, 2), "tw": (1.0, 1)}
    assert figures.recall_by_height["0-8 px"] == (1.0, 1)
    assert figures.recall_by_height["8-12 px"] == (1.0, 1)
    assert figures.recall_by_height["16-24 px"] == (0.0, 1)


def test_false_plates_are_counted_on_pictures_that_surely_hold_none():
    truths = [truth(), truth(), truth(complete=False), truth(PLATE)]
    finds = [found((NOWHERE, 0.6)), found((NOWHERE, 0.2)), found((NOWHERE, 0.9)), found((NOWHERE, 0.9))]
    assert false_plates(truths, finds, 0.5) == 1
    figures = report(truths, finds, 0.5)
    assert (figures.negatives, figures.false_on_negatives) == (2, 1)


def test_the_lowest_threshold_lets_no_more_false_plates_through_than_allowed():
    truths, finds = [truth(), truth()], [found((NOWHERE, 0.305)), found((NOWHERE, 0.715))]
    assert lowest_threshold(truths, finds, 0.5) == pytest.approx(0.31)
    assert lowest_threshold(truths, finds, 0.0) == pytest.approx(0.72)


def test_no_threshold_helps_against_a_certain_false_plate():
    assert lowest_threshold([truth()], [found((NOWHERE, 1.0))], 0.0) == 1.0


def test_the_report_names_its_figures():
    lines = report([truth(PLATE)], [found((PLATE, 0.9))], 0.25).lines()
    assert lines[0] == "pictures 1, plates 1, threshold 0.25"
    assert "recall country tw: 1.0000 of 1" in lines
