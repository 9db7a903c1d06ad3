import re

import pytest

from anpr_stream.plates.patterns import DIGITS, LETTERS, compile_pattern

SETS = {"area": "B HH M", "number": "01..12", "mix": "01..03 2A", "few": "XYZ"}


def texts(pattern, candidates):
    shapes = compile_pattern(pattern, LETTERS, SETS)
    return [text for text in candidates if any(re.fullmatch(shape.regex(), text) for shape in shapes)]


@pytest.mark.parametrize(
    ("pattern", "fits", "does_not"),
    [
        ("A{2}-19", "AB10", "AB01"),
        ("<area> 9", "HH1", "HX1"),
        ("<number>A", "12X", "13X"),
        ("<mix>A", "2AX", "2BX"),
        ("<few>9", "Z9", "A9"),
        ("[KL]9?", "K", "M"),
        ("*{2}", "7A", "7"),
        ("A9{1,3}", "A123", "A1234"),
    ],
)
def test_tokens(pattern, fits, does_not):
    assert texts(pattern, [fits, does_not]) == [fits]


def test_repetition_expands_to_one_shape_per_length():
    assert [shape.length for shape in compile_pattern("A{1,2}9{0,2}", LETTERS, {})] == [1, 2, 3, 2, 3, 4]


def test_words_of_several_lengths_give_a_shape_each():
    shapes = compile_pattern("<area>9", LETTERS, SETS)
    assert {shape.segments[0] for shape in shapes} == {("B", "M"), ("HH",)}


def test_letters_of_the_country_are_kept():
    (shape,) = compile_pattern("A9", "XY", {})
    assert shape.segments == (("X", "Y"), tuple(DIGITS))


@pytest.mark.parametrize(
    ("pattern", "words", "printed"),
    [
        ("A-9", ("X", "1"), "X-1"),
        ("~A·9", ("B", "1"), "~B·1"),
        ("A 9/A", ("X", "1", "Y"), "X 1/Y"),
        ("9~", ("7",), "7~"),
    ],
)
def test_separators_are_printed(pattern, words, printed):
    (shape,) = compile_pattern(pattern, LETTERS, {})
    assert shape.printed(words) == printed


def test_an_absent_token_leaves_one_gap():
    shapes = compile_pattern("A 9? A", LETTERS, {})
    assert [shape.separators[1:-1] for shape in shapes] == [(" ",), (" ", " ")]


def test_lines():
    one, two = compile_pattern("A/9?9", LETTERS, {}), compile_pattern("A9", LETTERS, {})
    assert {shape.lines for shape in one} == {2}
    assert two[0].lines == 1


def test_split_follows_the_segments():
    (shape,) = compile_pattern("<number>A", LETTERS, SETS)
    assert shape.split("12X") == ("12", "X")


@pytest.mark.parametrize("pattern", ["A{", "a", "<area", "(A)"])
def test_what_is_not_understood_is_named(pattern):
    with pytest.raises(ValueError, match="cannot read the pattern"):
        compile_pattern(pattern, LETTERS, SETS)


def test_an_unknown_set_is_named_with_the_known_ones():
    with pytest.raises(ValueError, match="<nowhere>; known are area"):
        compile_pattern("<nowhere>9", LETTERS, SETS)
