import json

import numpy as np
import pytest

from tests.tools.street import write_streets
from tools import kmeans_anchors
from tools.training.detector_data import DataError


def sizes_around(*centres, count=40):
    random = np.random.default_rng(3)
    return np.concatenate([np.array(centre) * random.uniform(0.95, 1.05, (count, 2)) for centre in centres])


def test_iou_of_shapes_ignores_where_they_are():
    overlap = kmeans_anchors.shape_iou(
        np.array([[10.0, 4.0]]), np.array([[10.0, 4.0], [5.0, 4.0], [20.0, 8.0]])
    )
    assert overlap[0] == pytest.approx([1.0, 0.5, 0.25])


def test_three_kinds_of_plates_give_three_anchors_smallest_first():
    found = kmeans_anchors.cluster(sizes_around((200, 40), (20, 10), (60, 60)), 3)
    assert found.anchors == pytest.approx(np.array([[20, 10], [60, 60], [200, 40]]), rel=0.03)
    assert found.mean_iou > 0.93
    assert np.bincount(found.labels).tolist() == [40, 40, 40]


def test_the_same_seed_gives_the_same_anchors():
    sizes = sizes_around((30, 10), (50, 20))
    assert (kmeans_anchors.cluster(sizes, 4, 1).anchors == kmeans_anchors.cluster(sizes, 4, 1).anchors).all()


def test_fewer_plates_than_anchors_is_refused():
    with pytest.raises(DataError, match="2 plates are too few for 3 anchors"):
        kmeans_anchors.cluster(np.ones((2, 2)), 3)


def test_plates_are_measured_in_the_letterboxed_input(tmp_path):
    sizes = kmeans_anchors.plate_sizes(write_streets(tmp_path), "train", 256, 96)
    assert sizes == pytest.approx(np.array([[48.0, 16.0]] * 4))


def test_the_command_prints_anchors_and_draws_them(tmp_path, capsys):
    data, plot = write_streets(tmp_path / "data"), tmp_path / "anchors.png"
    assert kmeans_anchors.main(["--data", str(data), "--count", "3", "--plot", str(plot)]) == 0
    heads = json.loads(capsys.readouterr().out.splitlines()[0])
    assert [len(head) for head in heads] == [1, 1, 1]
    assert plot.stat().st_size > 1000


def test_the_command_says_what_is_wrong_with_the_data(tmp_path, capsys):
    assert kmeans_anchors.main(["--data", str(tmp_path)]) == 2
    assert "no */labels.jsonl" in capsys.readouterr().err
