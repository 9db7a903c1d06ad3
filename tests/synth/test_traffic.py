import itertools

import cv2
import numpy as np
import pytest

from anpr_stream.synth.traffic import paint_road, traffic_clip

SIZE = (640, 360)


@pytest.fixture(scope="module")
def clip():
    return list(traffic_clip(5, SIZE, fps=10, seconds=6, vehicles=4))


def test_length_and_shape(clip):
    assert len(clip) == 60
    assert {frame.shape for frame, _ in clip} == {(360, 640, 3)}


def test_every_vehicle_is_seen_with_one_text(clip):
    texts = {}
    for _, plates in clip:
        for plate in plates:
            texts.setdefault(plate.track_id, set()).add(plate.text)
    assert sorted(texts) == [1, 2, 3, 4]
    assert all(len(seen) == 1 for seen in texts.values())


def test_plates_are_inside_and_boxes_hold_their_corners(clip):
    for _, plates in clip:
        for plate in plates:
            corners = np.array(plate.quad)
            assert np.allclose([*corners.min(axis=0), *corners.max(axis=0)], plate.box)
            assert corners.min() >= 0
            assert (corners.max(axis=0) < SIZE).all()
            assert sum(plate.line_lengths) == len(plate.text)


def test_the_same_seed_gives_the_same_clip(clip):
    again = list(traffic_clip(5, SIZE, fps=10, seconds=6, vehicles=4))
    assert all(
        np.array_equal(one[0], two[0]) and one[1] == two[1] for one, two in zip(clip, again, strict=True)
    )
    other = next(traffic_clip(6, SIZE, fps=10, seconds=6, vehicles=4))
    assert not np.array_equal(other[0], clip[0][0])


def test_oncoming_cars_grow_and_leaving_cars_shrink(clip):
    heights = {}
    for _, plates in clip:
        for plate in plates:
            heights.setdefault(plate.track_id, []).append(plate.height_px)
    assert heights[1][-1] > 1.5 * heights[1][0]
    assert heights[2][-1] < heights[2][0] / 1.5


def test_corners_lie_on_the_plate(clip):
    """A rectified plate is brighter and busier inside than the sheet just outside its corners."""
    frame, plates = max(
        ((frame, plate) for frame, plates in clip for plate in plates), key=lambda pair: pair[1].height_px
    )
    corners = np.array(plates.quad, np.float32)
    wide = np.array([[20, 20], [220, 20], [220, 80], [20, 80]], np.float32)
    view = cv2.warpPerspective(frame, cv2.getPerspectiveTransform(corners, wide), (240, 100))
    contrast = cv2.cvtColor(view, cv2.COLOR_BGR2GRAY).std(axis=0)
    assert contrast[30:210].mean() > 25


def test_a_car_in_front_hides_the_plate_behind(clip):
    for _, plates in clip:
        ordered = sorted(plates, key=lambda plate: plate.box[3])
        for far, near in itertools.pairwise(ordered):
            area, _ = cv2.intersectConvexConvex(np.float32(far.quad), np.float32(near.quad))
            assert area == 0


def test_another_background_and_country():
    picture = np.full((360, 640, 3), 90, np.uint8)
    clip = list(traffic_clip(1, SIZE, fps=5, seconds=4, vehicles=1, formats=["cn"], background=picture))
    assert {plate.country for _, plates in clip for plate in plates} == {"cn"}
    assert abs(float(clip[0][0][:20].mean()) - 90) < 2


def test_no_vehicle_leaves_the_road_empty():
    clip = list(traffic_clip(1, SIZE, fps=5, seconds=1, vehicles=0))
    assert [plates for _, plates in clip] == [[]] * 5


def test_the_road_is_painted_to_size():
    assert paint_road(np.random.default_rng(1), (321, 201)).shape == (201, 321, 3)
