import cv2
import numpy as np
import pytest

from anpr_stream.plates.formats import load_formats
from anpr_stream.synth.scenes import render_scene, turned

FORMATS = load_formats(["tw", "de", "vn"])
STREET = np.full((360, 480, 3), 110, np.uint8)


def scene(seed, count=3, strength=0.0):
    return render_scene(np.random.default_rng(seed), STREET, FORMATS.formats, count, strength)


@pytest.mark.parametrize("seed", range(6))
def test_plates_are_inside_apart_and_of_their_formats(seed):
    plates = scene(seed).plates
    assert plates
    for number, plate in enumerate(plates):
        corners = np.array(plate.quad, np.float32)
        assert corners.min() >= 0
        assert (corners <= (480, 360)).all()
        assert np.allclose([*corners.min(axis=0), *corners.max(axis=0)], plate.box, atol=1e-3)
        assert FORMATS.match(plate.text)
        for other in plates[:number]:
            assert cv2.intersectConvexConvex(corners, np.array(other.quad, np.float32))[0] == 0


def test_only_where_something_was_pasted_the_picture_changes():
    seen = scene(2, count=1)
    changed = np.abs(seen.image.astype(int) - STREET).max(axis=2) > 25
    (plate,) = seen.plates
    inside = cv2.fillConvexPoly(np.zeros(STREET.shape[:2], np.uint8), np.int32(plate.quad), 1)
    assert changed[inside > 0].mean() > 0.3
    assert not changed.all()


def test_the_picture_given_is_left_alone():
    scene(1)
    assert (STREET == 110).all()


def test_the_same_seed_gives_the_same_scene():
    assert np.array_equal(scene(4, strength=1.0).image, scene(4, strength=1.0).image)
    assert scene(4).plates == scene(4).plates
    assert scene(4).plates != scene(5).plates


def test_no_room_no_plate():
    tiny = np.zeros((6, 6, 3), np.uint8)
    assert render_scene(np.random.default_rng(0), tiny, FORMATS.formats, 2).plates == ()


def test_a_turned_plate_keeps_its_order_of_corners():
    for seed in range(50):
        corners = turned(np.random.default_rng(seed), 200, 50).astype(np.float32)
        assert cv2.isContourConvex(corners)
        assert cv2.contourArea(corners, oriented=True) > 0
