"""Our ONNX files through PyTorch, where TensorRT cannot be had: implements `batches.Engine`.

So all that is ours runs on a GPU that has only PyTorch: frames, kernels, lanes, graphs.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from torch import Tensor, nn
from torch.nn import functional

from anpr_stream.errors import BackendError
from anpr_stream.inference.batches import TensorInfo
from anpr_stream.inference.device import HostArray, Stream
from anpr_stream.inference.precision import unpack_weights

DTYPES = {"fp32": torch.float32, "fp16": torch.float16}
RESET_UPDATE_NEW = (1, 0, 2)
"""Where PyTorch's gates lie among ONNX's: update, reset, new."""


class TorchNetwork:
    """A network's operators, one after the other; what depends on weights alone is computed at once.

    Args:
        onnx_bytes: the FP32 network.
        precision: `fp32` (without TF32) or `fp16`.
        place: PyTorch's device.

    Raises:
        BackendError: an operator that none of our networks has.
    """

    def __init__(self, onnx_bytes: bytes, precision: str, place: str) -> None:
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
        graph = onnx.load_from_string(onnx_bytes).graph
        unpack_weights(onnx, graph)
        self.input_name = graph.input[0].name
        self.output_names = [output.name for output in graph.output]
        self._dtype, self._place = DTYPES[precision], place
        self._scales = {node.input[2] for node in graph.node if node.op_type == "Resize"}
        self._known = {tensor.name: self._put(tensor.name, tensor) for tensor in graph.initializer}
        self._grus: dict[str, nn.GRU] = {}
        self._nodes: list[tuple[Callable[..., Any], Any, dict[str, Any]]] = []
        for node in graph.node:
            self._take(node)

    def _put(self, name: str, tensor: Any) -> Tensor:
        """Bring a constant to where it is used: shapes stay on the host, to be known without waiting."""
        value = torch.from_numpy(np.array(numpy_helper.to_array(tensor)))
        if not value.is_floating_point() or name in self._scales:
            return value
        value = value.to(self._place, self._dtype)
        return value.contiguous(memory_format=torch.channels_last) if value.ndim == 4 else value

    def _take(self, node: Any) -> None:
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        if node.op_type == "Constant":
            self._known[node.output[0]] = self._put(node.output[0], attributes["value"])
        elif node.op_type == "GRU":
            self._grus[node.output[0]] = self._gru(node)
            self._nodes.append((self._run_gru, node, attributes))
        elif node.op_type in _OPERATORS:
            if node.op_type == "Gather" and self._known.get(node.input[1], torch.zeros(())).ndim:
                self._known[node.input[1]] = self._known[node.input[1]].to(self._place)
            self._nodes.append((_OPERATORS[node.op_type], node, attributes))
        else:
            raise BackendError(f"the PyTorch stand-in has no operator {node.op_type}")

    def _gru(self, node: Any) -> nn.GRU:
        weights, recurrent, bias = (self._known[name] for name in node.input[1:4])
        directions, _, inputs = weights.shape
        gru = nn.GRU(inputs, recurrent.shape[2], bidirectional=directions == 2)
        state = {}
        for direction, end in zip(range(directions), ("", "_reverse"), strict=False):
            halves = bias[direction].chunk(2)
            parts = {"weight_ih": weights[direction], "weight_hh": recurrent[direction]}
            parts |= {"bias_ih": halves[0], "bias_hh": halves[1]}
            for name, part in parts.items():
                gates = part.chunk(3)
                state[f"{name}_l0{end}"] = torch.cat([gates[place] for place in RESET_UPDATE_NEW])
        gru.load_state_dict(state)
        return gru.to(self._place, self._dtype).eval()

    def _run_gru(self, attributes: dict[str, Any], *inputs: Any, node: Any) -> Tensor:
        both: Tensor = self._grus[node.output[0]](inputs[0].contiguous())[0]
        steps, count, _ = both.shape
        return both.view(steps, count, -1, attributes["hidden_size"]).transpose(1, 2)

    @torch.inference_mode()
    def __call__(self, images: Tensor) -> dict[str, Tensor]:
        """Run (N, 3, H, W) in the network's precision; returns its outputs by name."""
        values = {**self._known, self.input_name: images}
        for run, node, attributes in self._nodes:
            inputs = [values[name] if name else None for name in node.input]
            more = {"node": node} if run == self._run_gru else {}
            made = run(attributes, *inputs, **more)
            outputs = made if isinstance(made, tuple) else (made,)
            values.update(zip(node.output, outputs, strict=False))
        return {name: values[name] for name in self.output_names}


class TorchExecutor:
    """Runs a network on tensors that lie at addresses."""

    def __init__(self, engine: TorchEngine) -> None:
        self._engine = engine
        self._views: dict[tuple[str, int, int], Tensor] = {}

    def enqueue(self, batch: int, addresses: dict[str, int], stream: Stream) -> None:
        """Start a batch on a CUDA stream."""
        try:
            own = torch.cuda.ExternalStream(stream.handle)  # type: ignore[no-untyped-call]
            with torch.cuda.stream(own):
                self.run(batch, addresses)
        except RuntimeError as error:
            raise BackendError(f"PyTorch refused a batch of {batch}: {str(error).splitlines()[0]}") from error

    def run(self, batch: int, addresses: dict[str, int]) -> None:
        """Run on the current stream."""
        engine = self._engine
        made = engine.network(self._view(engine.input, batch, addresses))
        for info in engine.outputs:
            self._view(info, batch, addresses).copy_(made[info.name])

    def _view(self, info: TensorInfo, batch: int, addresses: dict[str, int]) -> Tensor:
        key = (info.name, batch, addresses[info.name])
        if key not in self._views:
            self._views[key] = tensor_at(addresses[info.name], (batch, *info.shape), info, self._engine.place)
        return self._views[key]


class TorchEngine:
    """A network at one input size; outputs are float32, as the contract says.

    Args:
        onnx_bytes: the FP32 network.
        size: of the input, (height, width).
        precision: `fp32` or `fp16`.
        max_batch: largest batch.
        place: PyTorch's device.
    """

    def __init__(
        self, onnx_bytes: bytes, size: tuple[int, int], precision: str, max_batch: int, place: str = "cuda"
    ) -> None:
        self.network = TorchNetwork(onnx_bytes, precision, place)
        self.place = place
        self.max_batch = max_batch
        dtype = np.float16 if precision == "fp16" else np.float32
        self.input = TensorInfo(self.network.input_name, (3, *size), dtype)
        made = self.network(torch.zeros((1, 3, *size), dtype=DTYPES[precision], device=place))
        self.outputs = tuple(TensorInfo(name, tuple(one.shape[1:]), np.float32) for name, one in made.items())
        if place == "cuda":
            torch.cuda.synchronize()

    def executor(self) -> TorchExecutor:
        """Make an executor."""
        return TorchExecutor(self)


class _Foreign:
    """Memory that PyTorch did not take, in the form in which it accepts it."""

    def __init__(self, address: int, shape: tuple[int, ...], dtype: Any) -> None:
        self.__cuda_array_interface__ = {
            "shape": shape,
            "typestr": np.dtype(dtype).str,
            "data": (address, False),
            "version": 3,
        }


def tensor_at(address: int, shape: tuple[int, ...], info: TensorInfo, place: str) -> Tensor:
    """Return a tensor over memory at an address, on the GPU or on the host."""
    if place != "cpu":
        return torch.as_tensor(_Foreign(address, shape, info.dtype), device=place)
    size = math.prod(shape) * np.dtype(info.dtype).itemsize
    raw: HostArray = np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(address))
    return torch.from_numpy(raw.view(info.dtype).reshape(shape))


def _conv(attributes: dict[str, Any], images: Tensor, kernel: Tensor, bias: Tensor | None = None) -> Tensor:
    top, left, bottom, right = attributes.get("pads", [0, 0, 0, 0])
    images = images.contiguous(memory_format=torch.channels_last)
    padded = images if (top, left) == (bottom, right) else functional.pad(images, (left, right, top, bottom))
    padding = (top, left) if padded is images else (0, 0)
    strides, group = attributes.get("strides", [1, 1]), attributes.get("group", 1)
    return functional.conv2d(padded, kernel, bias, strides, padding, attributes.get("dilations", 1), group)


def _reshape(_: dict[str, Any], value: Tensor, shape: Tensor) -> Tensor:
    sizes = [size or value.shape[place] for place, size in enumerate(shape.tolist())]
    return value.reshape(sizes)


def _slice(_: dict[str, Any], value: Tensor, *parts: Tensor) -> Tensor:
    starts, ends, *more = (part.tolist() for part in parts)
    axes = more[0] if more else range(len(starts))
    steps = more[1] if len(more) > 1 else [1] * len(starts)
    cuts = [slice(None)] * value.ndim
    for axis, *cut in zip(axes, starts, ends, steps, strict=True):
        cuts[axis] = slice(*cut)
    return value[tuple(cuts)]


def _gather(attributes: dict[str, Any], value: Tensor, places: Tensor) -> Tensor:
    axis = attributes.get("axis", 0)
    if not places.ndim:
        return value.select(axis, int(places))
    return value.index_select(axis, places)


def _unsqueeze(_: dict[str, Any], value: Tensor, axes: Tensor) -> Tensor:
    for axis in sorted(axes.tolist()):
        value = value.unsqueeze(axis)
    return value


def _resize(attributes: dict[str, Any], images: Tensor, _: Any, scales: Tensor) -> Tensor:
    if attributes.get("mode", b"nearest") != b"nearest":
        raise BackendError("the PyTorch stand-in enlarges to the nearest pixel only")
    factors = scales.tolist()[2:]
    return functional.interpolate(images, scale_factor=factors, mode="nearest")


def _zeros(_: dict[str, Any], shape: Tensor) -> Tensor:
    """Stand for a GRU's first state, which `_run_gru` does not ask for."""
    return torch.zeros(shape.tolist())


_OPERATORS: dict[str, Callable[..., Any]] = {
    "Add": lambda _, one, two: one + two,
    "Concat": lambda attributes, *values: torch.cat(values, attributes["axis"]),
    "ConstantOfShape": _zeros,
    "Conv": _conv,
    "Gather": _gather,
    "Identity": lambda _, value: value,
    "MatMul": lambda _, one, two: one @ two,
    "Mul": lambda _, one, two: one * two,
    "Relu": lambda _, value: value.relu(),
    "Reshape": _reshape,
    "Resize": _resize,
    "Shape": lambda _, value: torch.tensor(value.shape),
    "Sigmoid": lambda _, value: value.sigmoid(),
    "Slice": _slice,
    "Split": lambda attributes, value, sizes: value.split(sizes.tolist(), attributes["axis"]),
    "Sub": lambda _, one, two: one - two,
    "Tanh": lambda _, value: value.tanh(),
    "Transpose": lambda attributes, value: value.permute(attributes["perm"]),
    "Unsqueeze": _unsqueeze,
}
