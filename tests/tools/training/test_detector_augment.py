from dataclasses import replace

import cv2
import numpy as np
import pytest

from tests.tools.street import PLATE, draw_street
from tools.training.detector_augment import (
    Augmenter,
    Recipe,
    exchange_plates,
    paste_decoy,
    paste_plate,
    relight,
    spoil,
    warp_plates,
)
from tools.training.detector_data import Scene, Scenes

QUAD = np.array([[[30, 42], [78, 40], [78, 54], [30, 56]]], np.float32)
UNKNOWN = np.full((1, 4, 2), np.nan, np.float32)
STILL = Recipe(mosaic=0, flip=0, exchange=0, paste=0, decoy=0, light=0, camera=0, aside=0)


def scene(seed=0, complete=True, quads=UNKNOWN):
    return Scene(draw_street(seed), np.array([PLATE], np.float32), quads, complete, "drawn", "tw")


def empty(seed=9):
    none = np.zeros((0, 4), np.float32), np.zeros((0, 4, 2), np.float32)
    return Scene(draw_street(seed, plate=False), *none, True, "drawn", "")


def crop():
    return np.full((16, 48, 3), 250, np.uint8)


def brightness(picture, box):
    x1, y1, x2, y2 = (round(float(value)) for value in box)
    return picture[y1:y2, x1:x2].mean()


def test_the_same_seed_draws_the_same_samples():
    drawn = [Augmenter(Scenes([scene(), empty()], [crop()]), Recipe(), 5).draw(128, 96) for _ in range(2)]
    assert (drawn[0].picture == drawn[1].picture).all()
    assert (drawn[0].boxes == drawn[1].boxes).all()


@pytest.mark.parametrize("mosaic", [0.0, 1.0])
def test_boxes_stay_on_their_plates(mosaic):
    augmenter = Augmenter(
        Scenes([scene(seed) for seed in range(4)], []), replace(STILL, mosaic=mosaic, flip=0.5), 1
    )
    plates = 0
    for _ in range(20):
        sample = augmenter.draw(256, 192)
        assert sample.picture.shape == (192, 256, 3)
        assert sample.ignored.shape == (24, 32)
        for box in sample.boxes:
            plates += 1
            assert brightness(sample.picture, box) > 130
            assert (box >= 0).all()
            assert (box[2:] <= (256, 192)).all()
    assert plates > 10


def slanted_plates(colours):
    """Plates of known corners, each of one colour of its own, on grey."""
    for number, colour in enumerate(colours):
        quad = np.array([[100, 80], [190, 90 + 2 * number], [188, 130], [98, 118]], np.float32)
        large = np.zeros((240 * 8, 320 * 8), np.uint8)
        cv2.fillConvexPoly(large, (quad * 8).astype(np.int32), 255)
        share = cv2.resize(large, (320, 240), interpolation=cv2.INTER_AREA)[..., None] / 255
        picture = (90 * (1 - share) + np.array(colour) * share).round().astype(np.uint8)
        box = np.concatenate([quad.min(0), quad.max(0)])
        yield Scene(picture, box[None], quad[None], True, "drawn", "tw")


@pytest.mark.parametrize("mosaic", [0.0, 1.0])
def test_boxes_end_where_their_plates_end(mosaic):
    colours = np.array([(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 0, 255)])
    recipe = replace(STILL, mosaic=mosaic, flip=0.5, turn=1.0)
    augmenter = Augmenter(Scenes(list(slanted_plates(colours)), []), recipe, 3)
    beside = []
    for _ in range(60):
        sample = augmenter.draw(256, 192)
        for box in sample.boxes[np.isfinite(sample.quads).all((1, 2))]:  # whole, not cut by an edge
            x, y = ((box[:2] + box[2:]) / 2).astype(int)
            middle = sample.picture[y, x].astype(int)
            likeness = np.abs(colours - middle).sum(1)
            towards = colours[likeness.argmin()] - 90
            share = (sample.picture.astype(int) - 90) @ towards / (towards @ towards)
            _, parts = cv2.connectedComponents((share > 0.5).astype(np.uint8))
            rows, columns = np.nonzero(parts == parts[y, x])
            ends = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
            beside.append((ends - box) / np.maximum(1, (box[2:] - box[:2]).max() / 90))
    assert len(beside) > 40
    assert np.abs(beside).max() < 1.5
    assert np.abs(np.mean(beside, 0)).max() < 0.25


def test_a_flipped_quad_still_begins_at_the_plates_top_left():
    mirror = np.array([[-1, 0, 128], [0, 1, 0]], np.float32)
    boxes, quads = warp_plates(scene(quads=QUAD), mirror)
    assert boxes[0].tolist() == [50, 40, 98, 56]
    assert quads[0].tolist() == [[50, 40], [98, 42], [98, 56], [50, 54]]


def test_a_known_quad_makes_a_tighter_box_than_its_upright_bounds():
    turn = np.array([[0.98, 0.17, 0], [-0.17, 0.98, 20]], np.float32)
    loose, _ = warp_plates(scene(), turn)
    tight, _ = warp_plates(scene(quads=QUAD), turn)
    assert (tight[0, 2:] - tight[0, :2]).prod() < (loose[0, 2:] - loose[0, :2]).prod()


def test_incomplete_pictures_are_judged_around_their_plates_only():
    sample = Augmenter(Scenes([scene(complete=False)], []), replace(STILL, whole_zoom=(0.99, 1)), 0)
    drawn = sample.draw(128, 96)
    assert drawn.ignored.any()
    x, y = (drawn.boxes[0, :2] + drawn.boxes[0, 2:]) / 2
    assert not drawn.ignored[int(y) // 8, int(x) // 8]


def test_plates_too_small_to_learn_from_are_ignored_not_denied():
    tiny = replace(STILL, whole_zoom=(0.2, 0.21))
    augmenter = Augmenter(Scenes([scene()], []), tiny, 3)
    small = [s for s in (augmenter.draw(128, 96) for _ in range(40)) if not len(s.boxes)]
    assert small
    assert all(sample.ignored.any() for sample in small)


def test_an_exchanged_plate_lies_where_the_old_one_was():
    before = scene(quads=QUAD)
    after = exchange_plates(before, crop, np.random.default_rng(0))
    changed = np.argwhere((after.picture != before.picture).any(2))
    assert (after.boxes == before.boxes).all()
    assert changed.min(0) == pytest.approx([40, 30], abs=3)
    assert changed.max(0) == pytest.approx([56, 78], abs=3)


def test_a_plate_of_another_shape_is_not_squeezed_in():
    square = np.full((40, 40, 3), 250, np.uint8)
    before = scene()
    assert (exchange_plates(before, lambda: square, np.random.default_rng(0)).picture == before.picture).all()


def test_pasted_plates_get_box_and_quad_and_do_not_cover_others():
    pasted = 0
    for seed in range(30):
        after = paste_plate(scene(), crop(), np.random.default_rng(seed))
        if len(after.boxes) == 1:
            continue
        pasted += 1
        box, quad = after.boxes[1], after.quads[1]
        assert quad.min(0).tolist() == pytest.approx(box[:2].tolist())
        assert quad.max(0).tolist() == pytest.approx(box[2:].tolist())
        apart = (box[:2] >= after.boxes[0, 2:]) | (box[2:] <= after.boxes[0, :2])
        assert apart.any()
        assert brightness(after.picture, box) > 80
    assert pasted > 5


def test_a_decoy_changes_the_picture_but_adds_no_plate():
    changed = 0
    for seed in range(20):
        after = paste_decoy(empty(), crop(), np.random.default_rng(seed))
        assert len(after.boxes) == 0
        changed += bool((after.picture != empty().picture).any())
    assert changed > 10


def test_sources_are_never_drawn_on():
    scenes = Scenes([scene(), empty()], [crop()])
    before = [item.picture.copy() for item in scenes.scenes]
    augmenter = Augmenter(scenes, Recipe(), 2)
    for _ in range(30):
        augmenter.draw(128, 96)
    assert all((item.picture == old).all() for item, old in zip(scenes.scenes, before, strict=True))


@pytest.mark.parametrize("change", [relight, spoil])
def test_light_and_camera_keep_shape_and_kind(change):
    picture = draw_street(1)
    looks = [change(picture, np.random.default_rng(seed)) for seed in range(25)]
    assert all(look.shape == picture.shape and look.dtype == np.uint8 for look in looks)
    assert sum(bool((look != picture).any()) for look in looks) >= 23
