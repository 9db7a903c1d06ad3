import json

import cv2
import numpy as np
import pytest

from tools.render_scenes import main


@pytest.fixture
def empty_pictures(tmp_path):
    folder = tmp_path / "negatives"
    (folder / "images").mkdir(parents=True)
    lines = []
    for name, split, plates in (
        ("a", "train", []),
        ("b", "val", []),
        ("c", "train", [{"box": [1, 1, 9, 9]}]),
    ):
        cv2.imwrite(str(folder / f"images/{name}.png"), np.full((240, 320, 3), ord(name), np.uint8))
        line = {"image": f"images/{name}.png", "split": split, "complete": True, "plates": plates}
        lines.append(json.dumps(line))
    (folder / "labels.jsonl").write_text("\n".join(lines))
    return folder


def render(pictures, out, *more):
    line = ["--count", "5", "--seed", "2", "--formats", "tw", "--pictures", str(pictures), "--out", str(out)]
    main([*line, *more])
    return [json.loads(line) for line in (out / "labels.jsonl").read_text().splitlines()]


def test_the_set_has_the_form_of_all_sets(empty_pictures, tmp_path):
    records = render(empty_pictures, tmp_path / "set")
    assert len(records) == 5
    for record in records:
        picture = cv2.imread(str(tmp_path / "set" / record["image"]))
        assert picture.shape == (record["height"], record["width"], 3)
        assert record["split"] == "train"
        assert record["complete"]
        for plate in record["plates"]:
            assert plate["country"] == "tw"
            x1, y1, x2, y2 = plate["box"]
            assert 0 <= x1 < x2 <= 320
            assert 0 <= y1 < y2 <= 240
    assert any(record["plates"] for record in records)


def test_workers_change_nothing(empty_pictures, tmp_path):
    one = render(empty_pictures, tmp_path / "one")
    assert one == render(empty_pictures, tmp_path / "two", "--workers", "2")


def test_without_an_empty_picture_it_says_so(empty_pictures, tmp_path, capsys):
    (empty_pictures / "labels.jsonl").write_text("")
    line = ["--count", "5", "--seed", "2", "--pictures", str(empty_pictures), "--out", str(tmp_path / "set")]
    assert main(line) == 2
    assert "render_scenes: no training picture without a plate" in capsys.readouterr().err
