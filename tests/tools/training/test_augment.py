"""One warp cuts a plate as asked; augmentation keeps form and is the same for the same seed."""

from dataclasses import replace

import numpy as np
import pytest

from tools.training.augment import (
    GENTLE,
    INPUT_SIZE,
    Augmenter,
    Plate,
    Strength,
    blur_kernels,
    noise_bank,
    plain_crop,
    shadow_bank,
    warp_matrix,
)

BACKGROUNDS = np.full((2, 64, 128, 3), 77, np.uint8)
BOX = np.array([[40, 30], [150, 30], [150, 70], [40, 70]], np.float32)


def bright_plate() -> Plate:
    stored = np.zeros((96, 192, 3), np.uint8)
    stored[30:70, 40:150] = 255
    return Plate(stored, BOX, 2.75)


def test_no_margin_fills_the_input_with_the_plate():
    assert plain_crop(bright_plate(), 0.0)[2:-2, 2:-2].min() == 255


def test_a_margin_is_a_fraction_of_the_plate_on_each_side():
    crop = plain_crop(bright_plate(), 0.5)
    middle = crop[32, :, 0]
    assert list(np.flatnonzero(np.diff((middle > 127).astype(int)))) == [31, 95]


def test_what_lies_beyond_the_picture_is_its_edge():
    edge = Plate(np.full((96, 192, 3), 9, np.uint8), BOX - [40, 30], 2.75)
    assert (plain_crop(edge, 0.3) == 9).all()


def test_a_slanted_plate_is_straightened_by_its_corners():
    stored = np.zeros((96, 192, 3), np.uint8)
    corners = np.array([[40, 20], [150, 50], [150, 90], [40, 60]], np.float32)
    for x in range(40, 150):
        top = 20 + (x - 40) * 30 // 110
        stored[top : top + 40, x] = 255
    assert plain_crop(Plate(stored, corners, 2.75), 0.0)[3:-3, 3:-3].mean() > 250


def test_the_matrix_maps_the_corners_of_the_cut_to_those_of_the_input():
    matrix = warp_matrix(BOX, [0, 0, 0, 0], INPUT_SIZE)
    corner = matrix @ [150 - 0.5, 70 - 0.5, 1]
    assert corner[:2] / corner[2] == pytest.approx([128 - 0.5, 64 - 0.5], abs=1e-3)


def test_a_plate_of_the_inputs_size_is_cut_pixel_by_pixel():
    picture = np.random.default_rng(0).integers(0, 256, (64, 128, 3), np.uint8)
    corners = np.array([[0, 0], [128, 0], [128, 64], [0, 64]], np.float32)
    assert np.array_equal(plain_crop(Plate(picture, corners, 2.0), 0.0), picture)


def test_pictures_of_one_plate_are_cut_alike_and_lit_apart():
    harms = "low_resolution", "blur", "light", "grey", "inverted", "shadow", "noise", "jpeg", "cutout"
    plain = replace(Strength(), **dict.fromkeys(harms, 0.0))
    augment = Augmenter(np.random.default_rng(4), BACKGROUNDS)
    first, second, lit = augment(bright_plate(), plain, plain, replace(plain, light=1.0))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, lit)
    assert not np.array_equal(first, augment(bright_plate(), plain)[0])


@pytest.mark.parametrize("strength", [GENTLE, Strength()])
def test_samples_have_the_inputs_form_and_differ(strength):
    augment = Augmenter(
        np.random.default_rng(1),
        BACKGROUNDS,
    )
    samples = [augment(bright_plate(), strength)[0] for _ in range(40)]
    assert {sample.shape for sample in samples} == {(64, 128, 3)}
    assert {sample.dtype for sample in samples} == {np.dtype(np.uint8)}
    assert len({sample.tobytes() for sample in samples}) > 35


def test_the_same_seed_gives_the_same_samples():
    first, second = (Augmenter(np.random.default_rng(5), BACKGROUNDS) for _ in range(2))
    for _ in range(10):
        assert np.array_equal(first(bright_plate(), Strength()), second(bright_plate(), Strength()))


def test_the_stored_picture_is_left_as_it_was():
    plate = bright_plate()
    before = plate.picture.copy()
    augment = Augmenter(np.random.default_rng(2), BACKGROUNDS)
    for _ in range(20):
        augment(plate, Strength(cutout=1.0))
    assert np.array_equal(plate.picture, before)
    assert (BACKGROUNDS == 77).all()


def test_the_banks_are_neutral_on_the_whole():
    rng = np.random.default_rng(3)
    assert abs(noise_bank(rng, 8).mean()) < 1
    assert all(kernel.sum() == pytest.approx(1, abs=1e-4) for kernel in blur_kernels(rng, 12))
    assert 120 < shadow_bank(rng, 16).mean() < 200
