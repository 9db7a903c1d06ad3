import numpy as np
import pytest

from anpr_stream.vision.geometry import quad_bounds
from anpr_stream.vision.slant import Slant, measure_slant, slanted_quad
from tests.vision.plates import slanted_plate


def box_of(image, quad):
    x1, y1, x2, y2 = (round(float(edge)) for edge in quad_bounds(quad))
    return image[y1:y2, x1:x2]


@pytest.mark.parametrize("size", [(200, 50), (120, 60), (40, 10), (64, 16)])
@pytest.mark.parametrize(
    ("slope", "lean"), [(0.0, 0.0), (0.15, 0.0), (-0.2, 0.0), (0.0, 0.3), (0.2, -0.2), (-0.1, 0.3)]
)
def test_slope_and_lean_are_told(slope, lean, size):
    slant = measure_slant(box_of(*slanted_plate(slope, lean, size)))
    assert slant.slope == pytest.approx(slope, abs=0.051)
    assert slant.lean == pytest.approx(lean, abs=0.151)


def test_what_has_no_edges_lies_straight():
    assert measure_slant(np.full((20, 80), 90, np.uint8)) == Slant(0.0, 0.0)


@pytest.mark.parametrize(("slope", "lean"), [(0.0, 0.0), (0.3, 0.0), (-0.2, 0.4), (0.1, -0.3)])
def test_corners_follow_from_box_and_slant(slope, lean):
    _, quad = slanted_plate(slope, lean)
    found = slanted_quad(quad_bounds(quad.tolist()), Slant(slope, lean))
    assert np.array(found) == pytest.approx(quad, abs=0.01)


@pytest.mark.parametrize("slant", [Slant(0.4, 0.0), Slant(0.0, 4.0), Slant(2.0, 0.6)])
def test_a_box_too_flat_for_its_slant_holds_no_plate(slant):
    assert slanted_quad((0.0, 0.0, 100.0, 30.0), slant) is None
