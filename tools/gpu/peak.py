"""The chip's peak in large matrix products, and the time of a network alone on the GPU."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from anpr_stream.errors import BackendError
from anpr_stream.inference.batches import Engine
from anpr_stream.inference.device import Device, Stream
from anpr_stream.inference.models import ModelFile
from anpr_stream.vision.contract import CharactersContract
from tools.gpu.engines import Job
from tools.gpu.speed import per_call_s

SIDE = 4096
"""Rows and columns of the products: large enough that arithmetic alone decides."""
PRODUCTS = 8


@dataclass(frozen=True, slots=True)
class Peak:
    """The rate that large matrix products reach.

    Attributes:
        precision: of the arithmetic.
        engine: which ran them.
        tflops: million million operations a second.
    """

    precision: str
    engine: str
    tflops: float


def measure_peak(job: Job, folder: Path, seconds: float, side: int = SIDE) -> Peak:
    """Time a chain of matrix products as a network of the engine.

    Raises:
        AnprError: the engine has no bare form or refuses the network.
    """
    file = write_products(folder / "products.onnx", side)
    make = job.maker(file)
    if make is None or job.device is None:
        raise BackendError(f"{job.engine} runs nothing without its copies")
    milliseconds = gpu_ms(make((side, side)), job.device, 1, seconds)
    return Peak(job.precision, job.engine, products_flop(side) / milliseconds * 1e-9)


def products_flop(side: int) -> float:
    """Return the operations of `write_products`' network, told rather than counted: counting runs it."""
    return PRODUCTS * 2.0 * 3 * side**3


def write_products(path: Path, side: int) -> ModelFile:
    """Write images (1, 3, side, side) times one and the same matrix, several times over."""
    weights = np.random.default_rng(0).standard_normal((side, side), np.float32) / np.sqrt(side)
    names = ["images", *(f"product{index}" for index in range(PRODUCTS))]
    nodes = [
        helper.make_node("MatMul", [source, "weights"], [target], target)
        for source, target in pairwise(names)
    ]
    shape: list[str | int | None] = ["n", 3, side, side]
    graph = helper.make_graph(
        nodes,
        "products",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(names[-1], TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(weights.astype(np.float32), "weights")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return ModelFile(path, CharactersContract("products", "1", "images", side, side), "")


@cache
def _stream(device: Device) -> Stream:
    """Make one stream for all measurements: PyTorch keeps memory for every stream that it has seen."""
    return device.stream()


def gpu_ms(engine: Engine, device: Device, batch: int, seconds: float) -> float:
    """Return the milliseconds of a batch of noise that lies on the GPU, and whose answer stays there."""
    with device.current():
        stream = _stream(device)  # type: ignore[arg-type]
        buffers = {info.name: device.allocate(info.bytes(batch)) for info in (engine.input, *engine.outputs)}
        addresses = {name: buffer.address for name, buffer in buffers.items()}
        noise = device.pinned((batch, *engine.input.shape), engine.input.dtype)
        noise[:] = np.random.default_rng(0).random(noise.shape, np.float32)
        device.upload(buffers[engine.input.name], noise, stream)
        executor = engine.executor()

        def start() -> None:
            executor.enqueue(batch, addresses, stream)

        start()
        stream.synchronize()
        graph = device.record(start, stream)

        def once() -> None:
            start() if graph is None else graph.launch(stream)
            stream.synchronize()

        return 1000 * per_call_s(once, seconds)
