import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from tools.evaluation.passes import LabelledPlate, labelled_plates, make_pass, most_frequent

BOX = [60, 50, 180, 80]


def picture() -> np.ndarray:
    scene = np.full((120, 240, 3), 60, np.uint8)
    scene[50:80, 60:180] = 240
    cv2.putText(scene, "AB1234", (68, 74), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (0, 0, 0), 2)
    return scene


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "some_scenes"
    folder.mkdir()
    cv2.imwrite(str(folder / "a.png"), picture())
    plate = {"box": BOX, "text": "AB1234"}
    head = {"image": "a.png", "width": 240, "height": 120, "kind": "scene", "split": "val"}
    lines = [
        {**head, "plates": [plate, {**plate, "text": None}]},
        {**head, "plates": [{**plate, "label": "machine"}]},
        {**head, "split": "test", "plates": [plate]},
        {**head, "kind": "design", "plates": [plate]},
        {"video": "a.mp4", "visits": []},
    ]
    (folder / "labels.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return tmp_path


def test_only_plates_that_a_person_read_of_the_split_are_taken(data: Path) -> None:
    (plate,) = labelled_plates(data, "val", limit=9)
    assert (plate.text, plate.box) == ("AB1234", (60.0, 50.0, 180.0, 80.0))
    assert plate.picture.shape == (120, 240, 3)


def test_the_limit_is_for_each_set(data: Path) -> None:
    assert list(labelled_plates(data, "val", limit=0)) == []


def test_a_pass_grows_and_is_the_same_for_the_same_seed() -> None:
    plate = LabelledPlate(picture(), (60.0, 50.0, 180.0, 80.0), "AB1234")
    one, other = (make_pass(plate, 8, np.random.default_rng(5)) for _ in range(2))
    heights = [crop.quality.height_px for crop in one]
    assert heights[-1] > 1.5 * heights[0]
    assert all(np.array_equal(a.image, b.image) for a, b in zip(one, other, strict=True))
    assert all(crop.image.size for crop in one)


def test_some_looks_are_cut_by_the_edge_and_say_so() -> None:
    plate = LabelledPlate(picture(), (60.0, 50.0, 180.0, 80.0), "AB1234")
    rng = np.random.default_rng(1)
    cut = [crop.quality.truncated for _ in range(30) for crop in make_pass(plate, 5, rng)]
    assert 0.01 < np.mean(cut) < 0.2


def test_the_plate_is_where_its_detection_says() -> None:
    plate = LabelledPlate(picture(), (60.0, 50.0, 180.0, 80.0), "AB1234")
    (crop,) = make_pass(plate, 1, np.random.default_rng(3))
    x1, y1, x2, y2 = (round(edge) for edge in crop.detection.box)
    frame = crop.frame.planes.arrays[0]
    assert frame[y1:y2, x1:x2].mean() > 1.5 * frame.mean()


@pytest.mark.parametrize(
    ("texts", "expected"), [(["A", "B", "B"], "B"), (["A", "B"], "A"), (["", "", "A"], ""), ([], "")]
)
def test_most_frequent(texts: list[str], expected: str) -> None:
    assert most_frequent(texts) == expected
