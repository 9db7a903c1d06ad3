import time
from contextlib import suppress

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from anpr_stream.inference.models import find_model
from anpr_stream.inference.onnx import OnnxBackend
from tests.networks import write_detector, write_reader
from tools.benchmark import meter as meter_module
from tools.benchmark import timing as timing_module
from tools.benchmark.machine import SIDE, Rate, write_product
from tools.benchmark.meter import Meter
from tools.benchmark.networks import DETECTOR_SIZES, network_timings, shapes_of, time_network
from tools.benchmark.timing import LEAST_RUNS, timed
from tools.benchmark.work import count_flop


class Ticks:
    """A clock that tests turn."""

    def __init__(self):
        self.now_s = 0.0

    def process_time(self):
        return self.now_s

    perf_counter = process_time


@pytest.fixture
def ticks(monkeypatch):
    clock = Ticks()
    monkeypatch.setattr(meter_module, "time", clock)
    monkeypatch.setattr(timing_module, "time", clock)
    return clock


def test_a_stage_inside_another_counts_for_itself_alone(ticks):
    meter = Meter()
    with meter.stage("outer"):
        ticks.now_s += 1
        with meter.stage("inner"):
            ticks.now_s += 10
        ticks.now_s += 100
    ticks.now_s += 1000
    with meter.stage("outer"):
        ticks.now_s += 5
    assert dict(meter.seconds) == {"outer": 106, "inner": 10}
    assert meter.calls == {"outer": 2, "inner": 1}


def test_a_stage_that_fails_is_left(ticks):
    meter = Meter()
    with suppress(KeyError), meter.stage("outer"), meter.stage("inner"):
        ticks.now_s += 1
        raise KeyError
    with meter.stage("outer"):
        ticks.now_s += 2
    assert dict(meter.seconds) == {"inner": 1, "outer": 2}


class Thing:
    def work(self, ticks, more=0):
        ticks.now_s += 3 + more
        return "done"


def test_watched_functions_are_put_back(ticks):
    meter, original = Meter(), Thing.work
    with meter.watching({"work": (Thing, "work")}):
        assert Thing().work(ticks, more=1) == "done"
    assert Thing.work is original
    assert meter.seconds["work"] == 4


def test_timing_is_the_median_and_the_best(ticks):
    costs = iter([50, 50, 2, 9, 3, 1, 4])

    def call():
        ticks.now_s += next(costs) / 1000

    timing = timed(call, 0.001)
    assert timing.ms == pytest.approx(3)
    assert timing.best_ms == pytest.approx(1)
    assert timing.cpu_ms == pytest.approx(19 / LEAST_RUNS)


def test_calls_until_the_budget_is_used_up(ticks):
    calls = []

    def call():
        calls.append(1)
        ticks.now_s += 0.01

    timed(call, 0.2)
    assert 20 <= len(calls) - 2 <= 21


def write_layers(path):
    rng = np.random.default_rng(0)
    weights = {
        "kernel": rng.random((8, 3, 3, 3)),
        "table": rng.random((8, 5)),
        "gates": rng.random((2, 3 * 4, 5)),
        "loops": rng.random((2, 3 * 4, 4)),
    }
    nodes = [
        helper.make_node("Conv", ["x", "kernel"], ["conv"], pads=[1, 1, 1, 1], strides=[2, 2]),
        helper.make_node("GlobalAveragePool", ["conv"], ["pool"]),
        helper.make_node("Squeeze", ["pool", "last"], ["flat"]),
        helper.make_node("MatMul", ["flat", "table"], ["row"]),
        helper.make_node("Unsqueeze", ["row", "first"], ["steps"]),
        helper.make_node("GRU", ["steps", "gates", "loops"], ["y"], hidden_size=4, direction="bidirectional"),
    ]
    tensors = [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()]
    tensors += [
        numpy_helper.from_array(np.array(axes, np.int64), name)
        for name, axes in {"last": [2, 3], "first": [0]}.items()
    ]
    graph = helper.make_graph(
        nodes,
        "layers",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, "h", "w"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        tensors,
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def test_arithmetic_counted_by_hand(tmp_path):
    path = tmp_path / "layers.onnx"
    write_layers(path)
    convolution = 8 * 16 * 12 * 27
    product = 8 * 5
    recurrent = 2 * 3 * 4 * (5 + 4)
    assert count_flop(path, (1, 3, 32, 24)) == 2 * (convolution + product + recurrent)
    assert count_flop(path, (2, 3, 32, 24)) == 4 * (convolution + product + recurrent)


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_the_machines_rate_is_that_of_a_real_product(tmp_path, precision):
    path = write_product(tmp_path / "product.onnx", precision)
    assert count_flop(path, (1, SIDE, SIDE)) == 2 * SIDE**3
    # INT8 sums of large positive inputs overflow on a processor without VNNI.
    below = -np.ones((1, SIDE, SIDE), np.float32)
    (product,) = OnnxBackend(path, precision, 1).run(below).values()
    scale = 127 if precision == "int8" else 1
    weights = np.random.default_rng(1).integers(-127, 128, (SIDE, SIDE))
    assert np.allclose(product[0, 0] * scale, -weights.sum(axis=0), rtol=1e-3, atol=1)


def test_detectors_are_timed_at_the_sizes_of_wide_pictures(tmp_path):
    file = find_model(write_detector(tmp_path))
    assert [shape[2:] for shape in shapes_of(file)] == [(height, width) for width, height in DETECTOR_SIZES]


def test_every_engine_and_its_share_of_the_rate(tmp_path):
    file = find_model(write_reader(tmp_path))
    rates = [Rate("fp32", 1, "any", 100.0)]
    timings = list(network_timings(file, [1], rates, 0.0))
    assert {entry.engine for entry in timings} == {"onnxruntime", "openvino"}
    assert {entry.shape[0] for entry in timings} == {1, 4}
    for entry in timings:
        assert entry.gflop == pytest.approx(2e-9 * entry.shape[0] * 64 * 37 * 3 * 64 * 2)
        share = entry.gflop / entry.timing.best_ms * 1000 / 100
        assert entry.share == (pytest.approx(share) if entry.precision == "fp32" else None)


def test_a_network_that_an_engine_refuses_is_left_out(tmp_path):
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"nothing")
    assert time_network(path, "openvino", "fp32", 1, (1, 3, 32, 32), 0.0) is None


def test_real_clocks_go_forward():
    timing = timed(lambda: time.sleep(0), 0.0)
    assert 0 <= timing.best_ms <= timing.ms
