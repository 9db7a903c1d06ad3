"""Another precision for an ONNX file: TensorRT 11 takes it from the file, not from a flag.

FP16 is made here out of the FP32 file, so that only one of them ships. INT8 (Q/DQ) cannot be:
it needs pictures to measure the ranges by and ships as a file of its own.
"""

from __future__ import annotations

import importlib
import warnings
from typing import Any

from anpr_stream.errors import BackendError


def to_half(onnx_bytes: bytes) -> bytes:
    """Return the network in FP16: input and weights half, outputs float32 as the contract says.

    Raises:
        BackendError: the packages that convert are missing.
    """
    onnx, model = open_network(onnx_bytes, "FP16")
    float16 = _needed("onnxconverter_common.float16", "FP16")
    for index, node in enumerate(model.graph.node):
        # The converter names its casts after the nodes they feed, so every node needs a name.
        node.name = node.name or f"node_{index}"
    with warnings.catch_warnings():
        # It tells of every weight that is smaller than FP16's smallest: they are as good as zero.
        warnings.simplefilter("ignore", UserWarning)
        half = float16.convert_float_to_float16(model, keep_io_types=True)
    # The cast that the converter put behind the input is left with nothing to do.
    half.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT16
    data: bytes = half.SerializeToString()
    return data


def open_network(onnx_bytes: bytes, purpose: str) -> tuple[Any, Any]:
    """Return the onnx package and the network, its weights plain, to be changed for a purpose.

    Raises:
        BackendError: the package is missing.
    """
    onnx = _needed("onnx", purpose)
    model = onnx.load_from_string(onnx_bytes)
    unpack_weights(onnx, model.graph)
    return onnx, model


def _needed(module: str, purpose: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise BackendError(
            f"{purpose} needs {error.name}; install it with pip install 'anpr_stream[tensorrt]'",
            slug="precision-missing",
        ) from error


def unpack_weights(onnx: Any, graph: Any) -> None:
    """Undo the form in which files ship: weights stored as FP16, each cast back by a node."""
    stored = {weight.name: weight for weight in graph.initializer}
    for node in [node for node in graph.node if node.op_type == "Cast" and node.input[0] in stored]:
        weight = stored[node.input[0]]
        full = onnx.numpy_helper.to_array(weight).astype("float32")
        graph.initializer.remove(weight)
        graph.initializer.append(onnx.numpy_helper.from_array(full, node.output[0]))
        graph.node.remove(node)
