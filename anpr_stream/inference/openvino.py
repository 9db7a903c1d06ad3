"""OpenVINO: the fast path on processors, INT8 with AVX2, VNNI or AMX, bf16 where the processor has it."""

from __future__ import annotations

import math
import sys
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Lock
from typing import Any

import numpy as np

from anpr_stream.errors import BackendError
from anpr_stream.types import FloatArray

# Where this package is found, every import of OpenVINO is reported to Google Analytics.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]

import openvino  # noqa: E402

MAX_SHAPES = 12
"""Input shapes kept compiled, some 30 MB each; the one unused for longest goes."""

PARTS = (4, 2, 1)
"""Small pictures in a run: two at once cost a fifth less each than one by one, four up to a third."""

SMALL_PX = 1 << 15
"""Larger pictures fill the processor by themselves: several at once cost as much each, and much memory."""

HINTS = {"fp32": "f32", "int8": "f32", "bf16": "bf16", "fp16": "f16"}
"""Arithmetic of what is not quantised."""


def version() -> str:
    """Version of OpenVINO."""
    return str(openvino.__version__)


@cache
def _core() -> Any:
    """Return the core of all networks, which is never freed.

    Each brings its thread a stack for signals and puts the one before back when it goes. Freed in another
    order than they were made, several leave one that is there no more, and the next signal ends the process.
    """
    return openvino.Core()


def capabilities() -> frozenset[str]:
    """Return what OpenVINO has arithmetic for on this processor: `FP32`, `INT8`, `BF16`, `FP16` ..."""
    try:
        return frozenset(_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"))
    except RuntimeError as error:
        raise BackendError(f"openvino has no CPU device: {_last_line(error)}") from error


class OpenVinoBackend:
    """A network on OpenVINO.

    Each input shape is compiled by itself, when it first comes: a network with open shapes runs slower, and a
    quantised GRU with an open batch is refused. So that few shapes come, a batch is run in parts of 4,
    2 and 1 pictures, or one by one. `run` may be called from any number of threads.
    """

    def __init__(self, path: Path, precision: str, threads: int, streams: int = 1) -> None:
        """Read the network.

        Args:
            path: ONNX file.
            precision: `fp32`, `bf16`, `fp16` for the arithmetic, `int8` for a quantised file.
            threads: of one run on the CPU.
            streams: runs side by side; whoever comes beyond them waits.

        Raises:
            BackendError: the file is refused.
        """
        self.description = f"openvino {precision} cpu"
        self.streams = streams
        self._config = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads * streams,
            "NUM_STREAMS": streams,
            "INFERENCE_PRECISION_HINT": HINTS[precision],
            "ENABLE_CPU_PINNING": False,
        }
        self._lock = Lock()
        self._shapes: OrderedDict[tuple[int, ...], _Requests] = OrderedDict()
        try:
            self._network: Any = _core().read_model(str(path))
        except RuntimeError as error:
            raise BackendError(f"openvino refuses {path.name}: {_last_line(error)}") from error
        self._outputs = [output.get_any_name() for output in self._network.outputs]

    def run(self, images: FloatArray) -> dict[str, FloatArray]:
        """Run a batch; see `anpr_stream.interfaces.Backend`."""
        try:
            parts = [self._run_part(images[part]) for part in batch_parts(images.shape)]
        except RuntimeError as error:
            raise BackendError(f"openvino failed: {_last_line(error)}") from error
        if len(parts) == 1:
            return parts[0]
        return {name: np.concatenate([part[name] for part in parts]) for name in self._outputs}

    def close(self) -> None:
        """Free the engine; may be called twice."""
        with self._lock:
            self._shapes.clear()
            self._network = None

    def _run_part(self, images: FloatArray) -> dict[str, FloatArray]:
        with self._requests(images.shape).taken() as request:
            results = request.infer({0: np.ascontiguousarray(images)}, share_inputs=True)
            return {name: results[index] for index, name in enumerate(self._outputs)}

    def _requests(self, shape: tuple[int, ...]) -> _Requests:
        with self._lock:
            if self._network is None:
                raise BackendError("openvino: this network was closed")
            if shape not in self._shapes:
                self._network.reshape({0: shape})
                self._shapes[shape] = _Requests(_core().compile_model(self._network, "CPU", self._config))
                if len(self._shapes) > MAX_SHAPES:
                    self._shapes.popitem(last=False)
            self._shapes.move_to_end(shape)
            return self._shapes[shape]


class _Requests:
    """The network compiled for one input shape, and its requests at rest: each serves one thread."""

    def __init__(self, compiled: Any) -> None:
        self._compiled = compiled
        self._resting: SimpleQueue[Any] = SimpleQueue()

    @contextmanager
    def taken(self) -> Iterator[Any]:
        """Lend a request."""
        try:
            request = self._resting.get_nowait()
        except Empty:
            request = self._compiled.create_infer_request()
        try:
            yield request
        finally:
            self._resting.put(request)


def batch_parts(shape: tuple[int, ...]) -> list[slice]:
    """Cut a batch (N, ..., H, W) into parts of the sizes in `PARTS`, or of one if its pictures are large."""
    parts, start = [], 0
    count, is_small = shape[0], math.prod(shape[-2:]) <= SMALL_PX
    for size in PARTS if is_small else (1,):
        while count - start >= size:
            parts.append(slice(start, start + size))
            start += size
    return parts


def _last_line(error: Exception) -> str:
    """OpenVINO puts the places in its source first and what is wrong last."""
    return (str(error).strip().splitlines() or [type(error).__name__])[-1]
