from dataclasses import replace

import numpy as np
import pytest

from anpr_stream.interfaces import PlateReader
from anpr_stream.perception.again import SecondReading
from anpr_stream.testing import make_read
from anpr_stream.types import Detection, Frame, PixelFormat, Planes
from anpr_stream.vision.crops import cut_crop
from anpr_stream.vision.ctc import mix


class ReadsByBox:
    """Reads a plate by its left edge."""

    def __init__(self, texts):
        self.texts, self.asked = texts, []

    def read(self, crops):
        self.asked.append([round(crop.detection.box[0]) for crop in crops])
        return [self.texts[left] for left in self.asked[-1]]


def crop(left):
    frame = Frame("p", 0, 0.0, 0.0, 800, 600, Planes(PixelFormat.GRAY8, (np.zeros((600, 800), np.uint8),)))
    return cut_crop(frame, Detection((left, 200.0, left + 100.0, 240.0), 0.9))


def moved(seen):
    """Every plate lies 20 px farther right than it seemed."""
    return crop(seen.detection.box[0] + 20)


def second_reading(first, second=None, see=moved, join=lambda a, b: mix([a, b])):
    return SecondReading(first, second or first, see, join, below=0.9)


DOUBTFUL, SURE, BETTER = make_read("AB1", 0.5), make_read("CD2", 0.95), make_read("AB12", 0.9)


def test_only_doubtful_plates_are_read_again_and_both_reads_count():
    inner = ReadsByBox({300: DOUBTFUL, 100: SURE, 320: BETTER})
    reader = second_reading(inner)
    first, second = reader.read([crop(300), crop(100)])
    assert isinstance(reader, PlateReader)
    assert inner.asked == [[300, 100], [320]]
    assert (first.text, first.confidence) == ("AB12", pytest.approx(0.45))
    assert {candidate.text for candidate in first.candidates} == {"AB1", "AB12"}
    assert second is SURE


def test_the_second_reading_may_be_anothers():
    first, second = ReadsByBox({300: DOUBTFUL}), ReadsByBox({320: BETTER})
    assert second_reading(first, second, join=lambda a, b: b).read([crop(300)]) == [BETTER]


def test_a_plate_without_a_text_is_doubtful_however_sure():
    nothing = replace(make_read(""), confidence=0.99)
    assert second_reading(ReadsByBox({300: nothing, 320: BETTER})).read([crop(300)]) == [BETTER]


def test_a_plate_that_is_not_seen_otherwise_keeps_its_read():
    reader = second_reading(ReadsByBox({300: DOUBTFUL}), see=lambda crop: None)
    assert reader.read([crop(300)]) == [DOUBTFUL]


def test_nothing_to_read():
    assert second_reading(ReadsByBox({})).read([]) == []
