import cv2
import numpy as np
import pytest

from anpr_stream.plates.formats import FormatSet, load_formats
from anpr_stream.synth.artwork import SIZE, without_serial
from anpr_stream.synth.faces import Artwork, pick_shape, render_face
from anpr_stream.synth.plates import CANVAS, SCENE, random_view, render_plate

FORMATS = {plate_format.name: plate_format for plate_format in load_formats().formats}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_renders_a_text_of_its_own(name):
    plate = render_plate(np.random.default_rng(1), FORMATS[name])
    assert FormatSet((FORMATS[name],)).match(plate.text)
    assert plate.image.shape == (CANVAS[1], CANVAS[0], 3)
    assert plate.country == name.split(".")[0]
    assert sum(plate.line_lengths) == len(plate.text)


def test_corners_stay_inside_the_picture():
    for seed in range(60):
        corners = np.array(render_plate(np.random.default_rng(seed), FORMATS["de.standard"]).quad)
        assert (corners >= 0).all()
        assert (corners <= CANVAS).all()


def test_the_same_seed_gives_the_same_plate():
    one, two, other = (
        render_plate(np.random.default_rng(seed), FORMATS["in.standard"]) for seed in (4, 4, 5)
    )
    assert np.array_equal(one.image, two.image)
    assert (one.text, one.quad) == (two.text, two.quad)
    assert not np.array_equal(one.image, other.image)


@pytest.mark.parametrize(("lines", "lengths"), [(1, 1), (2, 2)])
def test_the_number_of_lines_can_be_asked_for(lines, lengths):
    plates = [render_plate(np.random.default_rng(s), FORMATS["vn.car"], lines) for s in range(8)]
    assert {len(plate.line_lengths) for plate in plates} == {lengths}


def test_line_lengths_cut_the_text_where_it_is_printed():
    plate = render_plate(np.random.default_rng(2), FORMATS["ro.county"], lines=2)
    assert plate.text[plate.line_lengths[0] :].isalpha()
    assert len(plate.text[plate.line_lengths[0] :]) == 3


def test_corners_are_exact():
    """The sheet fills the quad: a white plate on black, seen from the side, ends where the corners say."""
    rng = np.random.default_rng(9)
    corners = np.array([[60.0, 40.0], [190.0, 40.0], [190.0, 90.0], [60.0, 90.0]])
    scene = np.zeros((SCENE[1], SCENE[0]), np.uint8)
    scene[40:90, 60:190] = 255
    matrix = random_view(rng, corners, 4.7)
    quad = cv2.perspectiveTransform(corners[None], matrix)[0]
    seen = cv2.warpPerspective(scene, matrix, CANVAS)
    drawn = cv2.fillConvexPoly(np.zeros_like(seen), np.rint(quad * 16).astype(np.int32), 255, cv2.LINE_AA, 4)
    assert np.mean(np.abs(seen.astype(int) - drawn) > 128) < 0.02


def test_the_text_stands_inside_the_plate():
    """Dark ink lies within the rectified quad, away from its edges."""
    face = render_face(np.random.default_rng(3), FORMATS["my.standard"], (320, 68), lines=1)
    grey = cv2.cvtColor(face.image, cv2.COLOR_BGR2GRAY)
    assert grey[15:53, 20:300].std() > 40
    assert face.image.shape == (68, 320, 3)
    assert face.aspect == pytest.approx(520 / 110)


def test_longer_numbers_are_drawn_more_often():
    rng = np.random.default_rng(0)
    lengths = [pick_shape(rng, FORMATS["de.standard"], 1).length for _ in range(300)]
    assert np.mean(lengths) > 5.5


def test_artwork_replaces_the_sheet():
    sheet = Artwork(np.full((120, 240, 3), (0, 200, 0), np.uint8), (20, 20, 20))
    face = render_face(np.random.default_rng(1), FORMATS["us.california"], (240, 120), artwork=sheet)
    blue, green, red = np.median(face.image.reshape(-1, 3), axis=0)
    assert green > blue + 60
    assert green > red + 60


def test_surroundings_lie_behind():
    behind = [np.full((SCENE[1], SCENE[0], 3), (200, 0, 200), np.uint8)]
    views = [
        render_plate(np.random.default_rng(s), FORMATS["tw.private_2012"], None, None, behind)
        for s in range(12)
    ]
    edges = [view.image[:3].reshape(-1, 3).mean(axis=0) for view in views]
    assert any(edge[0] > edge[1] + 60 for edge in edges)


def test_a_serial_is_painted_over_and_its_colour_kept():
    picture = np.full((SIZE[1], SIZE[0], 3), (230, 225, 220), np.uint8)
    cv2.putText(picture, "ABC 123", (20, 80), cv2.FONT_HERSHEY_SIMPLEX, 1.6, (130, 30, 30), 6)
    artwork = without_serial(picture)
    assert artwork.image[40:90].min() > 170
    assert np.abs(np.array(artwork.ink) - (130, 30, 30)).max() < 60
