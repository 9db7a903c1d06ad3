import numpy as np
import pytest

from anpr_stream.synth import draw


def test_colours_are_blue_green_red():
    assert draw.colour("#102030") == (0x30, 0x20, 0x10)


def test_the_first_items_can_be_favoured():
    rng = np.random.default_rng(0)
    even = [draw.pick(rng, range(10)) for _ in range(400)]
    first = [draw.pick(rng, range(10), 3.0) for _ in range(400)]
    assert set(even) == set(range(10))
    assert np.mean(first) < 0.7 * np.mean(even)


@pytest.mark.parametrize(
    ("place", "filled"), [((1, 1), 9), ((-2, 0), 3), ((0, -2), 3), ((9, 9), 1), ((10, 0), 0), ((-3, 0), 0)]
)
def test_what_sticks_out_of_a_stamp_is_cut(place, filled):
    target = np.zeros((10, 10), np.uint8)
    draw.stamp(target, np.full((3, 3), 255, np.uint8), *place)
    assert np.count_nonzero(target) == filled


def test_stamps_merge_by_the_stronger():
    target = np.full((4, 4), 100, np.uint8)
    draw.stamp(target, np.array([[50, 200]], np.uint8), 0, 0)
    assert target[0, :2].tolist() == [100, 200]


def test_paint_mixes_by_the_mask():
    image = np.full((1, 3, 3), 200, np.uint8)
    mask = np.array([[0, 128, 255]], np.uint8)
    assert draw.paint(image, mask, (0, 100, 0))[0, :, 1].tolist() == pytest.approx([200, 150, 100], abs=2)


def test_paste_paints_in_place_and_cuts():
    image = np.zeros((5, 5, 3), np.uint8)
    draw.paste(image, np.full((4, 4), 255, np.uint8), (9, 9, 9), 3, 3)
    assert np.count_nonzero(image[..., 0]) == 4


def test_stretched_never_vanishes():
    assert draw.stretched(np.full((8, 8), 255, np.uint8), 0.1, 0.1).shape == (1, 1)


def test_noise_depends_on_the_generator_alone():
    one, two = (draw.noise(np.random.default_rng(3), (20, 20, 3), 5.0) for _ in range(2))
    assert np.array_equal(one, two)
    assert not np.array_equal(one, draw.noise(np.random.default_rng(4), (20, 20, 3), 5.0))
