import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anpr_stream.config.tracking import FusionSettings
from anpr_stream.plates.formats import load_formats
from anpr_stream.testing import make_read
from anpr_stream.tracking.fusion import Fusion
from anpr_stream.types import ALPHABET, CropQuality, FusedRead, Read

GOOD = CropQuality(24.0, 0.8, False)
CUT = CropQuality(24.0, 0.8, True)
TEXT = st.text(alphabet=ALPHABET, min_size=1, max_size=9)


def fuse(*reads: Read | str | tuple[Read, CropQuality], countries: tuple[str, ...] = ()) -> FusedRead:
    fusion = Fusion(load_formats(countries) if countries else None)
    for read in reads:
        if isinstance(read, tuple):
            fusion.add(*read)
        else:
            fusion.add(make_read(read) if isinstance(read, str) else read, GOOD)
    plate = fusion.plate()
    assert plate is not None
    return plate


@given(TEXT, st.integers(1, 9), st.floats(0.5, 1.0))
def test_identical_reads_give_their_text(text: str, count: int, confidence: float) -> None:
    plate = fuse(*[make_read(text, confidence)] * count)
    assert plate.text == plate.raw_text == text
    assert (plate.reads, plate.agreeing_reads) == (count, count)
    assert len(plate.char_confidences) == len(text)
    assert plate.line_lengths == (len(text),)


@settings(deadline=None, max_examples=50)
@given(
    st.lists(
        st.sampled_from(["AB1234", "AB124", "A81234", "B1234", "AB12B4", "XB1234"]), min_size=2, max_size=9
    ),
    st.randoms(),
)
def test_the_order_of_reads_does_not_matter(texts: list[str], shuffler: random.Random) -> None:
    shuffled = list(texts)
    shuffler.shuffle(shuffled)
    one, other = fuse(*texts), fuse(*shuffled)
    assert one.text == other.text
    assert one.confidence == pytest.approx(other.confidence, abs=1e-6)
    assert one.char_confidences == pytest.approx(other.char_confidences, abs=1e-6)


@pytest.mark.parametrize(
    ("reads", "text"),
    [
        (["AB1234", "AB1234", "AB124"], "AB1234"),
        (["AB124", "AB1234", "AB124"], "AB124"),
        (["B1234", "AB1234", "AB1234"], "AB1234"),
        (["AB1234", "AB12345", "AB1234"], "AB1234"),
        (["A81234", "AB1284", "AB1234"], "AB1234"),
        (["XY9", "AB1234", "AB1234"], "AB1234"),
        (["B1234", "AB123", "AB124", "AB1234"], "AB1234"),
    ],
    ids=[
        "one misses",
        "one invents",
        "misses the first",
        "adds a last",
        "each wrong elsewhere",
        "stray",
        "by parts",
    ],
)
def test_characters_are_outvoted_one_by_one(reads: list[str], text: str) -> None:
    assert fuse(*reads).text == text


def test_the_text_may_be_one_that_no_read_had() -> None:
    plate = fuse("A81234", "AB1284", "AB1Z34")
    assert (plate.text, plate.agreeing_reads) == ("AB1234", 0)
    assert plate.confidence < fuse("AB1234", "AB1234", "AB1234").confidence


def test_one_wrong_but_confident_read_is_outvoted() -> None:
    plate = fuse(*[make_read("ABC1234", 0.8)] * 3, make_read("XYZ9876", 0.999))
    assert (plate.text, plate.agreeing_reads, plate.reads) == ("ABC1234", 3, 4)


def test_later_larger_reads_outweigh_the_first_small_ones() -> None:
    small, large = CropQuality(8.0, 0.2, False), CropQuality(30.0, 0.9, False)
    reads = [(make_read("AB7234", 0.95), small)] * 3 + [(make_read("AB1234", 0.9), large)] * 2
    assert fuse(*reads).text == "AB1234"


def test_half_a_plate_at_the_edge_does_not_shorten_the_whole_one() -> None:
    reads = [(make_read("1234", 0.99), CUT)] * 6 + [(make_read("ABC1234", 0.9), GOOD)] * 2
    plate = fuse(*reads)
    assert plate.text == "ABC1234"


def test_half_a_plate_still_helps_with_the_characters_it_shows() -> None:
    doubtful = make_read("ABC1234", 0.55, doubts="......9")
    assert fuse(doubtful).char_confidences[6] < fuse(doubtful, (make_read("1234"), CUT)).char_confidences[6]


def test_only_half_plates_are_told_as_such() -> None:
    fusion = Fusion()
    fusion.add(make_read("1234"), CUT)
    assert fusion.is_truncated
    fusion.add(make_read("ABC1234"), GOOD)
    assert not fusion.is_truncated


def test_blank_reads_say_nothing() -> None:
    fusion = Fusion()
    fusion.add(make_read(""), GOOD)
    assert (fusion.plate(), fusion.features(), fusion.blanks) == (None, None, 1)
    fusion.add(make_read("AB123"), GOOD)
    assert fusion.plate().text == "AB123"


def test_a_format_settles_what_the_characters_leave_open() -> None:
    read = make_read("A8C1235", 0.6, doubts=".B")
    plate = fuse(read, read, countries=("tw",))
    assert (plate.text, plate.raw_text, plate.country) == ("ABC1235", "A8C1235", "tw")
    assert plate.format is not None
    assert plate.format.startswith("tw.")
    assert plate.agreeing_reads == 2


def test_a_format_does_not_bend_what_was_read_clearly() -> None:
    plate = fuse(*[make_read("A8C1235", 0.99)] * 3, countries=("tw",))
    assert (plate.text, plate.format) == ("A8C1235", None)


def test_the_runner_up_is_listed() -> None:
    plate = fuse(make_read("AB1234", 0.6, doubts="8"), countries=("de", "tw"))
    assert plate.candidates[0].text == plate.text
    assert plate.candidates[0].confidence == plate.confidence
    confidences = [candidate.confidence for candidate in plate.candidates]
    assert confidences == sorted(confidences, reverse=True)
    assert sum(confidences) <= 1.0 + 1e-6


def test_an_open_length_lists_both() -> None:
    plate = fuse("ABC1234", "BC1234", countries=("tw",))
    assert {"ABC1234", "BC1234"} <= {candidate.text for candidate in plate.candidates}


@pytest.mark.parametrize(
    ("reads", "lengths"),
    [
        ([("29AB12345", (4, 5))] * 2, (4, 5)),
        ([("29AB12345", (4, 5)), ("29AB12345", (9,)), ("29AB12345", (9,))], (9,)),
        ([("29AB12345", (4, 5))] * 2 + [("29B12345", (3, 5))], (4, 5)),
        ([("29B12345", (3, 5)), ("29AB12345", (9,)), ("29AB12345", (4, 5)), ("29AB12345", (4, 5))], (4, 5)),
    ],
)
def test_the_line_split_is_kept(reads: list[tuple[str, tuple[int, ...]]], lengths: tuple[int, ...]) -> None:
    assert fuse(*[make_read(text, lines=lines) for text, lines in reads]).line_lengths == lengths


def test_more_agreeing_reads_make_surer_but_never_certain() -> None:
    sure = [fuse(*["AB1234"] * count).confidence for count in (1, 2, 3, 10, 200)]
    assert sure == sorted(sure)
    assert sure[-1] < 1.0


def test_a_disagreeing_read_makes_less_sure() -> None:
    assert fuse("AB1234", "AB1234", "AB7234").confidence < fuse("AB1234", "AB1234").confidence


def test_merged_fusions_are_as_if_read_in_one() -> None:
    one, other, both = Fusion(), Fusion(), Fusion()
    for text, part in (("AB1234", one), ("AB124", one), ("AB1234", other), ("", other)):
        part.add(make_read(text), GOOD)
        both.add(make_read(text), GOOD)
    one.merge(other)
    assert one.plate() == both.plate()
    assert one.blanks == both.blanks == 1


@settings(deadline=None, max_examples=20)
@given(st.lists(st.text(alphabet="AB1", min_size=1, max_size=12), min_size=1, max_size=30))
def test_any_mixture_of_reads_is_survived_and_bounded(texts: list[str]) -> None:
    fusion = Fusion(settings=FusionSettings(max_variants=4))
    for text in texts:
        fusion.add(make_read(text), GOOD)
    plate = fusion.plate()
    assert plate is None or (0.0 <= plate.confidence <= 1.0 and plate.reads <= len(texts))
    assert len(fusion._variants) <= 16


def test_a_text_that_comes_late_is_not_shut_out_by_doubtful_ones() -> None:
    doubtful = ["AB1284", "A81234", "AB1Z34", "AB123A", "AE1234", "AB1734", "48I234", "RB1234"]
    fusion = Fusion(settings=FusionSettings(max_variants=4))
    for text in doubtful * 4:
        fusion.add(make_read(text, 0.5), GOOD)
    for _ in range(20):
        fusion.add(make_read("XY7788", 0.97), GOOD)
    plate = fusion.plate()
    assert plate is not None
    assert (plate.text, plate.agreeing_reads) == ("XY7788", 20)


def test_rows_that_leave_room_for_no_character_are_weak_evidence_of_one() -> None:
    characters = make_read("AB1234").character_probabilities.copy()
    characters[5] *= 0.3
    unsure = Read("AB1234", 0.5, characters, (6,))
    assert fuse("AB123", unsure).text == "AB123"
    assert fuse("AB123", "AB1234", "AB1234").text == "AB1234"


def test_the_reads_own_arrays_are_left_alone() -> None:
    read = make_read("AB1234")
    before = read.character_probabilities.copy()
    fuse(read, read, "AB124")
    assert np.array_equal(read.character_probabilities, before)
