"""Scenes in which the detector errs come more often."""

import numpy as np
import pytest

from tools.evaluation.detection import Found
from tools.training.detector_augment import Augmenter, Recipe
from tools.training.detector_data import Scene, Scenes
from tools.training.hard_scenes import weighed

PLATE = [20.0, 20.0, 60.0, 40.0]


def scene(*boxes, complete=True, shade=0):
    array = np.array(boxes, np.float32).reshape(-1, 4)
    quads = np.full((len(array), 4, 2), np.nan, np.float32)
    return Scene(np.full((96, 128, 3), shade, np.uint8), array, quads, complete, "s", "tw")


def found(*finds):
    boxes = np.array([box for box, _ in finds], np.float32).reshape(-1, 4)
    return Found(boxes, np.array([confidence for _, confidence in finds], np.float32))


def weight(seen, *finds):
    return weighed([seen], [found(*finds)], 4.0)[0].weight


def test_a_plate_seen_surely_keeps_its_scene_as_it_is():
    assert weight(scene(PLATE), (PLATE, 1.0)) == pytest.approx(1.0)


def test_a_missed_plate_brings_its_scene_more_often():
    assert weight(scene(PLATE)) == pytest.approx(5.0)
    assert weight(scene(PLATE), (PLATE, 0.5)) == pytest.approx(3.0)


def test_a_plate_made_up_counts_where_all_plates_are_labelled():
    elsewhere = ([80.0, 60.0, 120.0, 80.0], 0.75)
    assert weight(scene(), elsewhere) == pytest.approx(4.0)
    assert weight(scene(PLATE, complete=False), (PLATE, 1.0), elsewhere) == pytest.approx(1.0)


def test_a_loose_label_is_not_held_against_the_detector():
    tight = [20.0, 20.0, 40.0, 36.0]
    assert weight(scene(PLATE), (tight, 0.9)) == pytest.approx(1.0)


def test_scenes_are_drawn_by_their_weight():
    common, rare = scene(PLATE, shade=200), scene(PLATE, shade=50)
    pool = weighed([common, rare], [found(), found((PLATE, 1.0))], 9.0)
    plain = Recipe(mosaic=0, light=0, camera=0, decoy=0, exchange=0, paste=0, turn=0)
    augmenter = Augmenter(Scenes(pool, []), plain, 0)
    centres = [int(augmenter.draw(128, 96).picture[48, 64].mean()) for _ in range(60)]
    assert 40 < sum(abs(value - 200) < 5 for value in centres) < 60
