import cv2
import numpy as np
import pytest

from anpr_stream.synth import degrade as faults

RNG = np.random.default_rng


@pytest.fixture
def picture():
    image = np.full((60, 160, 3), 200, np.uint8)
    cv2.putText(image, "AB 123", (8, 45), cv2.FONT_HERSHEY_SIMPLEX, 1.2, (10, 10, 10), 3)
    return image


def detail(image):
    return cv2.Laplacian(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.CV_32F).var()


def test_size_and_type_stay(picture):
    for seed in range(40):
        worse = faults.degrade(RNG(seed), picture, 2.0)
        assert worse.shape == picture.shape
        assert worse.dtype == np.uint8


def test_the_same_seed_gives_the_same_faults(picture):
    assert np.array_equal(faults.degrade(RNG(5), picture), faults.degrade(RNG(5), picture))


@pytest.mark.parametrize(
    "fault",
    [
        lambda image: faults.low_resolution(image, 4),
        lambda image: faults.motion_blurred(image, 9, 0),
        lambda image: faults.video_coded(image, 10),
    ],
)
def test_detail_is_lost(picture, fault):
    assert detail(fault(picture)) < 0.7 * detail(picture)


def test_motion_smears_along_its_way_only():
    line = np.zeros((21, 21, 3), np.uint8)
    line[:, 10] = 255
    assert faults.motion_blurred(line, 7, 90)[10, 10, 0] == 255
    assert faults.motion_blurred(line, 7, 0)[10, 10, 0] < 60


def test_noise_has_the_strength_asked_for():
    grey = np.full((100, 100, 3), 128, np.uint8)
    assert faults.noisy(RNG(1), grey, 6.0).std() == pytest.approx(6.0, rel=0.1)


def test_night_is_darker_and_infra_red_is_grey(picture):
    assert faults.night(RNG(1), picture).mean() < picture.mean()
    seen = faults.infra_red(picture)
    assert np.array_equal(seen[..., 0], seen[..., 2])
