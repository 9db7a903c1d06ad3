import cv2
import numpy as np
import pytest

from anpr_stream.types import Detection
from tests.tools.street import PLATE, label, write_set, write_streets
from tools import evaluate
from tools.evaluation.detection import Found
from tools.evaluation.finding import (
    COLUMNS,
    TILE_PX,
    Judged,
    contact_sheet,
    found_of,
    judge,
    load_detector,
    scenes,
    truth_of,
)


def judged(data, *pairs):
    entry = next(scenes(data, ["train"], ["streets"]))
    boxes = np.array([box for box, _ in pairs], np.float32).reshape(-1, 4)
    found = Found(boxes, np.array([confidence for _, confidence in pairs], np.float32))
    return Judged(entry, truth_of(entry.line, entry.line["plates"], 640), found)


def test_scenes_of_a_split_and_of_named_sets_only(tmp_path):
    data = write_streets(tmp_path)
    assert len(list(scenes(data, ["train"], []))) == 5
    assert len(list(scenes(data, ["train", "val"], ["empty"]))) == 2


def test_heights_are_those_in_the_networks_input():
    line = label("a.png", "val", complete=False)
    truth = truth_of(line, line["plates"], 640)
    assert truth.heights_px.tolist() == [5 * (PLATE[3] - PLATE[1])]
    assert (truth.complete, truth.country) == (False, "tw")


def test_no_detections_are_arrays_too():
    assert found_of([]).boxes.shape == (0, 4)
    assert found_of([Detection((1, 2, 3, 4), 0.5)]).confidences.tolist() == [0.5]


def test_the_shipped_detector_answers_for_every_scene(tmp_path):
    data = write_streets(tmp_path)
    network, detector = load_detector("detector-cpu", "onnxruntime", "fp32", 320, 0)
    results = judge(detector, scenes(data, ["train", "val"], []), 320)
    network.backend.close()
    assert len(results) == 8
    assert all(len(result.found.boxes) == len(result.found.confidences) for result in results)


def test_the_sheet_shows_misses_red_and_false_plates_yellow(tmp_path):
    data = write_streets(tmp_path)
    right, elsewhere = [*PLATE], [90.0, 70.0, 120.0, 80.0]
    sheet = contact_sheet([judged(data, (right, 0.9)), judged(data, (elsewhere, 0.9))], 0.5)
    assert sheet.shape == (TILE_PX, COLUMNS * TILE_PX, 3)
    colours = {tuple(colour) for colour in sheet[:, :TILE_PX].reshape(-1, 3).tolist()}
    assert {(0, 0, 255), (0, 255, 255)} <= colours
    assert not sheet[:, TILE_PX:].any()


def test_a_set_without_errors_gives_an_empty_sheet(tmp_path):
    data = write_streets(tmp_path)
    assert not contact_sheet([judged(data, ([*PLATE], 0.9))], 0.5).any()


def test_the_command_reports_and_draws(tmp_path, capsys):
    data, sheet = write_streets(tmp_path / "data"), tmp_path / "sheet.png"
    words = [
        "detection",
        "--data",
        str(data),
        "--input-px",
        "128",
        "--threshold",
        "0.5",
        "--sheet",
        str(sheet),
    ]
    assert evaluate.main(words) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "onnxruntime fp32"
    assert out[1] == "pictures 3, plates 2, threshold 0.50"
    assert cv2.imread(str(sheet)) is not None


def test_a_sheet_that_cannot_be_written_is_told_in_one_line_after_the_report(tmp_path, capsys):
    data = write_streets(tmp_path / "data")
    words = ["detection", "--data", str(data), "--input-px", "128", "--sheet", str(tmp_path / "no" / "s.png")]
    assert evaluate.main(words) == 2
    told = capsys.readouterr()
    assert told.err.startswith(f"evaluate: {tmp_path}/no/s.png cannot be written")
    assert "pictures 3, plates 2" in told.out


@pytest.mark.parametrize("model", ["no-such-model", "reader-cpu"])
def test_another_network_is_refused_in_one_line(tmp_path, capsys, model):
    data = write_streets(tmp_path)
    assert evaluate.main(["detection", "--data", str(data), "--model", model]) == 2
    assert model in capsys.readouterr().err


def test_an_empty_split_is_told(tmp_path, capsys):
    write_set(tmp_path / "set", [label("images/a.png", "train")])
    assert evaluate.main(["detection", "--data", str(tmp_path), "--input-px", "64"]) == 2
    assert "no scene" in capsys.readouterr().err
