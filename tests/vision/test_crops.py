import cv2
import numpy as np
import pytest

from anpr_stream.types import Detection, Frame, PixelFormat, Planes
from anpr_stream.vision.crops import cut_crop, plate_height_px, reading_quad, sharpness, stretch

BOX = (40.0, 30.0, 140.0, 60.0)
SLANTED = ((42.0, 30.0), (140.0, 38.0), (138.0, 60.0), (40.0, 52.0))


def frame(image):
    height, width = image.shape[:2]
    return Frame("cam", 0, 0.0, 0.0, width, height, Planes(PixelFormat.BGR, (image,)))


def noise(height=100, width=200):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def plate(height, blur=0.0, streak=0):
    image = np.full((220, 1000), 230, np.uint8)
    cv2.putText(image, "AB 12345", (40, 165), cv2.FONT_HERSHEY_SIMPLEX, 5, 30, 18, cv2.LINE_AA)
    if blur:
        image = cv2.GaussianBlur(image, (0, 0), blur * 220)
    if streak:
        image = cv2.blur(image, (streak, 1))
    return cv2.resize(image, (round(height * 1000 / 220), height), interpolation=cv2.INTER_AREA)


def test_crop_shows_the_plate_with_a_margin():
    image = noise()
    crop = cut_crop(frame(image), Detection(BOX, 0.9), track_id=7)
    assert np.array_equal(crop.image, image[25:65, 25:155])
    assert (crop.track_id, crop.quality.height_px, crop.quality.truncated) == (7, 30, False)
    assert crop.frame.planes.arrays[0] is image


@pytest.mark.parametrize(("left", "expected"), [(0.0, True), (2.9, True), (3.1, False)])
def test_a_plate_within_a_tenth_of_its_height_of_the_edge_counts_as_cut(left, expected):
    crop = cut_crop(frame(noise()), Detection((left, 30.0, left + 100, 60.0), 0.9))
    assert crop.quality.truncated is expected


def test_a_box_outside_the_frame_is_refused():
    with pytest.raises(ValueError, match="outside"):
        cut_crop(frame(noise()), Detection((300.0, 30.0, 400.0, 60.0), 0.9))


def test_height_is_that_of_the_slanted_plate_not_of_its_box():
    assert plate_height_px(Detection(BOX, 0.9)) == 30
    assert plate_height_px(Detection(BOX, 0.9, SLANTED)) == pytest.approx(np.hypot(2, 22))


def test_reading_quad_takes_corners_only_when_asked():
    detection = Detection(BOX, 0.9, SLANTED)
    assert np.allclose(reading_quad(detection, 0.0, rectify=True), SLANTED)
    flat = reading_quad(detection, 0.1, rectify=False)
    assert np.allclose(flat, [(30, 27), (150, 27), (150, 63), (30, 63)])
    assert np.allclose(reading_quad(Detection(BOX, 0.9), 0.1, rectify=True), flat)


def test_stretch_of_the_same_size_is_a_cut():
    image = noise()
    corners = ((10.0, 20.0), (138.0, 20.0), (138.0, 84.0), (10.0, 84.0))
    assert np.abs(stretch(frame(image), corners, 128, 64).astype(int) - image[20:84, 10:138]).max() <= 1


def test_stretch_straightens_a_slanted_plate():
    image = np.full((100, 200, 3), 90, np.uint8)
    cv2.fillPoly(image, [np.array(SLANTED, np.int32)], (200, 200, 200))
    straight = stretch(frame(image), SLANTED, 128, 64)
    assert straight[6:-6, 6:-6].min() > 190


def test_fine_stripes_of_a_large_plate_become_grey_not_moire():
    image = np.zeros((400, 800, 3), np.uint8)
    image[:, ::2] = 255
    corners = ((0.0, 0.0), (800.0, 0.0), (800.0, 400.0), (0.0, 400.0))
    shrunk = stretch(frame(image), corners, 128, 64)
    assert shrunk.std() < 40


def test_sharpness_is_the_same_for_one_plate_at_many_sizes():
    values = [sharpness(plate(height)) for height in (14, 20, 32, 60, 120)]
    assert min(values) > 0.7
    assert max(values) - min(values) < 0.25


def test_sharpness_falls_with_blur_and_with_motion():
    crisp, soft, blurred = (sharpness(plate(64, blur)) for blur in (0.0, 0.04, 0.12))
    assert crisp > soft > blurred
    assert sharpness(plate(64, streak=60)) < 0.7 * crisp


@pytest.mark.parametrize("image", [np.full((20, 60), 128, np.uint8), np.zeros((1, 1), np.uint8)])
def test_nothing_to_see_is_not_sharp(image):
    assert sharpness(image) == 0
