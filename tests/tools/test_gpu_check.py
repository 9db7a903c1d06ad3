"""The GPU check as far as a machine without one goes: kernels, parity and speeds over stand-ins."""

from __future__ import annotations

import pytest

from anpr_stream.config.models import InferenceSettings
from anpr_stream.errors import AnprError
from anpr_stream.inference.select import LoadedNetwork, load_network
from anpr_stream.types import Detection
from tests.inference.host_device import COMPILER, HostDevice
from tests.networks import write_detector, write_reader
from tools import gpu_check, render_clip
from tools.gpu import files, kernels, parity, speed
from tools.gpu.surroundings import Surroundings


@pytest.fixture
def pair(tmp_path) -> tuple[LoadedNetwork, LoadedNetwork]:
    settings = InferenceSettings(backend="onnxruntime", precision="fp32")
    choices = tmp_path / "choices.json"
    return (
        load_network(write_detector(tmp_path), settings, choices),
        load_network(write_reader(tmp_path), settings, choices),
    )


def test_without_a_gpu_it_stops_with_one_line(monkeypatch, capsys) -> None:
    found = Surroundings(missing={"TensorRT": "not installed", "CUDA through ONNX Runtime": "no provider"})
    monkeypatch.setattr(gpu_check, "look_around", lambda: found)
    assert gpu_check.main([]) == gpu_check.NO_GPU
    told = capsys.readouterr()
    assert told.out == ""
    assert len(told.err.splitlines()) == 1
    assert "not installed" in told.err


@pytest.mark.skipif(COMPILER is None, reason="needs g++")
def test_kernels_agree_on_every_kind_of_frame() -> None:
    worst = kernels.worst_differences(HostDevice())
    assert set(worst) == {"letterbox", "rectify"}
    assert 0 < max(worst.values()) <= kernels.TOLERANCE


def test_an_engine_agrees_with_itself(pair) -> None:
    same = parity.compare(pair, pair, parity.traffic_frames(3, (640, 360)))
    assert (same.unmatched, same.box_px, same.score, same.texts, same.confidence) == (0, 0, 0, 0, 0)
    assert same.plates > 0
    assert same.holds("fp16")


def test_networks_that_differ_are_told_apart(pair, tmp_path) -> None:
    settings = InferenceSettings(backend="onnxruntime", precision="fp32")
    other = load_network(write_detector(tmp_path, "other", seed=5), settings, tmp_path / "other.json")
    differs = parity.compare(pair, (other, pair[1]), parity.traffic_frames(3, (640, 360)))
    assert not differs.holds("fp32")


def plate(x: float, confidence: float = 0.9) -> Detection:
    return Detection((x, 0.0, x + 40, 10.0), confidence)


@pytest.mark.parametrize(
    ("one", "two", "pairs"),
    [
        ([plate(0)], [plate(3)], 1),
        ([plate(0)], [plate(30)], 0),
        ([plate(0), plate(5)], [plate(4), plate(1)], 2),
        ([plate(0)], [], 0),
        ([plate(0)], [plate(1, 0.29)], 1),
    ],
)
def test_plates_are_paired_by_place(one, two, pairs) -> None:
    matched = parity.match(one, two)
    assert sum(a is not None and b is not None for a, b in matched) == pairs


def test_doubtful_plates_alone_do_not_count() -> None:
    assert parity.match([plate(0, 0.2)], [plate(100, 0.29)]) == []


def test_speeds_are_positive_and_batches_grow(pair) -> None:
    measured = speed.network_speeds(pair[1], seconds=0)
    assert [one.batch for one in measured] == list(speed.BATCHES)
    assert all(one.batch_ms > 0 and one.pictures_s > 0 for one in measured)


def test_streams_are_measured_with_networks_and_without(pair) -> None:
    frames = parity.traffic_frames(4, (320, 192))
    detector, reader = parity.detector_of(pair[0]), parity.reader_of(pair[1])
    assert speed.memory_streams(detector, reader, frames, 2, 0).frames_s > 0
    idle = speed.no_op_streams(pair, frames, 0)
    assert idle.frames_s > 0
    assert "no-op" in idle.source


def test_streams_from_files_go_through_the_whole_pipeline(pair, tmp_path) -> None:
    clip = tmp_path / "clip.mkv"
    render_clip.main(["--out", str(clip), "--size", "320x192", "--seconds", "1", "--fps", "10"])
    measured = files.file_streams(clip, pair, 2)
    assert measured.streams == 2
    assert measured.frames_s > 0
    with pytest.raises(AnprError, match="missing"):
        files.file_streams(tmp_path / "missing.mp4", pair, 1)


def test_what_does_not_hold_fails_the_check(capsys) -> None:
    report = gpu_check.Report()
    report.add("figure", "1")
    report.add("good", "2", True)
    assert report.is_right
    report.add("bad", "3", False)
    assert not report.is_right
    report.print()
    assert "DOES NOT HOLD" in capsys.readouterr().out
