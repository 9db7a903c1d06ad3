"""A GPU made of host memory: the same kernels compiled for the host, and ONNX Runtime as engine.

It stands where pycuda and TensorRT stand, and nowhere above, so that the tests run everything
else for real.
"""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from importlib import resources
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import onnxruntime as ort

from anpr_stream.errors import BackendError
from anpr_stream.inference.batches import TensorInfo
from anpr_stream.inference.device import DeviceInfo

COMPILER = shutil.which("g++")


@lru_cache(maxsize=1)
def host_kernels() -> ctypes.CDLL:
    source = Path(str(resources.files("anpr_stream.inference").joinpath("kernels.cu")))
    library = Path(mkdtemp(prefix="anpr_kernels_")) / "kernels.so"
    command = [COMPILER, "-std=c++17", "-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-DANPR_HOST"]
    subprocess.run([*command, "-x", "c++", str(source), "-o", str(library)], check=True)
    return ctypes.CDLL(str(library))


class HostBuffer:
    def __init__(self, size: int) -> None:
        self.memory = np.zeros(size, np.uint8)
        self.size = size

    @property
    def address(self) -> int:
        return self.memory.ctypes.data


class HostStream:
    """Runs its work only when waited for, so that a missing `synchronize` shows."""

    def __init__(self, handle: int) -> None:
        self.handle = handle
        self.pending: list[Callable[[], None]] = []
        self.recording: list[Callable[[], None]] | None = None

    def put(self, work: Callable[[], None]) -> None:
        (self.pending if self.recording is None else self.recording).append(work)

    def synchronize(self) -> None:
        pending, self.pending = self.pending, []
        for work in pending:
            work()


class HostGraph:
    def __init__(self, work: Sequence[Callable[[], None]]) -> None:
        self.work = work
        self.launches = 0

    def launch(self, stream: HostStream) -> None:
        self.launches += 1
        for step in self.work:
            stream.put(step)


class HostDevice:
    def __init__(self, memory_bytes: int = 1 << 30) -> None:
        self.info = DeviceInfo(0, "Host", "0.0", "0.0", memory_bytes)
        self.streams: list[HostStream] = []
        self.graphs: list[HostGraph] = []
        self.uploaded_bytes = 0
        self.depth = 0

    @contextmanager
    def current(self) -> Iterator[None]:
        self.depth += 1
        yield
        self.depth -= 1

    def stream(self) -> HostStream:
        self.streams.append(HostStream(len(self.streams) + 1))
        return self.streams[-1]

    def allocate(self, size: int) -> HostBuffer:
        assert self.depth, "memory is taken with the GPU current"
        if size > self.info.memory_bytes:
            raise BackendError("Host has no memory left", slug="gpu-memory")
        return HostBuffer(size)

    def pinned(self, shape, dtype):
        return np.zeros(tuple(shape), dtype)

    def upload(self, buffer, host, stream, offset: int = 0) -> None:
        raw = host.reshape(-1).view(np.uint8)
        self.uploaded_bytes += raw.size
        target = buffer.memory[offset : offset + raw.size]
        stream.put(lambda: np.copyto(target, raw))

    def download(self, host, buffer, stream) -> None:
        raw = host.reshape(-1).view(np.uint8)
        stream.put(lambda: np.copyto(raw, buffer.memory[: raw.size]))

    def copy(self, target, source, size, stream) -> None:
        stream.put(lambda: ctypes.memmove(target, source, size))

    def launch(self, kernel, size, arguments, stream) -> None:
        function = getattr(host_kernels(), kernel)
        values = [
            ctypes.c_int(int(a)) if isinstance(a, np.int32) else ctypes.c_void_p(a.address) for a in arguments
        ]
        stream.put(lambda: function(*values))

    def record(self, work, stream):
        stream.recording = []
        work()
        graph = HostGraph(stream.recording)
        stream.recording = None
        self.graphs.append(graph)
        return graph


class HostExecutor:
    def __init__(self, engine: HostEngine) -> None:
        self.engine = engine

    def enqueue(self, batch, addresses, stream) -> None:
        stream.put(lambda: self.run(batch, addresses))

    def run(self, batch: int, addresses: dict[str, int]) -> None:
        engine = self.engine
        engine.batches.append(batch)
        images = at(addresses[engine.input.name], (batch, *engine.input.shape))
        results = engine.session.run([t.name for t in engine.outputs], {engine.input.name: images})
        for info, result in zip(engine.outputs, results, strict=True):
            at(addresses[info.name], (batch, *info.shape))[:] = result


def at(address: int, shape: tuple[int, ...]) -> np.ndarray:
    count = int(np.prod(shape))
    return np.ctypeslib.as_array((ctypes.c_float * count).from_address(address)).reshape(shape)


class HostEngine:
    """ONNX Runtime where a TensorRT plan would be."""

    def __init__(self, onnx: bytes, height: int, width: int, max_batch: int) -> None:
        self.session = ort.InferenceSession(onnx, providers=["CPUExecutionProvider"])
        self.max_batch = max_batch
        self.batches: list[int] = []
        name = self.session.get_inputs()[0].name
        self.input = TensorInfo(name, (3, height, width), np.float32)
        names = [output.name for output in self.session.get_outputs()]
        sample = self.session.run(names, {name: np.zeros((1, 3, height, width), np.float32)})
        self.outputs = tuple(
            TensorInfo(n, result.shape[1:], np.float32) for n, result in zip(names, sample, strict=True)
        )

    def executor(self) -> HostExecutor:
        return HostExecutor(self)
