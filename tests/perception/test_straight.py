import numpy as np
import pytest

from anpr_stream.perception.straight import straighten, surer
from anpr_stream.testing import make_read
from anpr_stream.types import Detection, Frame, PixelFormat, Planes
from anpr_stream.vision.crops import cut_crop
from anpr_stream.vision.geometry import quad_bounds
from tests.vision.plates import slanted_plate


def crop(slope, lean):
    """A plate in a frame, as a perfect detector finds it."""
    image, quad = slanted_plate(slope, lean)
    height, width = image.shape
    frame = Frame("p", 0, 0.0, 0.0, width, height, Planes(PixelFormat.GRAY8, (image,)))
    return cut_crop(frame, Detection(quad_bounds(quad), 0.9)), quad


@pytest.mark.parametrize(("slope", "lean"), [(0.2, 0.0), (-0.25, 0.2), (0.0, 0.4)])
def test_a_slanted_plate_gets_its_corners(slope, lean):
    slanted, quad = crop(slope, lean)
    straight = straighten(slanted)
    assert np.abs(np.array(straight.detection.quad) - quad).max() < 8
    assert (straight.detection.box, straight.frame) == (slanted.detection.box, slanted.frame)


def test_an_upright_plate_needs_nothing():
    assert straighten(crop(0.0, 0.0)[0]) is None


def test_the_surer_read_counts():
    weak, strong = make_read("AB1", 0.5), make_read("AB12", 0.8)
    assert surer(weak, strong) is strong
    assert surer(strong, weak) is strong
