"""Tiny networks and GPU backends over host memory."""

from __future__ import annotations

from collections.abc import Sequence

import onnx
from onnx import TensorProto, helper

from anpr_stream.inference.frame_store import FrameStore
from anpr_stream.inference.gpu_backend import GpuBackend
from anpr_stream.inference.gpu_group import GpuGroup
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
