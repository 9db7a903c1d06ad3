from dataclasses import replace

import numpy as np
import pytest

from anpr_stream.interfaces import PlateReader
from anpr_stream.perception.closer import CloserReader, look_closer
from anpr_stream.testing import make_read
from anpr_stream.types import Detection, Frame, PixelFormat, Planes
from anpr_stream.vision.crops import cut_crop


def frame(plates=()):
    """800x600, dark; plates are bright boxes."""
    image = np.full((600, 800, 3), 20, np.uint8)
    for x1, y1, x2, y2 in plates:
        image[y1:y2, x1:x2] = 220
    return Frame("p", 0, 0.0, 0.0, 800, 600, Planes(PixelFormat.BGR, (image,)))


def crop(box=(300.0, 200.0, 400.0, 240.0), plates=()):
    return cut_crop(frame(plates), Detection(tuple(map(float, box)), 0.9))


def bright_box(part):
    """What a perfect detector finds: the box around the bright pixels."""
    rows, columns = np.nonzero(part.planes.arrays[0][..., 0] > 120)
    edges = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
    x1, y1, x2, y2 = (float(edge) for edge in edges)
    return [Detection((x1, y1, x2, y2), 0.8, ((x1, y1), (x2, y1), (x2, y2), (x1, y2)))]


@pytest.mark.parametrize("box", [(300, 200, 340, 212), (300, 200, 500, 250), (300, 200, 360, 240)])
def test_a_box_that_cuts_its_plate_is_put_right(box):
    cut = (box[0] + 6, box[1] + 2, box[2], box[3])
    (closer,) = look_closer(lambda parts: [bright_box(part) for part in parts], [crop(cut, [box])])
    corners = [(box[x], box[y]) for x, y in ((0, 1), (2, 1), (2, 3), (0, 3))]
    assert np.allclose(closer.detection.box, box, atol=2)
    assert np.allclose(closer.detection.quad, corners, atol=2)


@pytest.mark.parametrize(("size", "wide"), [((40, 16), 100), ((200, 50), 100), ((60, 48), 50)])
def test_every_plate_is_seen_at_one_size(size, wide):
    box = (300, 200, 300 + size[0], 200 + size[1])
    seen = []
    look_closer(lambda parts: seen.extend(parts) or [[]], [crop(box, [box])])
    (part,) = seen
    x1, y1, x2, y2 = bright_box(part)[0].box
    assert (part.width, part.height) == (256, 192)
    assert x2 - x1 == pytest.approx(wide, abs=2)
    assert ((x1 + x2) / 2, (y1 + y2) / 2) == pytest.approx((128, 96), abs=1)


def test_the_surest_plate_in_the_same_place_counts():
    def find(_parts):
        elsewhere, here = (10.0, 10.0, 60.0, 40.0), (80.0, 76.0, 180.0, 116.0)
        return [[Detection(elsewhere, 0.9), Detection(here, 0.6), Detection(here, 0.5)]]

    (closer,) = look_closer(find, [crop()])
    assert closer.detection.confidence == 0.6
    assert np.allclose(closer.detection.box, (302, 200, 402, 240))


def test_what_is_no_plate_from_near_stays_away():
    assert look_closer(lambda parts: [[] for _ in parts], [crop(), crop((0, 0, 50, 20))]) == [None, None]


def test_the_pictures_edge_goes_on_beyond_it():
    seen = []
    look_closer(lambda parts: seen.extend(parts) or [[]], [crop((0, 0, 50, 20), [(0, 0, 10, 10)])])
    assert seen[0].planes.arrays[0][0, 0].tolist() == [220, 220, 220]


class ReadsByBox:
    """Reads a plate by its left edge."""

    def __init__(self, texts):
        self.texts, self.asked = texts, []

    def read(self, crops):
        self.asked.append([round(crop.detection.box[0]) for crop in crops])
        return [self.texts[left] for left in self.asked[-1]]


def near(parts):
    """Every plate lies 20 px farther right than it seemed."""
    return [[Detection((98.0, 76.0, 198.0, 116.0), 0.7)] for _ in parts]


DOUBTFUL, SURE, BETTER = make_read("AB1", 0.5), make_read("CD2", 0.95), make_read("AB12", 0.9)


def test_only_doubtful_plates_are_read_again_and_both_reads_count():
    inner = ReadsByBox({300: DOUBTFUL, 100: SURE, 320: BETTER})
    reader = CloserReader(inner, near, below=0.9)
    first, second = reader.read([crop(), crop((100, 200, 200, 240))])
    assert isinstance(reader, PlateReader)
    assert inner.asked == [[300, 100], [320]]
    assert (first.text, first.confidence) == ("AB12", pytest.approx(0.45))
    assert {candidate.text for candidate in first.candidates} == {"AB1", "AB12"}
    assert second is SURE


def test_a_plate_without_a_text_is_doubtful_however_sure():
    nothing = replace(make_read(""), confidence=0.99)
    reader = CloserReader(ReadsByBox({300: nothing, 320: BETTER}), near, below=0.9)
    assert reader.read([crop()]) == [BETTER]


def test_a_plate_that_is_not_found_again_keeps_its_read():
    reader = CloserReader(ReadsByBox({300: DOUBTFUL}), lambda parts: [[] for _ in parts], below=0.9)
    assert reader.read([crop()]) == [DOUBTFUL]


def test_nothing_to_read():
    assert CloserReader(ReadsByBox({}), near, below=0.9).read([]) == []
