"""Figures of reads against texts, on a handful of plates counted by hand."""

import pytest

from anpr_stream.types import ALPHABET
from tools.evaluation.reading import ReadPlate, aligned, confusions, distance, report


def plate(truth, text, confidence=0.95, country="tw", lines=1, height_px=30.0):
    return ReadPlate(truth, text, confidence, country, lines, height_px)


PLATES = [
    plate("AB12", "AB12"),
    plate("OI34", "0134", 0.55, "us"),
    plate("XY99", "XY9", 0.35, "us", 2, 13.0),
    plate("QQ", "QQ", 0.95, "us", 2, 200.0),
]


def test_whole_texts_are_counted_by_group():
    figures = report(PLATES)
    assert (figures.plates, figures.exact, figures.exact_equal) == (4, 0.5, 0.75)
    assert figures.by_country == {"tw": (1.0, 1), "us": (pytest.approx(1 / 3), 3)}
    assert figures.by_lines == {"1": (0.5, 2), "2": (0.5, 2)}
    assert figures.by_height == {"12-16 px": (0.0, 1), "24-32 px": (0.5, 2), "64-inf px": (1.0, 1)}


def test_characters_are_counted_as_edits():
    assert report(PLATES).character_error_rate == pytest.approx(3 / 14)


def test_confidence_is_held_against_the_truth():
    figures = report(PLATES)
    assert figures.reliability == (
        (pytest.approx(0.35), 0.0, 1),
        (pytest.approx(0.55), 0.0, 1),
        (pytest.approx(0.95), 1.0, 2),
    )
    assert figures.calibration_error == pytest.approx((0.35 + 0.55 + 0.1) / 4)


def test_the_report_names_every_group():
    lines = report(PLATES).lines()
    assert lines[0] == "plates 4"
    assert "exact country us: 0.3333 of 3" in lines
    assert "exact lines 2: 0.5000 of 2" in lines


@pytest.mark.parametrize(
    ("truth", "text", "edits"),
    [("", "", 0), ("A", "", 1), ("", "AB", 2), ("KITTEN", "SITTING", 3), ("AB12", "AB12", 0)],
)
def test_distance_counts_the_fewest_edits(truth, text, edits):
    assert distance(truth, text) == edits
    assert sum(true != read for true, read in aligned(truth, text)) == edits


def test_alignment_pairs_what_was_taken_for_what():
    assert list(aligned("AB8C", "ABBC"))[::-1] == [("A", "A"), ("B", "B"), ("8", "B"), ("C", "C")]
    assert ("9", "") in list(aligned("XY99", "XY9"))


def test_confusions_count_true_by_read_and_leave_gaps_out():
    counts = confusions([*PLATES, plate("ab-1", "AB01")])
    zero, letter = ALPHABET.index("0"), ALPHABET.index("O")
    assert counts[letter, zero] == 1
    assert counts[zero, letter] == 0
    assert counts.sum() == 14


def test_no_plate_gives_no_figures_and_no_error():
    assert report([]).exact == 0.0
