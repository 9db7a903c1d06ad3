import numpy as np
import pytest

from anpr_stream.perception.closer import look_closer, window_around
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


def bright_box(frame, window):
    """What a perfect detector finds: the box around the bright pixels of the window."""
    left, top = max(0, round(window.x)), max(0, round(window.y))
    right, bottom = (round(edge) for edge in window.part[2:])
    rows, columns = np.nonzero(frame.planes.arrays[0][top:bottom, left:right, 0] > 120)
    edges = columns.min() + left, rows.min() + top, columns.max() + 1 + left, rows.max() + 1 + top
    x1, y1, x2, y2 = (float(edge) for edge in edges)
    return [Detection((x1, y1, x2, y2), 0.8)]


@pytest.mark.parametrize("box", [(300, 200, 340, 212), (300, 200, 500, 250), (300, 200, 360, 240)])
def test_a_box_that_cuts_its_plate_is_put_right(box):
    cut = crop((box[0] + 6, box[1] + 2, box[2], box[3]), [box])
    closer = look_closer(bright_box, cut)
    assert closer.detection.box == box
    assert closer.frame is cut.frame


@pytest.mark.parametrize(("size", "wide"), [((40, 16), 100), ((200, 50), 100), ((60, 48), 50)])
def test_every_plate_is_seen_at_one_size(size, wide):
    x, y = 300, 200
    window = window_around((x, y, x + size[0], y + size[1]))
    left, top, right, bottom = window.part
    assert (window.width, window.height) == (256, 192)
    assert (right - left) * window.scale == pytest.approx(256)
    assert size[0] * window.scale == pytest.approx(wide)
    assert ((left + right) / 2, (top + bottom) / 2) == pytest.approx((x + size[0] / 2, y + size[1] / 2))


def test_the_surest_plate_in_the_same_place_counts():
    elsewhere, here = (100.0, 100.0, 200.0, 140.0), (302.0, 200.0, 402.0, 240.0)
    found = [Detection(elsewhere, 0.9), Detection(here, 0.6), Detection(here, 0.5)]
    closer = look_closer(lambda frame, window: found, crop())
    assert closer.detection == Detection(here, 0.6)


def test_what_is_no_plate_from_near_stays_away():
    assert look_closer(lambda frame, window: [], crop()) is None
