"""A real, tiny training from pictures on disk to a checkpoint."""

import csv
import json

import cv2
import numpy as np
import pytest
import torch

from tests.tools.street import label, write_streets
from tools import pack_data, train_detector
from tools.training import detector_task
from tools.training.detector import CONFIGS, CPU, DetectorConfig, YoloV3
from tools.training.detector_augment import Augmenter, Recipe
from tools.training.detector_data import DataError, Scenes, load_scenes, read_labels
from tools.training.detector_task import DetectorStream, collate, find_plates, letterboxed, truth_of
from tools.training.hard_scenes import weighed
from tools.training.loop import TrainingError

TINY = DetectorConfig("tiny", (8, 8, 8, 8, 8), (1, 1, 1, 1), 1, CPU.anchors)


@pytest.fixture
def tiny(monkeypatch):
    monkeypatch.setitem(CONFIGS, "tiny", TINY)
    monkeypatch.setattr(detector_task, "TRAINING_SIZES", ((128, 96),))
    monkeypatch.setattr(detector_task, "WHOLE_SIZES", ((160, 96),))
    monkeypatch.setattr(detector_task, "INPUT_SIZE", (128, 96))


def arguments(data, out, *more):
    fixed = ["--name", "tiny", "--batch", "2", "--workers", "0", "--threads", "1", "--validate-samples", "4"]
    return ["--data", str(data), "--out", str(out), "--minutes", "0.02", *fixed, *more]


def test_a_tiny_training_learns_saves_and_goes_on(tiny, tmp_path):
    data, out = write_streets(tmp_path / "data"), tmp_path / "run"
    assert train_detector.main(arguments(data, out)) == 0
    state = torch.load(out / "last.pt", weights_only=True)
    assert state["description"]["kind"] == "detector"
    assert state["description"]["network"]["anchors"] == TINY.anchors
    rows = list(csv.DictReader((out / "curves.csv").read_text().splitlines()))
    assert {"score", "ap50_95", "recall", "box", "object", "corner"} <= set(rows[0])
    assert (out / "curves.png").exists()
    samples = state["progress"]["samples"]
    assert train_detector.main(arguments(data, out, "--resume", str(out / "last.pt"))) == 0
    assert torch.load(out / "last.pt", weights_only=True)["progress"]["samples"] > samples


def test_a_training_goes_on_from_other_weights_with_the_scenes_they_see_badly(tiny, tmp_path, monkeypatch):
    data, out = write_streets(tmp_path / "data"), tmp_path / "run"
    assert train_detector.main(arguments(data, out)) == 0
    weights = []
    monkeypatch.setattr(train_detector, "weighed", lambda *args: weights.append(weighed(*args)) or weights[0])
    more = ["--pretrained", str(out / "last.pt"), "--hard", "4"]
    assert train_detector.main(arguments(data, tmp_path / "more", *more)) == 0
    assert len(weights[0]) == 5
    assert max(scene.weight for scene in weights[0]) > 1


def test_a_resumed_training_weighs_by_what_the_resumed_network_sees(tiny, tmp_path, monkeypatch):
    data, out = write_streets(tmp_path / "data"), tmp_path / "run"
    assert train_detector.main(arguments(data, out)) == 0
    looked = []

    def look(model, *_):
        looked.append(model)
        raise TrainingError("enough seen")

    monkeypatch.setattr(train_detector, "find_plates", look)
    assert train_detector.main(arguments(data, out, "--resume", str(out / "last.pt"), "--hard", "4")) == 2
    kept = torch.load(out / "last.pt", weights_only=True)["ema"]
    assert all(torch.equal(value, kept[name]) for name, value in looked[0].state_dict().items())


def test_data_without_a_train_split_end_in_one_line(tiny, tmp_path, capsys):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "labels.jsonl").write_text("")
    assert train_detector.main(arguments(tmp_path, tmp_path / "run")) == 2
    assert capsys.readouterr().err.startswith("train_detector: ")


def test_splits_negatives_and_single_plates_are_told_apart(tmp_path):
    data = write_streets(tmp_path)
    train = load_scenes(data, "train", crops=True)
    assert [len(scene.boxes) for scene in train.scenes] == [0, 1, 1, 1, 1]
    assert [crop.shape for crop in train.crops] == [(16, 48, 3)]
    assert len(load_scenes(data, "val").scenes) == 3
    assert load_scenes(data, "test").crops == []


def test_an_unreadable_picture_is_named(tmp_path):
    data = write_streets(tmp_path)
    (data / "streets" / "images" / "s0.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"s0\.png: not a readable picture"):
        load_scenes(data, "train")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"{no json", "Expecting property name"),
        (b'{"image": "a.png"}', "width: Field required"),
        (json.dumps(label("a.png", "dev")).encode(), "split: Input should be 'train', 'val' or 'test'"),
        (
            json.dumps(label("a.png", "val")).replace("78.0", "30.0").encode(),
            r"plates\.0\.box: .* has no area",
        ),
        (b'{"image": "\xe4.png"}', "not UTF-8 "),
    ],
)
def test_labels_that_cannot_be_used_are_named_with_their_line(tmp_path, text, reason):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "labels.jsonl").write_bytes(b'\xef\xbb\xbf{"video": "clip.mp4"}\r\n\r\n' + text)
    with pytest.raises(DataError, match=rf"labels\.jsonl(:3)?: .*{reason}"):
        list(read_labels(tmp_path))


def test_a_single_picture_without_a_plate_in_it_is_left_out(tmp_path):
    data = write_streets(tmp_path)
    outside = {"box": [300, 300, 340, 320]}
    lines = [label("images/c0.png", "train", kind="crop", plates=plates) for plates in ([], [outside])]
    (data / "crops" / "labels.jsonl").write_text("\n".join(map(json.dumps, lines)))
    assert load_scenes(data, "train", crops=True).crops == []


def test_plates_of_a_readers_pack_are_pasted_without_their_margins_in_their_own_shape(tmp_path):
    data = write_streets(tmp_path / "data")
    wide = np.full((300, 1200, 3), 30, np.uint8)
    wide[100:200, 300:900] = 220
    assert cv2.imwrite(str(data / "crops" / "images" / "c0.png"), wide)
    line = label("images/c0.png", "train", kind="scene", width=1200, height=300)
    line["plates"][0]["box"] = [300, 100, 900, 200]
    (data / "crops" / "labels.jsonl").write_text(json.dumps(line) + "\n")
    pack_data.main(["reader", str(data), str(tmp_path / "r.pack")])
    pack_data.main(["detector", str(data), str(tmp_path / "d.pack")])
    given = ["--data", str(tmp_path / "d.pack"), "--crops", str(tmp_path / "r.pack"), "--minutes", "0"]
    crops = train_detector.training_scenes(train_detector.parser().parse_args(given)).crops
    assert [crop.shape[1] / crop.shape[0] for crop in crops] == pytest.approx([6, 3, 3, 3, 3], rel=0.04)
    assert crops[0].min() > 150


def test_corners_are_given_relative_to_the_box(tmp_path):
    scenes = load_scenes(write_streets(tmp_path), "train")
    batch = next(iter(DetectorStream(scenes, 3, 0, float("inf"))))
    assert len(batch) == 3
    assert batch.pictures.dtype == torch.uint8
    assert batch.targets.boxes.shape[1] == 4
    known = batch.targets.quads[~batch.targets.quads.isnan().any(1)]
    assert bool((known.abs() <= 0.6).all())


def test_the_last_part_sees_whole_pictures_as_the_product_does(tiny, tmp_path):
    scenes = load_scenes(write_streets(tmp_path), "train")
    early = iter(DetectorStream(scenes, 1, 0, float("inf")))
    late = iter(DetectorStream(scenes, 1, 0, 0.0))
    assert {next(early).pictures.shape[3] for _ in range(12)} == {128}
    assert {next(late).pictures.shape[3] for _ in range(12)} == {128, 160}


def test_plates_come_back_in_pixels_of_their_picture(tmp_path):
    """A network that fires in one cell only: the box lies where that cell lies in the source."""
    model = YoloV3(TINY)
    picture = np.zeros((64, 64, 3), np.uint8)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        model.neck32.out[1].bias[4] = 4.0
    found = find_plates(model, TINY, [picture], (32, 32), torch.device("cpu"))[0]
    assert len(found.boxes) == 1
    width, height = found.boxes[0, 2:] - found.boxes[0, :2]
    assert (width, height) == pytest.approx([2 * side for side in TINY.anchors[2][0]], rel=1e-3)
    assert found.confidences[0] == pytest.approx(0.982, abs=1e-3)


def test_pictures_are_laid_into_the_input_without_stretching():
    boxes, stacked = letterboxed([np.full((100, 50, 3), 255, np.uint8)], (128, 96))
    assert stacked.shape == (1, 3, 96, 128)
    inner = (stacked[0, 0] == 255).nonzero()
    assert (inner.max(0).values - inner.min(0).values + 1).tolist() == [96, 48]
    assert boxes[0].scale == pytest.approx(0.96)
    assert set(stacked.unique().tolist()) == {114, 255}


def test_plate_heights_are_counted_in_the_networks_input(tmp_path):
    scene = load_scenes(write_streets(tmp_path), "val").scenes[-1]
    assert truth_of(scene, (256, 192)).heights_px.tolist() == [32.0]


def test_samples_without_plates_make_a_batch(tmp_path):
    scenes = load_scenes(write_streets(tmp_path), "val")
    negatives = [scene for scene in scenes.scenes if not len(scene.boxes)]
    augmenter = Augmenter(Scenes(negatives, []), Recipe(), 0)
    batch = collate([augmenter.draw(64, 64) for _ in range(2)])
    assert batch.targets.boxes.shape == (0, 4)
