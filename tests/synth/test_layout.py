import itertools

import numpy as np
import pytest

from anpr_stream.plates.formats import load_formats
from anpr_stream.synth.faces import render_face
from anpr_stream.synth.fonts import CAP_PX, PAD_PX, Glyphs, family
from anpr_stream.synth.layout import Style, random_style, set_line

AREA = (10.0, 20.0, 300.0, 60.0)


def style(**changes):
    settings = {"tracking": 0.12, "widening": 1.0, "monospaced": False, "fill": 0.8, "wobble": 0.0}
    return Style(glyphs=family("helvetica")[0], **{**settings, **changes})


def set_plain(printed, foreign=None, **changes):
    return set_line(np.random.default_rng(0), printed, style(**changes), AREA, foreign)


def edges(placed):
    return [(item.box_mm[0], item.box_mm[0] + item.box_mm[2]) for item in placed]


@pytest.mark.parametrize("printed", ["AB 12", "W", "ABCD-1234-EF", "WWWWWWWWWWWW"])
def test_characters_stand_in_order_inside_the_area(printed):
    spans = edges(set_plain(printed))
    assert len(spans) == len(printed.replace(" ", ""))
    assert all(left[1] <= right[0] + 1e-6 for left, right in itertools.pairwise(spans))
    assert spans[0][0] >= 10 - 1e-6
    assert spans[-1][1] <= 310 + 1e-6


def test_a_line_stands_in_the_middle():
    spans = edges(set_plain("HHH"))
    assert spans[0][0] - 10 == pytest.approx(310 - spans[-1][1], abs=0.5)


def test_a_space_makes_a_gap():
    tight, wide = edges(set_plain("AB", fill=0.1)), edges(set_plain("A B", fill=0.1))
    assert wide[1][0] - wide[0][1] > tight[1][0] - tight[0][1] + 15


def test_monospaced_cells_are_equal():
    spans = edges(set_plain("WI1M", monospaced=True))
    middles = [(left + right) / 2 for left, right in spans]
    assert np.diff(middles) == pytest.approx([np.diff(middles)[0]] * 3)


def test_small_letters_stand_on_the_line_of_the_digits():
    letter, digit = set_plain("A1", letter_scale=0.75)
    assert letter.box_mm[3] == pytest.approx(0.75 * digit.box_mm[3])
    assert letter.box_mm[1] + letter.box_mm[3] == pytest.approx(digit.box_mm[1] + digit.box_mm[3])


def test_a_foreign_word_is_printed_for_its_sign_and_left_out_without_a_font():
    word = np.full((CAP_PX, 90), 255, np.uint8)
    assert [item.symbol for item in set_plain("1~2", word)] == ["1", "~", "2"]
    assert [item.symbol for item in set_plain("1~2", None)] == ["1", "2"]


def test_random_styles_differ_but_stay_readable():
    rng = np.random.default_rng(1)
    styles = [random_style(rng, Glyphs("none", {}), False, 1.0) for _ in range(50)]
    assert len({one.tracking for one in styles}) == 50
    assert all(0.6 < one.widening < 1.5 for one in styles)


def test_masks_carry_room_for_tails():
    assert family("helvetica")[0]["Q"].shape[0] == CAP_PX + 2 * PAD_PX


@pytest.mark.parametrize(
    ("country", "part", "blue_over_red"), [("de", np.s_[10:50, 2:20], 60), ("br", np.s_[2:8, 60:260], 40)]
)
def test_bands_and_headers_are_blue(country, part, blue_over_red):
    name = {"de": "de.standard", "br": "br.mercosur"}[country]
    (plate_format,) = (known for known in load_formats([country]).formats if known.name == name)
    excess = []
    for seed in range(8):
        image = (
            render_face(np.random.default_rng(seed), plate_format, (320, 68), lines=1).image[part].astype(int)
        )
        excess.append(np.median(image[..., 0] - image[..., 2]))
    assert np.median(excess) > blue_over_red
