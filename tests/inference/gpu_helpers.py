"""Random frames, tiny networks and a GPU backend over host memory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper

from anpr_stream.inference.frame_store import FrameStore
from anpr_stream.inference.gpu_backend import GpuBackend
from anpr_stream.inference.gpu_group import GpuGroup
from anpr_stream.types import ColorMatrix, Frame, PixelFormat, Planes
from tests.inference.host_device import HostDevice, HostEngine


def copying_network() -> bytes:
    """A network whose output `copy` is its input."""
    shape = ["n", 3, "h", "w"]
    graph = helper.make_graph(
        [helper.make_node("Identity", ["images"], ["copy"])],
        "copy",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("copy", TensorProto.FLOAT, shape)],
    )
    return onnx_bytes(graph)


def onnx_bytes(graph: onnx.GraphProto) -> bytes:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return model.SerializeToString()


def member(onnx_file: bytes, size: tuple[int, int], device: HostDevice, store: FrameStore, max_batch: int):
    with device.current():
        return GpuBackend(HostEngine(onnx_file, *size, max_batch), device, store)


def group_of_copies(max_batch: int = 8, devices: Sequence[HostDevice] = (), capacity: int = 0) -> GpuGroup:
    devices = devices or [HostDevice()]
    stores = [FrameStore(device, capacity or 4 * max_batch) for device in devices]
    return GpuGroup(
        lambda gpu, size: member(copying_network(), size, devices[gpu], stores[gpu], max_batch),
        len(devices),
        "host",
    )


def random_frame(
    size: tuple[int, int],
    pixel_format: PixelFormat = PixelFormat.I420,
    full_range: bool = False,
    matrix: ColorMatrix = ColorMatrix.BT601,
    seed: int = 0,
    padding: int = 0,
    camera: str = "camera",
) -> Frame:
    """A frame of noise; `padding` bytes follow each row, as decoders leave them."""
    width, height = size
    half = ((height + 1) // 2, (width + 1) // 2)
    shapes = {
        PixelFormat.I420: [(height, width), half, half],
        PixelFormat.NV12: [(height, width), (*half, 2)],
        PixelFormat.BGR: [(height, width, 3)],
        PixelFormat.GRAY8: [(height, width)],
    }[pixel_format]
    rng = np.random.default_rng(seed)
    arrays = tuple(padded(rng.integers(0, 256, shape, np.uint8), padding) for shape in shapes)
    planes = Planes(pixel_format, arrays, full_range, matrix)
    return Frame(camera, 0, 0.0, 0.0, width, height, planes)


def padded(array: np.ndarray, padding: int) -> np.ndarray:
    """The same samples in rows that are `padding` bytes longer."""
    rows = array.reshape(len(array), -1)
    room = np.zeros((len(array), rows.shape[1] + padding), np.uint8)
    room[:, : rows.shape[1]] = rows
    view = room[:, : rows.shape[1]]
    return np.lib.stride_tricks.as_strided(view, array.shape, (room.strides[0], *array.strides[1:]))
