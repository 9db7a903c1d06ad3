"""The GRU stages of a reader written out as matrix products: another form of the same arithmetic.

Engines run the GRU operator at very different speed, and some have no good one. A form costs no
accuracy: it answers what the operator answers, to rounding. Which one TensorRT is given stands in
`tensorrt.GRU_FORM`; `tools/gpu_check.py` times them all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np

from anpr_stream.errors import BackendError
from anpr_stream.inference.precision import open_network

GruForm = Literal["native", "unrolled", "fused"]
"""`native`: the operator; `unrolled`: each direction's steps as a product and a few elementwise
operators; `fused`: likewise, with both directions in one batched product a step."""

GRU_FORMS: tuple[GruForm, ...] = get_args(GruForm)
SUPPORTED = {"direction", "hidden_size", "linear_before_reset", "layout"}


def with_gru(onnx_bytes: bytes, form: GruForm) -> bytes:
    """Return the network with all its GRU operators in a form; the file itself for `native`.

    Raises:
        BackendError: the onnx package is missing, or a GRU is not of the kind that PyTorch exports.
    """
    if form == "native":
        return onnx_bytes
    onnx, model = open_network(onnx_bytes, f"the {form} GRU")
    shapes = _shapes(onnx, model)
    nodes: list[Any] = []
    for node in model.graph.node:
        nodes += [node] if node.op_type != "GRU" else _written_out(onnx, model.graph, node, shapes, form)
    _keep_needed(model.graph, nodes)
    data: bytes = model.SerializeToString()
    return data


def _shapes(onnx: Any, model: Any) -> dict[str, list[int]]:
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    return {
        info.name: [size.dim_value for size in info.type.tensor_type.shape.dim]
        for info in [*inferred.graph.value_info, *inferred.graph.input]
    }


def _written_out(onnx: Any, graph: Any, node: Any, shapes: dict[str, list[int]], form: GruForm) -> list[Any]:
    steps = shapes.get(node.input[0], [0])[0]
    stage = _Stage(onnx, graph, node, steps)
    directions = range(len(stage.array(1)))
    groups = [tuple(directions)] if form == "fused" else [(direction,) for direction in directions]
    parts = [stage.group(group) for group in groups]
    stage.add("Concat", *parts, axis=1, outputs=[node.output[0]])
    return stage.nodes


def _keep_needed(graph: Any, nodes: Sequence[Any]) -> None:
    """Put `nodes` into the graph, without those (and the weights) that nothing needs any more."""
    needed = {output.name for output in graph.output}
    kept = []
    for node in reversed(nodes):
        if needed.intersection(node.output):
            kept.append(node)
            needed.update(node.input)
    del graph.node[:]
    graph.node.extend(reversed(kept))
    weights = [weight for weight in graph.initializer if weight.name in needed]
    del graph.initializer[:]
    graph.initializer.extend(weights)


@dataclass
class _Stage:
    """One GRU operator on its way to products: T steps, N pictures, D directions, H hidden numbers."""

    onnx: Any
    graph: Any
    node: Any
    steps: int
    nodes: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        attributes = {a.name: self.onnx.helper.get_attribute_value(a) for a in self.node.attribute}
        is_known = (
            set(attributes) <= SUPPORTED
            and attributes.get("linear_before_reset") == 1
            and attributes.get("direction", b"forward") != b"reverse"
            and not attributes.get("layout")
            and self._starts_at_zero()
            and self.steps > 0
        )
        if not is_known:
            raise BackendError(
                f"the GRU {self.node.name or self.node.output[0]} is not of the kind that PyTorch exports "
                "with a fixed number of steps: only its native form runs"
            )

    def _starts_at_zero(self) -> bool:
        _, _, _, _, lengths, start = [*self.node.input, "", ""][:6]
        made = next((other for other in self.graph.node if start and start in other.output), None)
        is_zero = not start or (made is not None and made.op_type == "ConstantOfShape")
        return is_zero and not lengths

    def array(self, place: int) -> Any:
        """Return the weights at a place among the operator's inputs."""
        name = self.node.input[place]
        weight = next(weight for weight in self.graph.initializer if weight.name == name)
        return self.onnx.numpy_helper.to_array(weight)

    def constant(self, value: Any) -> str:
        """Store an array and return its name."""
        name = f"{self.node.output[0]}_constant{len(self.graph.initializer)}"
        self.graph.initializer.append(self.onnx.numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def add(self, kind: str, *inputs: str, outputs: Sequence[str] = (), **attributes: Any) -> str:
        """Append an operator and return the name of its first output."""
        name = f"{self.node.output[0]}_{kind}{len(self.nodes)}"
        outputs = outputs or [name]
        self.nodes.append(self.onnx.helper.make_node(kind, list(inputs), list(outputs), name, **attributes))
        return outputs[0]

    def split(self, value: str, axis: int, sizes: Sequence[int]) -> list[str]:
        """Cut a tensor into parts of the given sizes."""
        names = [f"{self.node.output[0]}_part{len(self.nodes)}_{index}" for index in range(len(sizes))]
        self.add("Split", value, self.constant(np.array(sizes, np.int64)), outputs=names, axis=axis)
        return names

    def in_step_order(self, value: str, group: Sequence[int]) -> str:
        """Turn the backward direction of (T, D, N, ...) round in time; twice is nothing."""
        parts = self.split(value, 1, [1] * len(group)) if len(group) > 1 else [value]
        backwards = self.constant(np.arange(self.steps, dtype=np.int64)[::-1])
        turned = [
            self.add("Gather", part, backwards, axis=0) if direction else part
            for part, direction in zip(parts, group, strict=True)
        ]
        return self.add("Concat", *turned, axis=1) if len(group) > 1 else turned[0]

    def group(self, group: Sequence[int]) -> str:
        """Write out the directions of a group together; returns their (T, D, N, H)."""
        place = list(group)
        recurrent, bias = self.array(2)[place], self.array(3)[place]
        hidden = recurrent.shape[2]
        products = self.constant(recurrent.transpose(0, 2, 1))
        reset_bias = self.constant(bias[:, None, 5 * hidden :])
        gates, candidates = self.projections(group, hidden)
        state = self.constant(np.zeros((1, len(group), 1, hidden), np.float32))
        states = []
        for gate, candidate in zip(gates, candidates, strict=True):
            both, own = self.split(self.add("MatMul", state, products), -1, [2 * hidden, hidden])
            update, reset = self.split(self.add("Sigmoid", self.add("Add", gate, both)), -1, [hidden, hidden])
            kept = self.add("Mul", reset, self.add("Add", own, reset_bias))
            new = self.add("Tanh", self.add("Add", candidate, kept))
            state = self.add("Add", new, self.add("Mul", update, self.add("Sub", state, new)))
            states.append(state)
        return self.in_step_order(self.add("Concat", *states, axis=0), group)

    def projections(self, group: Sequence[int], hidden: int) -> tuple[list[str], list[str]]:
        """Multiply the input of all steps at once; returns each step's two gates and its candidates."""
        place = list(group)
        weights, bias = self.array(1)[place], self.array(3)[place]
        summed = bias[:, : 3 * hidden].copy()
        summed[:, : 2 * hidden] += bias[:, 3 * hidden : 5 * hidden]
        flat = self.add("MatMul", self.node.input[0], self.constant(weights.reshape(-1, weights.shape[2]).T))
        shape = self.constant(np.array([0, 0, len(group), 3 * hidden], np.int64))
        apart = self.add("Reshape", flat, shape)
        biased = self.add("Add", apart, self.constant(summed))
        ordered = self.in_step_order(self.add("Transpose", biased, perm=[0, 2, 1, 3]), group)
        gates, candidates = self.split(ordered, -1, [2 * hidden, hidden])
        return self.split(gates, 0, [1] * self.steps), self.split(candidates, 0, [1] * self.steps)
