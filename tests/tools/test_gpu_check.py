"""The GPU check as far as a machine without one goes: kernels, parity and speeds over stand-ins."""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace

import pytest

from anpr_stream.config.models import InferenceSettings
from anpr_stream.errors import AnprError
from anpr_stream.inference.gru import GRU_FORMS
from anpr_stream.inference.select import LoadedNetwork, load_network
from anpr_stream.types import Detection
from tests.inference.host_device import COMPILER, HostDevice
from tests.inference.host_torch import HostTorch
from tests.networks import write_detector, write_reader
from tools import gpu_check, render_clip
from tools.benchmark.work import count_flop
from tools.gpu import check, files, kernels, parity, peak, speed, surroundings, torch_engine
from tools.gpu.driver import Memory
from tools.gpu.engines import PRECISIONS, Job
from tools.gpu.report import Report
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
    monkeypatch.setattr(check, "look_around", lambda: found)
    assert gpu_check.main([]) == check.NO_GPU
    told = capsys.readouterr()
    assert told.out == ""
    assert len(told.err.splitlines()) == 1
    assert "not installed" in told.err


def test_an_onnx_runtime_for_gpus_is_no_gpu(monkeypatch) -> None:
    def missing(*_: object) -> None:
        raise AnprError("no NVIDIA driver")

    monkeypatch.setattr(surroundings, "has_cuda", lambda: True)
    monkeypatch.setattr(surroundings, "Driver", missing)
    monkeypatch.setattr(surroundings, "CudaDevice", missing)
    assert not surroundings.look_around().can_measure


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


@pytest.mark.parametrize(
    ("text", "confidence", "differs"), [("B", 0.2, False), ("B", 0.9, True), ("A", 0.9, False)]
)
def test_doubtful_texts_may_differ(text: str, confidence: float, differs: bool) -> None:
    one, two = (
        SimpleNamespace(text=name, confidence=sure) for name, sure in (("A", 0.1), (text, confidence))
    )
    assert parity.differ(one, two) is differs


def test_the_share_of_the_peak_is_that_of_the_network_alone(pair) -> None:
    measured = speed.network_speed(pair[1], 4, 0.0, gflop=3.0, gpu_ms=2.0, peak_tflops=60.0)
    assert measured.gflop == 12
    assert measured.share == pytest.approx(0.1)
    assert measured.pictures_s == pytest.approx(4000 / measured.batch_ms)
    assert "10.0 % of the peak" in str(measured)


def test_without_a_peak_or_a_time_alone_the_figures_are_left_out(pair) -> None:
    measured = speed.network_speed(pair[1], 2, 0.0, gflop=3.0)
    assert (measured.gpu_ms, measured.share) == (None, None)
    assert "%" not in str(measured)
    copied = speed.network_speed(pair[1], 2, 0.0, gflop=3.0, peak_tflops=60.0)
    assert copied.share == pytest.approx(6 / copied.batch_ms / 60)


def test_the_products_are_counted_right(tmp_path) -> None:
    file = peak.write_products(tmp_path / "products.onnx", 16)
    assert peak.products_flop(16) == count_flop(file.path, (1, 3, 16, 16)) == 8 * 2 * 3 * 16**3


def test_streams_are_measured_with_networks_and_without(pair) -> None:
    frames = parity.traffic_frames(4, (320, 192))
    detector, reader = parity.detector_of(pair[0]), parity.reader_of(pair[1])
    assert speed.memory_streams(detector, reader, frames, 2, 0).frames_s > 0
    idle = speed.no_op_streams(pair, frames, 0)
    assert idle.frames_s > 0
    assert "no-op" in idle.source


def test_streams_from_files_go_through_the_whole_pipeline(pair, tmp_path) -> None:
    clip = tmp_path / "clip.mkv"
    render_clip.main(["--out", str(clip), "--size", "320x192", "--seconds", "1", "--fps", "4"])
    measured = files.file_streams(clip, pair, 2)
    assert measured.streams == 2
    assert measured.frames_s > 0
    with pytest.raises(AnprError, match="missing"):
        files.file_streams(tmp_path / "missing.mp4", pair, 1)


def test_frames_of_every_round_are_new_to_the_gpu() -> None:
    (frame,) = parity.traffic_frames(1, (64, 32))
    assert speed.fresh(frame).planes is not frame.planes
    assert speed.fresh(frame).planes.arrays[0] is frame.planes.arrays[0]


def test_what_does_not_hold_fails_the_check(capsys) -> None:
    report = Report()
    report.add("figure", "1")
    report.add("good", "2", True)
    assert report.is_right
    report.add("bad", "3", False)
    assert not report.is_right
    report.print()
    assert "DOES NOT HOLD" in capsys.readouterr().out


def test_a_part_that_fails_leaves_a_line_and_the_others_go_on() -> None:
    report = Report()
    assert report.part("bad", lambda: 1 // 0) is None
    assert report.part("good", lambda: 5) == 5
    assert report.rows == [("bad", "failed: integer division or modulo by zero", "DOES NOT HOLD")]
    assert not report.is_right
    assert report.data["failed"]["bad"]


def test_after_the_time_no_part_begins() -> None:
    report = Report(end_s=0.0)
    assert report.part("late", lambda: 5) is None
    assert report.rows == [("late", "not measured: the time is over", "")]
    assert report.is_right


class Driver:
    """Tells that more memory is used each time."""

    def __init__(self) -> None:
        self.used_bytes = 0

    def memory(self) -> Memory:
        self.used_bytes += 100 << 20
        return Memory(self.used_bytes, 1 << 30)


@pytest.fixture
def small_check(tmp_path, monkeypatch) -> check.Check:
    """The whole check over a GPU of host memory, with tiny networks, frames and batches."""
    frames = parity.traffic_frames(3, (320, 192))
    monkeypatch.setenv("ANPR_CACHE", str(tmp_path))
    monkeypatch.setattr(check, "NETWORKS", (str(write_detector(tmp_path)), str(write_reader(tmp_path))))
    monkeypatch.setattr(check, "GRU_BATCHES", (1, 16))
    monkeypatch.setattr(speed, "BATCHES", (1, 2))
    monkeypatch.setattr(speed, "STREAMS", (1, 3))
    monkeypatch.setattr(parity, "traffic_frames", lambda *_: frames)
    monkeypatch.setitem(PRECISIONS, "torch", ("fp32",))
    monkeypatch.setattr(torch_engine, "TorchEngine", lambda *given: HostTorch(*given, "cpu"))
    found = Surroundings(HostDevice(), "host memory", Driver(), ["torch"])
    return check.Check(found, Report(), seconds=0.0, side=16)


@pytest.mark.skipif(COMPILER is None, reason="needs g++")
def test_the_whole_check_over_a_gpu_of_host_memory(small_check, capsys) -> None:
    check.tell_surroundings(small_check.report, small_check.found)
    small_check.run()
    report = small_check.report
    assert "failed" not in report.data
    measured = report.data["torch fp32"]
    assert [entry["batch"] for entry in measured["networks"]] == [1, 2, 1, 2]
    for entry in measured["networks"]:
        expected = entry["gflop"] / entry["gpu_ms"] / report.data["peaks"]["fp32"]["tflops"]
        assert entry["share"] == pytest.approx(expected)
    assert [entry["streams"] for entry in measured["streams"]] == [1, 3, 16]
    assert measured["memory"]["networks_bytes"] == measured["memory"]["running_bytes"] == 100 << 20
    assert set(measured["gru"]["ms"]) == {"native", "unrolled", "fused"}
    assert measured["parity"]["texts"] == 0 < measured["parity"]["reads"]
    report.print()
    told = capsys.readouterr().out
    assert "of the peak" in told
    assert json.loads(told.splitlines()[-1])["torch fp32"]["gru"]["fastest"] in GRU_FORMS


@pytest.mark.skipif(COMPILER is None, reason="needs g++")
def test_parts_that_fail_leave_the_rest_of_the_check(small_check, monkeypatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("CUDA error: an illegal memory access")

    monkeypatch.setattr(kernels, "worst_differences", broken)
    monkeypatch.setattr(speed, "memory_streams", broken)
    small_check.run()
    failed = small_check.report.data["failed"]
    assert set(failed) == {"kernels", "torch fp32: streams"}
    assert "illegal memory access" in failed["kernels"]
    assert small_check.report.data["torch fp32"]["networks"]


def test_a_form_that_is_wrong_is_not_named_fastest(small_check, monkeypatch) -> None:
    small_check.store = check.open_store(small_check.found.device)
    opened = check.open_network

    def open_network(job: Job, *given: object) -> object:
        if job.gru == "fused":
            raise AnprError("off the golden sample")
        return opened(job, *given)

    monkeypatch.setattr(check, "open_network", open_network)
    small_check.forms(Job("torch", "fp32", small_check.found.device))
    assert set(small_check.report.data["torch fp32"]["gru"]["ms"]) == {"native", "unrolled"}
    assert ("torch fp32: fused GRU", "failed: off the golden sample", "DOES NOT HOLD") in [
        (name, value.split(" [")[0], holds) for name, value, holds in small_check.report.rows
    ]


def test_a_package_that_nothing_runs_without_is_told_in_one_line(monkeypatch, capsys) -> None:
    monkeypatch.setitem(sys.modules, "tools.gpu.check", None)
    assert gpu_check.main([]) == gpu_check.INCOMPLETE
    told = capsys.readouterr()
    assert len(told.err.splitlines()) == 1
    assert "pip install" in told.err
