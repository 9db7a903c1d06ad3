"""Tiny networks with the operators that ours have: convolution, GRU, Q/DQ."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.inference.gpu_helpers import onnx_bytes

TARGETS = ("SM75", "SM80", "SM86", "SM89", "SM120")
"""Generations of GPUs that plans are built for without one."""


def value(name: str, shape: list) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def weights(name: str, *shape: int, seed: int = 0) -> onnx.TensorProto:
    array = np.random.default_rng(seed).normal(0, 0.2, shape).astype(np.float32)
    return numpy_helper.from_array(array, name)


def convolution() -> bytes:
    """images (n, 3, 64, 96) to head8 (n, 6, 8, 12)."""
    graph = helper.make_graph(
        [
            helper.make_node(
                "Conv", ["images", "w1", "b1"], ["c1"], kernel_shape=[3, 3], strides=[4, 4], pads=[1] * 4
            ),
            helper.make_node("Relu", ["c1"], ["r1"]),
            helper.make_node(
                "Conv", ["r1", "w2", "b2"], ["head8"], kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4
            ),
        ],
        "convolution",
        [value("images", ["n", 3, 64, 96])],
        [value("head8", ["n", 6, 8, 12])],
        [weights("w1", 8, 3, 3, 3), weights("b1", 8), weights("w2", 6, 8, 3, 3), weights("b2", 6)],
    )
    return onnx_bytes(graph)


def recurrent() -> bytes:
    """images (n, 3, 8, 16) to logits (n, 16, 32): columns through a bidirectional GRU."""
    shape = numpy_helper.from_array(np.array([0, 24, 16], np.int64), "shape")
    flat = numpy_helper.from_array(np.array([0, 0, 32], np.int64), "flat")
    graph = helper.make_graph(
        [
            helper.make_node("Reshape", ["images", "shape"], ["rows"]),
            helper.make_node("Transpose", ["rows"], ["steps"], perm=[2, 0, 1]),
            helper.make_node(
                "GRU",
                ["steps", "w", "r", "b"],
                ["y"],
                hidden_size=16,
                direction="bidirectional",
                linear_before_reset=1,
            ),
            helper.make_node("Transpose", ["y"], ["joined"], perm=[2, 0, 1, 3]),
            helper.make_node("Reshape", ["joined", "flat"], ["logits"]),
        ],
        "recurrent",
        [value("images", ["n", 3, 8, 16])],
        [value("logits", ["n", 16, 32])],
        [weights("w", 2, 48, 24), weights("r", 2, 48, 16), weights("b", 2, 96), shape, flat],
    )
    return onnx_bytes(graph)


def quantised() -> bytes:
    """images (n, 3, 16, 16) to head8 (n, 4, 16, 16), symmetric INT8 Q/DQ, float bias."""
    scale = numpy_helper.from_array(np.array(1 / 127, np.float32), "scale")
    zero = numpy_helper.from_array(np.array(0, np.int8), "zero")
    levels = np.random.default_rng(1).integers(-127, 128, (4, 3, 3, 3)).astype(np.int8)
    graph = helper.make_graph(
        [
            helper.make_node("QuantizeLinear", ["images", "scale", "zero"], ["q"]),
            helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["x"]),
            helper.make_node("DequantizeLinear", ["levels", "scale", "zero"], ["w"]),
            helper.make_node("Conv", ["x", "w", "b"], ["head8"], kernel_shape=[3, 3], pads=[1] * 4),
        ],
        "quantised",
        [value("images", ["n", 3, 16, 16])],
        [value("head8", ["n", 4, 16, 16])],
        [scale, zero, numpy_helper.from_array(levels, "levels"), weights("b", 4)],
    )
    return onnx_bytes(graph)
