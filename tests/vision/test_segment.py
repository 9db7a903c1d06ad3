import cv2
import numpy as np
import pytest

from anpr_stream.vision.segment import GLYPH_HEIGHT_PX, glyph_batch, segment

FONT = cv2.FONT_HERSHEY_SIMPLEX


def plate(*lines, dark=True, width=None, height=96):
    """Grey plate with evenly spaced characters."""
    width = width or 60 * max(map(len, lines))
    image = np.full((height, width), 220, np.uint8)
    size = height / len(lines) * 0.5
    for row, line in enumerate(lines):
        scale = size / 22
        base = round((row + 0.5) * height / len(lines) + size / 2)
        for place, character in enumerate(line):
            x = round((place + 0.1) * width / len(line))
            cv2.putText(image, character, (x, base), FONT, scale, 30, max(2, round(scale * 2.5)), cv2.LINE_AA)
    return image if dark else 255 - image


@pytest.mark.parametrize("dark", [True, False], ids=["dark on light", "light on dark"])
@pytest.mark.parametrize("text", ["ABC1234", "7K8", "HX52"])
def test_one_line(text, dark):
    found = segment(plate(text, dark=dark))
    assert [len(line) for line in found.lines] == [len(text)]
    lefts = [box[0] for box in found.lines[0]]
    assert lefts == sorted(lefts)


def test_two_lines_top_first():
    found = segment(plate("AB1", "2345", height=140, width=260))
    assert [len(line) for line in found.lines] == [3, 4]
    assert found.lines[0][0][3] <= found.lines[1][0][1]
    assert len(found.glyphs) == 7


def test_characters_that_touch_are_cut():
    image = plate("H8888888H", width=460)
    (line,) = segment(image).lines
    y = (line[1][1] + line[1][3]) // 2
    image[y - 2 : y + 2, line[1][0] : line[2][2]] = 30
    joined = segment(image)
    assert [len(line) for line in joined.lines] == [9]


def test_a_character_in_two_pieces_is_one():
    image = plate("A8HHK")
    (line,) = segment(image).lines
    middle = (line[3][0] + line[3][2]) // 2
    image[:, middle - 1 : middle + 2] = 220
    (mended,) = segment(image).lines
    assert abs(len(mended) - 5) <= 1


def test_a_slanted_line_is_still_one_line():
    image = plate("ABC1234")
    turn = cv2.getRotationMatrix2D((210, 48), 4, 0.9)
    turned = cv2.warpAffine(image, turn, (420, 96), borderValue=220)
    assert [len(line) for line in segment(turned).lines] == [7]


@pytest.mark.parametrize(
    "image",
    [
        np.full((96, 400), 128, np.uint8),
        np.random.default_rng(0).integers(0, 256, (96, 400), np.uint8),
        np.zeros((1, 1), np.uint8),
        np.zeros((3, 200), np.uint8),
    ],
    ids=["empty", "noise", "one pixel", "flat"],
)
def test_what_is_no_plate_gives_few_or_no_characters(image):
    found = segment(image)
    assert len(found.glyphs) == sum(len(line) for line in found.lines)
    assert len(found.lines) <= 2


@pytest.mark.parametrize("dark", [True, False])
def test_glyphs_are_bright_on_black_in_the_middle(dark):
    glyphs = segment(plate("H1H", dark=dark)).glyphs
    assert glyphs.shape == (3, 80, 80)
    rows = np.flatnonzero(glyphs[0].max(axis=1) > 128)
    assert (rows[0] + rows[-1]) / 2 == pytest.approx(39.5, abs=1.5)
    assert rows[-1] - rows[0] + 1 == pytest.approx(GLYPH_HEIGHT_PX, abs=3)
    assert glyphs[0].max() == 255
    assert not glyphs[:, 0].any()


def test_a_narrow_character_stays_narrow():
    wide, narrow, _ = segment(plate("H1H")).glyphs
    columns = [np.flatnonzero(glyph.max(axis=0) > 128) for glyph in (wide, narrow)]
    assert np.ptp(columns[1]) < np.ptp(columns[0])


def test_batch_has_three_equal_channels():
    batch = glyph_batch(segment(plate("H1")).glyphs)
    assert (batch.shape, batch.dtype, batch.max()) == ((2, 3, 80, 80), np.float32, 1)
    assert np.array_equal(batch[:, 0], batch[:, 2])
