import json

import pytest

from anpr_stream.inference import models
from tests.networks import write_detector, write_reader
from tools.benchmark import __main__ as benchmark
from tools.benchmark import clip, live, stages
from tools.benchmark.stages import STAGES


@pytest.fixture
def engines(tmp_path, monkeypatch):
    """Tiny networks under the shipped names."""
    folder = tmp_path / "engines"
    folder.mkdir()
    write_detector(folder, "detector-cpu", objectness=-12.0)
    write_reader(folder, "reader-cpu")
    monkeypatch.setattr(models, "packaged", lambda _: folder)
    monkeypatch.setenv("ANPR_CACHE", str(tmp_path))
    return folder


def run(capsys, *arguments):
    code = benchmark.main([*arguments, "--budget-s", "0"])
    out, err = capsys.readouterr()
    return code, json.loads(out), err


def test_machine_and_networks(engines, capsys):
    code, result, shown = run(capsys, "--parts", "machine,networks", "--threads", "1")
    assert code == 0
    assert {rate["precision"] for rate in result["machine"]} == {"fp32", "int8"}
    assert {entry["network"] for entry in result["networks"]} == {"tiny-detector", "tiny-reader"}
    assert result["networks"][0]["timing"]["ms"] > 0
    assert "of the rate" in shown


def test_a_damaged_network_is_named_and_the_rest_measured(engines, capsys):
    (engines / "broken.onnx").write_bytes(b"PK")
    _, result, shown = run(capsys, "--parts", "networks", "--threads", "1")
    assert "broken.onnx" in shown
    assert result["networks"]


def test_clip_goes_through_every_stage(engines, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(clip, "SIZE", (320, 192))
    monkeypatch.setattr(stages, "HELD_FRAMES", 8)
    code, result, shown = run(capsys, "--parts", "clip", "--seconds", "1")
    assert code == 0
    cost = result["clip"]["default"]
    assert (cost["frames"], cost["looks"]) == (30, 15)
    assert result["clip"]["every frame"]["looks"] == 30
    assert list(cost["stages_ms"]) == list(STAGES)
    assert cost["fps"] > 0
    assert cost["overlap"] == pytest.approx(cost["fps"] / cost["slowest_fps"])
    assert len(result["clip"]["truth"]) == 2
    assert "frames/s" in shown


def test_what_cannot_be_measured_is_said_and_the_code_tells(engines, capsys):
    (engines / "reader-cpu.onnx").unlink()
    code, result, shown = run(capsys, "--parts", "clip", "--clip", "/nowhere/clip.mp4")
    assert code == 1
    assert "reader-cpu" in result["clip"]["error"]
    assert "not measured" in shown


def test_yardstick_is_a_quarter_width_yolo(engines, capsys):
    pytest.importorskip("torch")
    code, result, shown = run(capsys, "--parts", "yardstick")
    assert code == 0
    assert result["yardstick"]["reference"]["cpu_ms"] > 10 * result["yardstick"]["reader-cpu"]["cpu_ms"]
    assert 0 < result["yardstick"]["share"] < 1
    assert "yardstick" in shown


def test_without_the_detector_there_is_no_comparison(engines, capsys):
    pytest.importorskip("torch")
    (engines / "detector-cpu.onnx").unlink()
    code, result, _ = run(capsys, "--parts", "yardstick")
    assert code == 1
    assert "detector-cpu" in result["yardstick"]["error"]


def test_a_clip_is_watched_as_a_camera_sends_it(engines, capsys, monkeypatch):
    monkeypatch.setattr(clip, "SIZE", (320, 192))
    monkeypatch.setattr(live, "SETTLING_S", 0.0)
    code, result, shown = run(capsys, "--parts", "live", "--seconds", "4", "--cameras", "2")
    assert code == 0
    cost = result["live"]
    assert 0 < cost["frames"] <= 240
    assert cost["cores"] > 0
    assert "live over RTSP" in shown


def test_a_clip_that_no_camera_could_send_is_told(engines, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(live, "FIRST_FRAME_S", 2.0)
    (tmp_path / "text.mp4").write_text("no film")
    code, _, shown = run(capsys, "--parts", "live", "--clip", str(tmp_path / "text.mp4"))
    assert code == 1
    assert "live: not measured" in shown
