from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from anpr_stream.config.schema import Settings
from anpr_stream.pipeline.networks import Networks
from anpr_stream.pipeline.pictures import for_pictures, read_picture, weighed
from anpr_stream.plates.formats import load_formats
from anpr_stream.types import ALPHABET, Candidate, Detection, Frame, PixelFormat, Planes, Read

IMAGE = np.random.default_rng(0).integers(0, 256, (200, 400, 3), np.uint8)
FRAME = Frame("p", 0, 0.0, 0.0, 400, 200, Planes(PixelFormat.BGR, (IMAGE,)))
SMALL = replace(FRAME, width=200, height=100, planes=Planes(PixelFormat.BGR, (IMAGE[:100, :200],)))


def plate(x, confidence):
    return Detection((float(x), 50.0, x + 80.0, 70.0), confidence)


@dataclass
class Steps:
    """A detector that finds plates in steps and knows how far it was asked."""

    steps: list
    asked: int = 0

    def search(self, frame, settings):
        for step in self.steps:
            self.asked += 1
            yield step


@dataclass
class ReadsByPlace:
    """Reads each plate as told by its left edge: (text, confidence)."""

    texts: dict
    crops: list = field(default_factory=list)

    def read(self, crops):
        self.crops += crops
        return [read(*self.texts.get(crop.detection.box[0], ("", 0.9))) for crop in crops]


def read(text, confidence):
    rows = np.zeros((len(text), 36), np.float32)
    for row, character in zip(rows, text, strict=True):
        row[ALPHABET.index(character)] = 0.75
    return Read(text, confidence, rows, (len(text),), (Candidate(text, confidence),))


def run(steps, texts, frame=FRAME):
    detector, reader = Steps(steps), ReadsByPlace(texts)
    plates = read_picture(frame, Networks(detector, reader), Settings())
    return [(entry.read.text, entry.detection.confidence) for entry in plates], detector.asked


def test_a_sure_text_ends_the_search():
    found, asked = run([[plate(10, 0.9)], [plate(200, 0.3)]], {10.0: ("AB1", 0.8), 200.0: ("CD2", 0.9)})
    assert (found, asked) == ([("AB1", 0.9)], 1)


def test_the_search_goes_on_until_a_text_is_sure():
    found, asked = run(
        [[plate(10, 0.9)], [plate(200, 0.3)], [plate(300, 0.2)]], {10.0: ("AB1", 0.2), 200.0: ("CD2", 0.9)}
    )
    assert (found, asked) == ([("CD2", 0.3), ("AB1", 0.9)], 2)


def test_doubtful_plates_are_told_only_with_a_sure_text():
    found, _ = run([[plate(10, 0.3), plate(200, 0.2)]], {10.0: ("AB1", 0.7), 200.0: ("CD2", 0.3)})
    assert found == [("AB1", 0.3)]


def test_the_best_doubtful_plate_is_better_than_none():
    found, _ = run([[plate(10, 0.3)], [plate(200, 0.2)]], {10.0: ("AB1", 0.2), 200.0: ("CD2", 0.5)})
    assert found == [("CD2", 0.2)]


def test_an_unread_plate_comes_last_however_sure_its_emptiness():
    found, _ = run([[plate(10, 0.9), plate(200, 0.5)]], {200.0: ("CD2", 0.3)})
    assert found == [("CD2", 0.5), ("", 0.9)]


def test_what_has_no_legible_text_is_told_only_where_it_is_a_plate_beyond_doubt():
    garbled, bare = ("A4", 0.05), ("", 0.9)
    found, _ = run(
        [[plate(10, 0.55), plate(100, 0.55), plate(200, 0.7)]], {10.0: garbled, 100.0: bare, 200.0: garbled}
    )
    assert found == [("A4", 0.7)]


def test_a_picture_without_a_legible_text_or_a_sure_plate_has_none():
    assert run([[plate(10, 0.4)]], {10.0: ("A4", 0.05)})[0] == []


def test_an_empty_text_is_not_sure():
    assert run([[plate(10, 0.9)], [plate(200, 0.3)]], {})[1] == 2


def test_a_plate_found_twice_is_told_once_with_its_better_read():
    found, _ = run([[plate(10, 0.9)], [plate(12, 0.8)]], {10.0: ("AB1", 0.3), 12.0: ("AB12", 0.9)})
    assert found == [("AB12", 0.8)]


def test_a_small_picture_is_read_as_one_plate_first():
    found, asked = run([[plate(10, 0.9)]], {0.0: ("AB1", 0.7), 10.0: ("B1", 0.9)}, SMALL)
    assert (found, asked) == ([("AB1", 0.7)], 0)


def test_a_large_picture_is_read_as_one_plate_where_the_search_gave_no_sure_text():
    found, asked = run([[plate(10, 0.3)]], {0.0: ("AB1", 0.7), 10.0: ("B1", 0.2)})
    assert (found, asked) == ([("AB1", 0.7)], 1)
    assert run([[plate(10, 0.9)]], {0.0: ("AB1", 0.9), 10.0: ("B1", 0.7)}) == ([("B1", 0.9)], 1)


@pytest.mark.parametrize("frame", [FRAME, SMALL], ids=["large", "small"])
def test_a_plate_that_was_found_is_better_than_the_whole_picture_with_its_text_or_a_worse_one(frame):
    assert run([[plate(10, 0.3)]], {0.0: ("AB1", 0.5), 10.0: ("AB1", 0.2)}, frame)[0] == [("AB1", 0.3)]
    assert run([[plate(10, 0.9)]], {0.0: ("XY7", 0.4), 10.0: ("AB1", 0.5)}, frame)[0] == [("AB1", 0.9)]


@pytest.mark.parametrize("frame", [FRAME, SMALL], ids=["large", "small"])
def test_words_and_illegible_text_make_no_plate_of_a_whole_picture(frame):
    assert run([], {0.0: ("TRUCK", 0.9)}, frame)[0] == []
    assert run([], {0.0: ("AB1", 0.05)}, frame)[0] == []


@pytest.mark.parametrize("frame", [FRAME, SMALL], ids=["large", "small"])
def test_a_picture_is_read_as_one_plate_once(frame):
    reader = ReadsByPlace({})
    assert read_picture(frame, Networks(Steps([[plate(10, 0.3)]]), reader), Settings()) == []
    assert [crop.detection.box[0] for crop in reader.crops].count(0.0) == 1


def test_nothing_found():
    assert run([], {}) == ([], 0)


def test_characters_have_their_own_confidence():
    plates = read_picture(
        FRAME, Networks(Steps([[plate(10, 0.9)]]), ReadsByPlace({10.0: ("A8", 0.9)})), Settings()
    )
    assert plates[0].char_confidences == (pytest.approx(0.75), pytest.approx(0.75))


def test_pictures_are_read_with_their_own_margins():
    assert for_pictures(Settings()).reader.margins == Settings().pictures.margins


RUSSIAN = load_formats(["ru"])


def doubtful(*texts):
    candidates = tuple(Candidate(text, confidence) for text, confidence in texts)
    return replace(read(*texts[0]), candidates=candidates)


def test_of_look_alikes_the_one_that_fits_a_format_wins():
    better = weighed(doubtful(("YS04XT777", 0.56), ("Y504XT777", 0.27), ("YS04XT77", 0.1)), RUSSIAN)
    assert better.text == better.candidates[0].text == "Y504XT777"
    assert better.confidence > 0.5
    assert sum(candidate.confidence for candidate in better.candidates) == pytest.approx(0.93)


def test_a_sure_text_of_no_format_stays():
    assert weighed(doubtful(("YS04XT777", 0.98), ("Y504XT777", 0.01)), RUSSIAN).text == "YS04XT777"


def test_the_prior_does_not_change_a_texts_length():
    assert weighed(doubtful(("YS04XT7777", 0.5), ("Y504XT777", 0.4)), RUSSIAN).text == "YS04XT7777"


def test_a_read_without_candidates_stays():
    empty = Read("", 0.9, np.zeros((0, 36), np.float32))
    assert weighed(empty, RUSSIAN) is empty
