"""How much arithmetic a network is: multiplications and additions of its convolutions, products and GRUs."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime

Shapes = dict[str, tuple[int, ...]]


def count_flop(path: Path, shape: tuple[int, ...]) -> float:
    """Count the floating-point operations of one run (a multiplication and an addition are two).

    Args:
        path: ONNX file, not quantised.
        shape: of its one input.
    """
    model = onnx.load(path)
    nodes = [node for node in model.graph.node if node.op_type in _MULTIPLICATIONS]
    shapes = _shapes(model, nodes, shape)
    return 2.0 * sum(_MULTIPLICATIONS[node.op_type](node, shapes) for node in nodes)


def _shapes(model: Any, nodes: list[Any], shape: tuple[int, ...]) -> Shapes:
    """Run the network once and look at what goes in and out of the nodes: exact where inference gives up."""
    given = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    given[model.graph.input[0].name] = shape
    wanted = {name for node in nodes for name in (*node.input, node.output[0]) if name} - given.keys()
    known = {output.name for output in model.graph.output}
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in sorted(wanted - known))
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    names = sorted(wanted)
    values = session.run(names, {model.graph.input[0].name: np.zeros(shape, np.float32)})
    return given | {name: value.shape for name, value in zip(names, values, strict=True)}


def _conv(node: Any, shapes: Shapes) -> int:
    return prod(shapes[node.output[0]]) * prod(shapes[node.input[1]][1:])


def _matmul(node: Any, shapes: Shapes) -> int:
    return prod(shapes[node.output[0]]) * shapes[node.input[0]][-1]


def _gemm(node: Any, shapes: Shapes) -> int:
    rows, columns = shapes[node.output[0]]
    return rows * prod(shapes[node.input[1]]) if columns else 0


def _gru(node: Any, shapes: Shapes) -> int:
    steps, batch, _ = shapes[node.input[0]]
    return steps * batch * (prod(shapes[node.input[1]]) + prod(shapes[node.input[2]]))


_MULTIPLICATIONS = {"Conv": _conv, "MatMul": _matmul, "Gemm": _gemm, "GRU": _gru}
