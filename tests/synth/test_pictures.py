import json

import cv2
import numpy as np
import pytest

from anpr_stream.errors import UsageError
from anpr_stream.synth.artwork import SIZE, load_artwork
from anpr_stream.synth.pictures import load_pictures, random_patches, read_picture


@pytest.fixture
def folder(tmp_path):
    lines = []
    for number, (split, complete, plates) in enumerate(
        [("train", True, []), ("train", False, []), ("train", True, [{}]), ("test", True, [])]
    ):
        name = f"{number}.png"
        cv2.imwrite(str(tmp_path / name), np.full((40, 60, 3), 10 * number, np.uint8))
        lines.append(json.dumps({"image": name, "split": split, "complete": complete, "plates": plates}))
    (tmp_path / "labels.jsonl").write_text("\n".join(lines))
    return tmp_path


def shades(pictures):
    return [int(picture[0, 0, 0]) for picture in pictures]


def test_only_the_split_asked_for_is_loaded(folder):
    assert shades(load_pictures(folder)) == [0, 10, 20]
    assert shades(load_pictures(folder, "test")) == [30]


def test_empty_means_known_to_hold_no_plate(folder):
    assert shades(load_pictures(folder, empty=True)) == [0]


def test_blank_lines_are_passed_over_and_what_is_no_label_is_named(folder):
    labels = folder / "labels.jsonl"
    labels.write_bytes(b"\xef\xbb\xbf" + labels.read_bytes() + b"\r\n\r\n")
    assert shades(load_pictures(folder)) == [0, 10, 20]
    labels.write_text('{"image": "0.png"}')
    for load in (load_pictures, load_artwork):
        with pytest.raises(UsageError, match=r"labels\.jsonl: no labels of pictures \('split'\)"):
            load(folder)


def test_artwork_never_takes_what_models_are_measured_on(folder):
    sheets = load_artwork(folder)
    assert len(sheets) == 3
    assert all(sheet.image.shape == (SIZE[1], SIZE[0], 3) for sheet in sheets)


def test_a_picture_that_is_none_is_named(tmp_path):
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(UsageError, match=r"text\.png: no picture that can be read"):
        read_picture(tmp_path / "text.png")


def test_patches_have_the_size_asked_for_and_follow_the_seed():
    picture = np.random.default_rng(0).integers(0, 256, (80, 120, 3), np.uint8)
    one, two = (random_patches(np.random.default_rng(5), [picture], 3, (64, 32)) for _ in range(2))
    assert [patch.shape for patch in one] == [(32, 64, 3)] * 3
    assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))
