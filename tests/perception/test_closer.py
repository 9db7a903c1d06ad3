import numpy as np
import pytest

from anpr_stream.perception.closer import look_closer
from anpr_stream.types import Detection, Frame, PixelFormat, Planes


def frame(plates=()):
    """800x600, dark; plates are bright boxes."""
    image = np.full((600, 800, 3), 20, np.uint8)
    for x1, y1, x2, y2 in plates:
        image[y1:y2, x1:x2] = 220
    return Frame("p", 0, 0.0, 0.0, 800, 600, Planes(PixelFormat.BGR, (image,)))


def bright_box(part):
    """What a perfect detector finds: the box around the bright pixels."""
    rows, columns = np.nonzero(part.planes.arrays[0][..., 0] > 120)
    edges = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
    x1, y1, x2, y2 = (float(edge) for edge in edges)
    return [Detection((x1, y1, x2, y2), 0.8, ((x1, y1), (x2, y1), (x2, y2), (x1, y2)))]


@pytest.mark.parametrize("box", [(300, 200, 340, 212), (300, 200, 500, 250), (300, 200, 360, 240)])
def test_a_box_that_cuts_its_plate_is_put_right(box):
    cut = Detection((box[0] + 6.0, box[1] + 2.0, float(box[2]), float(box[3])), 0.9)
    (closer,) = look_closer(lambda parts: [bright_box(part) for part in parts], frame([box]), [cut])
    assert np.allclose(closer.box, box, atol=2)
    assert np.allclose(closer.quad, [(box[x], box[y]) for x, y in ((0, 1), (2, 1), (2, 3), (0, 3))], atol=2)


@pytest.mark.parametrize(("size", "wide"), [((40, 16), 100), ((200, 50), 100), ((60, 48), 50)])
def test_every_plate_is_seen_at_one_size(size, wide):
    box = (300, 200, 300 + size[0], 200 + size[1])
    seen = []
    look_closer(lambda parts: seen.extend(parts) or [[]], frame([box]), [Detection(box, 0.9)])
    (part,) = seen
    x1, y1, x2, y2 = bright_box(part)[0].box
    assert (part.width, part.height) == (256, 192)
    assert x2 - x1 == pytest.approx(wide, abs=2)
    assert ((x1 + x2) / 2, (y1 + y2) / 2) == pytest.approx((128, 96), abs=1)


def test_the_surest_plate_in_the_same_place_counts():
    def find(_parts):
        elsewhere, here = (10.0, 10.0, 60.0, 40.0), (80.0, 76.0, 180.0, 116.0)
        return [[Detection(elsewhere, 0.9), Detection(here, 0.6), Detection(here, 0.5)]]

    (closer,) = look_closer(find, frame(), [Detection((300.0, 200.0, 400.0, 240.0), 0.9)])
    assert closer.confidence == 0.6
    assert np.allclose(closer.box, (302, 200, 402, 240))


def test_what_is_no_plate_from_near_stays_away():
    plates = [Detection((300.0, 200.0, 400.0, 240.0), 0.9), Detection((0.0, 0.0, 50.0, 20.0), 0.5)]
    assert look_closer(lambda parts: [[] for _ in parts], frame(), plates) == [None, None]


def test_the_pictures_edge_goes_on_beyond_it():
    seen = []
    at_edge = Detection((0.0, 0.0, 50.0, 20.0), 0.9)
    look_closer(lambda parts: seen.extend(parts) or [[]], frame([(0, 0, 10, 10)]), [at_edge])
    assert seen[0].planes.arrays[0][0, 0].tolist() == [220, 220, 220]
