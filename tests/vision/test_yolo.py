import numpy as np
import pytest

from anpr_stream.vision.contract import DetectorContract
from anpr_stream.vision.yolo import MAX_PLATES, RawPlates, decode, join_parts, merge, suppress
from tests.networks import ANCHORS

anchors = tuple(tuple((float(w), float(h)) for w, h in head) for head in ANCHORS)


def contract(corners=True):
    return DetectorContract("d", "1", "images", 128, 96, (8, 16, 32), anchors, corners)


def empty_heads(count=1, corners=True):
    values = 13 if corners else 5
    return [np.full((count, 3 * values, 96 // s, 128 // s), -9, np.float32) for s in (8, 16, 32)]


def put(heads, level, anchor, row, column, values, picture=0):
    size = len(values)
    heads[level][picture, anchor * size : (anchor + 1) * size, row, column] = values


CORNERS = [-0.5, -0.5, 0.5, -0.4, 0.5, 0.5, -0.5, 0.4]


def test_zeros_are_the_middle_of_the_cell_and_the_anchor_itself():
    heads = empty_heads()
    put(heads, 1, 1, 2, 3, [0, 0, 0, 0, 2, *CORNERS])
    plates = decode(heads, contract(), 0.5)
    x, y, width, height = 3.5 * 16, 2.5 * 16, 56, 34
    assert plates.boxes.tolist() == [[x - 28, y - 17, x + 28, y + 17]]
    assert plates.scores[0] == pytest.approx(1 / (1 + np.exp(-2)))
    assert np.allclose(plates.corners[0, 1], [x + 0.5 * width, y - 0.4 * height])


def test_bounded_form():
    heads = empty_heads()
    put(heads, 0, 0, 0, 0, [50, -50, 50, -50, 5, *CORNERS])
    box = decode(heads, contract(), 0.5).boxes[0]
    assert np.allclose((box[0] + box[2]) / 2, 1.5 * 8)
    assert np.allclose((box[1] + box[3]) / 2, -0.5 * 8)
    assert np.allclose(box[2] - box[0], 4 * 12)
    assert np.allclose(box[3] - box[1], 0, atol=1e-5)


def test_threshold_is_a_confidence_and_included():
    heads = empty_heads()
    put(heads, 0, 2, 1, 1, [0, 0, 0, 0, 0.0, *CORNERS])
    assert len(decode(heads, contract(), 0.5).scores) == 1
    assert len(decode(heads, contract(), 0.51).scores) == 0


def test_every_anchor_against_one_computed_by_hand():
    rng = np.random.default_rng(0)
    heads = [rng.normal(0, 1, head.shape).astype(np.float32) for head in empty_heads(2)]
    plates = decode(heads, contract(), 0.6)
    found = {(int(b), *np.round(box, 2)) for b, box in zip(plates.batch, plates.boxes, strict=True)}
    expected = set()
    for level, stride in enumerate((8, 16, 32)):
        grid = heads[level].reshape(2, 3, 13, *heads[level].shape[2:])
        for picture, anchor, row, column in np.ndindex(2, 3, *grid.shape[3:]):
            tx, ty, tw, th, objectness = grid[picture, anchor, :5, row, column].astype(float)
            if objectness < np.log(0.6 / 0.4):
                continue
            sigmoid = lambda v: 1 / (1 + np.exp(-v))  # noqa: E731
            x, y = (sigmoid(tx) * 2 - 0.5 + column) * stride, (sigmoid(ty) * 2 - 0.5 + row) * stride
            w, h = (
                side * (2 * sigmoid(t)) ** 2 for side, t in zip(anchors[level][anchor], (tw, th), strict=True)
            )
            box = np.round(np.float32([x - w / 2, y - h / 2, x + w / 2, y + h / 2]), 2)
            expected.add((picture, *box))
    assert len(expected) > 20
    assert len(found) == len(expected)
    assert np.allclose(sorted(found), sorted(expected), atol=0.02)


def test_without_corners():
    heads = empty_heads(corners=False)
    put(heads, 2, 0, 1, 1, [0, 0, 0, 0, 3])
    plates = decode(heads, contract(corners=False), 0.5)
    assert plates.corners is None
    assert suppress(plates, 0.5, 0.8).corners is None


def test_nothing_found():
    plates = suppress(decode(empty_heads(), contract(), 0.3), 0.45, 0.8)
    assert plates.boxes.shape == (0, 4)
    assert plates.corners.shape == (0, 4, 2)


def test_wrong_number_of_channels_is_named():
    with pytest.raises(ValueError, match="stride 8: expected 15 channels, got 39"):
        decode(empty_heads(corners=True), contract(corners=False), 0.5)


def raw(rows, scores, batch=None):
    batch = np.zeros(len(rows), int) if batch is None else np.array(batch)
    return RawPlates(batch, np.array(rows, np.float32), np.array(scores, np.float32), None)


@pytest.mark.parametrize(
    ("rows", "scores", "kept"),
    [
        ([[0, 0, 10, 5], [1, 0, 11, 5]], [0.6, 0.9], [0.9]),
        ([[0, 0, 10, 5], [8, 0, 18, 5]], [0.6, 0.9], [0.9, 0.6]),
        ([[0, 0, 40, 20], [5, 5, 15, 10]], [0.9, 0.6], [0.9]),
        ([[0, 0, 40, 20], [5, 5, 15, 10]], [0.6, 0.9], [0.9]),
        ([[0, 0, 10, 5], [4, 0, 14, 5], [8, 0, 18, 5]], [0.9, 0.8, 0.7], [0.9, 0.7]),
    ],
    ids=["double", "neighbours", "half inside whole", "whole around a better half", "chain"],
)
def test_suppression(rows, scores, kept):
    assert suppress(raw(rows, scores), 0.3, 0.8).scores.tolist() == pytest.approx(kept)


def test_pictures_do_not_suppress_each_other():
    rows = [[0, 0, 10, 5], [0, 0, 10, 5]]
    assert suppress(raw(rows, [0.9, 0.8], [0, 1]), 0.3, 0.8).batch.tolist() == [0, 1]


def test_noise_is_bounded():
    count = 3 * MAX_PLATES
    rows = [[i * 20, 0, i * 20 + 10, 5] for i in range(count)]
    assert len(suppress(raw(rows, np.linspace(0, 1, count)), 0.3, 0.8).scores) == MAX_PLATES


LEFT, RIGHT = [10, 10, 80, 30], [50, 11, 120, 31]


def test_two_parts_of_one_wide_plate_become_one_box():
    quads = np.arange(16, dtype=np.float32).reshape(2, 4, 2)
    plates = RawPlates(np.zeros(2, int), np.float32([RIGHT, LEFT]), np.float32([0.6, 0.5]), quads)
    joined = join_parts(plates)
    assert joined.boxes.tolist() == [[10, 10, 120, 31]]
    assert joined.scores.tolist() == [np.float32(0.6)]
    right, left = quads
    assert joined.corners.tolist() == [
        [left[0].tolist(), right[1].tolist(), right[2].tolist(), left[3].tolist()]
    ]


def test_three_boxes_in_a_row_lose_one_at_a_time():
    row = raw([[0, 0, 60, 20], [40, 0, 100, 20], [80, 0, 140, 20]], [0.9, 0.8, 0.7])
    assert join_parts(row).boxes.tolist() == [[0, 0, 100, 20], [80, 0, 140, 20]]


@pytest.mark.parametrize(
    ("other", "score", "picture"),
    [
        ([90, 10, 160, 30], 0.9, 0),
        ([50, 20, 120, 40], 0.9, 0),
        ([50, 10, 120, 42], 0.9, 0),
        (RIGHT, 0.5, 0),
        (RIGHT, 0.9, 1),
    ],
    ids=["beside it", "on another line", "higher", "far less sure", "in another picture"],
)
def test_other_pairs_stay_two_plates(other, score, picture):
    plates = raw([LEFT, other], [0.9, score], [0, picture])
    assert join_parts(plates).boxes.tolist() == [LEFT, other]


def test_boxes_without_area_are_no_plates_of_two_looks():
    looks = [raw([[5, 5, 5, 9]], [0.9]), raw([[7, 7, 9, 7]], [0.8])]
    assert len(merge(looks, 0.45, 0.8).scores) == 0
    assert merge([*looks, raw([LEFT], [0.5])], 0.45, 0.8).boxes.tolist() == [LEFT]


def test_a_single_box_stays():
    assert join_parts(raw([LEFT], [0.9])).boxes.tolist() == [LEFT]
    assert len(join_parts(raw(np.zeros((0, 4)), [])).boxes) == 0
