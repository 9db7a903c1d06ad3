"""What the machine can do at best: the rate of large matrix products on the same engines as the networks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from anpr_stream.inference.onnx import OnnxBackend
from anpr_stream.inference.openvino import OpenVinoBackend
from anpr_stream.interfaces import Backend
from tools.benchmark.timing import timed

SIDE = 1024
"""Rows and columns of the matrices: large enough to be bound by arithmetic, small enough for the cache."""

ENGINES: dict[str, Callable[[Path, str, int], Backend]] = {
    "onnxruntime": OnnxBackend,
    "openvino": OpenVinoBackend,
}


@dataclass(frozen=True)
class Rate:
    """Best rate of one precision, with the engine that reached it.

    Attributes:
        precision: `fp32` or `int8`.
        threads: on the processor.
        engine: which was fastest.
        gflops: thousand million operations a second.
    """

    precision: str
    threads: int
    engine: str
    gflops: float


def matrix_rate(folder: Path, precision: str, threads: int, budget_s: float) -> Rate:
    """Measure matrix products of a precision on every engine and return the best."""
    path = write_product(folder / f"product-{precision}.onnx", precision)
    images = np.random.default_rng(0).random((1, SIDE, SIDE), np.float32)
    rates = []
    for engine, load in ENGINES.items():
        backend = load(path, precision, threads)
        timing = timed(lambda: backend.run(images), budget_s)  # noqa: B023 - called at once
        backend.close()
        rates.append(Rate(precision, threads, engine, 2e-6 * SIDE**3 / timing.best_ms))
    return max(rates, key=lambda rate: rate.gflops)


def write_product(path: Path, precision: str) -> Path:
    """Write a network that is one matrix product: (1, n, n) times fixed (n, n)."""
    rng = np.random.default_rng(1)
    weights = rng.integers(-127, 128, (SIDE, SIDE)).astype(np.int8)
    if precision == "int8":
        constants = {"w": weights, "scale": np.float32(1 / 127), "zero": np.int8(0)}
        nodes = [
            helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["xq"]),
            helper.make_node("DequantizeLinear", ["xq", "scale", "zero"], ["xd"]),
            helper.make_node("DequantizeLinear", ["w", "scale", "zero"], ["wd"]),
            helper.make_node("MatMul", ["xd", "wd"], ["y"]),
        ]
    else:
        constants = {"w": weights.astype(np.float32)}
        nodes = [helper.make_node("MatMul", ["x", "w"], ["y"])]
    initialisers = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, SIDE, SIDE]) for name in ("x", "y")]
    graph = helper.make_graph(nodes, "product", ends[:1], ends[1:], initialisers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)
    return path
