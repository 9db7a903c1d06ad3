"""Networks as ONNX files: export, proof against PyTorch, INT8, contract and golden sample."""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import torch
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process
from torch import nn

from anpr_stream.vision.contract import METADATA_KEY
from tools.refusal import ToolError

INPUT = "images"
OPSET = 17
PARITY = 1e-4
"""Largest difference between PyTorch and ONNX Runtime that an export may show, absolute and relative."""

QUANTISED_OPERATORS = ("Conv", "Add", "MatMul", "Gemm", "Concat", "MaxPool", "Resize")

LEAST_HALVED = 256
"""Weights of fewer elements are stored as they are."""

FloatArray = npt.NDArray[np.float32]
Outputs = dict[str, FloatArray]


class ExportError(ToolError):
    """A network cannot be exported, or the exported one answers something else."""


def export_onnx(
    network: nn.Module, sample: FloatArray, outputs: Sequence[str], path: Path, free: bool
) -> None:
    """Write `network` (evaluation mode) to `path`, the batch dynamic, height and width too if `free`."""
    names = {0: "n", 2: "height", 3: "width"} if free else {0: "n"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # PyTorch's newer exporter takes a GRU apart and needs minutes for it.
        torch.onnx.export(
            network,
            (torch.from_numpy(sample),),
            str(path),
            input_names=[INPUT],
            output_names=list(outputs),
            dynamic_axes={INPUT: names} | {name: names if free else {0: "n"} for name in outputs},
            opset_version=OPSET,
            dynamo=False,
        )


def write_contract(path: Path, contract: Mapping[str, Any]) -> None:
    """Put `contract` into the file's metadata."""
    model = onnx.load(path)
    onnx.helper.set_model_props(model, {METADATA_KEY: json.dumps(contract)})
    onnx.save(model, path)


def session(path: Path) -> onnxruntime.InferenceSession:
    """`path` in ONNX Runtime on one CPU thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def answers(path: Path, images: FloatArray) -> Outputs:
    """Outputs by name of the network at `path` for `images`."""
    opened = session(path)
    names = [output.name for output in opened.get_outputs()]
    return dict(zip(names, opened.run(names, {INPUT: images}), strict=True))


@torch.inference_mode()
def check_parity(network: nn.Module, path: Path, images: FloatArray) -> Outputs:
    """Compare PyTorch with the file; returns the file's outputs.

    Raises:
        ExportError: an element differs by more than `PARITY`; the worst one is named.
    """
    got = answers(path, images)
    right = network(torch.from_numpy(images))
    for (name, array), tensor in zip(got.items(), [right] if torch.is_tensor(right) else right, strict=True):
        wanted = tensor.numpy()
        error = np.abs(array - wanted) / np.maximum(1.0, np.abs(wanted))
        worst = np.unravel_index(int(np.argmax(error)), error.shape)
        if not error[worst] <= PARITY:
            place = ", ".join(str(int(index)) for index in worst)
            raise ExportError(
                f"{path}: {name}[{place}] is {array[worst]:.6g}, PyTorch says {wanted[worst]:.6g}: "
                f"{error[worst]:.2g} apart, {PARITY:g} are allowed"
            )
    return got


class _Calibration(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, batches: Iterator[FloatArray]) -> None:
        self._batches = batches

    def get_next(self) -> dict[str, FloatArray] | None:
        images = next(self._batches, None)
        return None if images is None else {INPUT: images}


def quantise(
    source: Path,
    target: Path,
    batches: Callable[[], Iterator[FloatArray]],
    keep: Sequence[str] = (),
    ranges: CalibrationMethod = CalibrationMethod.MinMax,
) -> None:
    """Write `source` in INT8 to `target`.

    Static Q/DQ, symmetric int8 for activations and weights, biases left in FP32: the form that ONNX
    Runtime, OpenVINO and TensorRT all take. Recurrent layers stay in FP32. Weights keep to 7 bits: a
    processor with AVX2 and no VNNI adds two products in 16 bits, where those of 8 bits overflow. What
    convolutions put out is rounded where the next one takes it in, after ReLU and sum, and not before.

    Args:
        source: an FP32 network.
        target: the file to write.
        batches: images to measure the activations' ranges on.
        keep: names of nodes that stay in FP32.
        ranges: how an activation's range follows from its values.
    """
    silent = contextlib.redirect_stdout(io.StringIO())
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(), silent:
        warnings.simplefilter("ignore")
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
        quantize_static(
            str(prepared),
            str(target),
            _Calibration(batches()),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(QUANTISED_OPERATORS),
            nodes_to_exclude=list(keep),
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=ranges,
            extra_options={
                "ActivationSymmetric": True,
                "WeightSymmetric": True,
                "QuantizeBias": False,
                "OpTypesToExcludeOutputQuantization": ["Conv"],
            },
        )


def halve_weights(path: Path) -> None:
    """Store the FP32 weights of the network at `path` as FP16, cast back when it is loaded.

    The file shrinks by half; engines fold the casts away, so that the network computes in FP32 as before,
    with weights rounded to 11 bits.
    """
    model = onnx.load(path)
    graph, casts = model.graph, []
    large = [weight for weight in graph.initializer if is_large_fp32(weight)]
    for weight in large:
        half = onnx.numpy_helper.to_array(weight).astype(np.float16)
        stored = onnx.numpy_helper.from_array(half, f"{weight.name}_half")
        graph.initializer.remove(weight)
        graph.initializer.append(stored)
        casts.append(onnx.helper.make_node("Cast", [stored.name], [weight.name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.save(model, path)


def is_large_fp32(weight: onnx.TensorProto) -> bool:
    """Whether storing `weight` in half its size is worth a node."""
    return bool(weight.data_type == onnx.TensorProto.FLOAT and np.prod(weight.dims) >= LEAST_HALVED)


def node_names(path: Path, operators: Sequence[str]) -> list[str]:
    """Names of the nodes of these types, in the order of the graph."""
    return [node.name for node in onnx.load(path).graph.node if node.op_type in operators]


def write_golden(path: Path, images: FloatArray, outputs: Outputs) -> None:
    """Write what `images` must give, for the self-test of every engine."""
    with path.open("wb") as file:
        arrays: dict[str, Any] = {"input": images, **outputs}
        np.savez_compressed(file, **arrays)
