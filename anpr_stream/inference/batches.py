"""Batches through a GPU engine: two in flight, so that copies, kernels and inference overlap."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from anpr_stream.inference.device import Buffer, Device, Graph, HostArray, Stream
from anpr_stream.types import FloatArray

WORTH_SPLITTING = 8
"""Smaller requests run as one batch: halves would fill a GPU worse than they overlap."""


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """One input or output of an engine.

    Attributes:
        name: as in the ONNX file.
        shape: without the batch axis.
        dtype: float32 or float16.
    """

    name: str
    shape: tuple[int, ...]
    dtype: npt.DTypeLike

    def bytes(self, batch: int) -> int:
        """Return the size of a batch."""
        return batch * int(np.prod(self.shape)) * np.dtype(self.dtype).itemsize


class Executor(Protocol):
    """One execution context of an engine; used by one batch at a time."""

    def enqueue(self, batch: int, addresses: dict[str, int], stream: Stream) -> None:
        """Start a batch whose tensors lie at the given device addresses.

        Raises:
            BackendError: the engine refused.
        """


class Engine(Protocol):
    """A network on a GPU."""

    @property
    def input(self) -> TensorInfo:
        """What goes in."""

    @property
    def outputs(self) -> tuple[TensorInfo, ...]:
        """What comes out."""

    @property
    def max_batch(self) -> int:
        """Largest batch."""

    def executor(self) -> Executor:
        """Make an execution context."""


@dataclass
class Lane:
    """Everything that one batch in flight needs, taken once."""

    stream: Stream
    staging: HostArray
    input: Buffer
    outputs: dict[str, Buffer]
    results: dict[str, HostArray]
    executors: dict[int, Executor] = field(default_factory=dict)
    graphs: dict[int, Graph | None] = field(default_factory=dict)

    def addresses(self, input_name: str) -> dict[str, int]:
        """Return tensor name to device address."""
        return {input_name: self.input.address, **{k: b.address for k, b in self.outputs.items()}}


Fill = Callable[[Lane, slice], None]
"""Starts, on the lane's stream, whatever puts the given part of the request into `lane.input`."""


@dataclass(frozen=True, slots=True)
class Pending:
    """A request that is under way; to be waited for before the next one begins."""

    _total: dict[str, FloatArray]
    _flying: deque[tuple[Lane, slice]]

    def result(self) -> dict[str, FloatArray]:
        """Wait and return each output as float32, in the order of the request."""
        while self._flying:
            _collect(*self._flying.popleft(), self._total)
        return self._total


def _collect(lane: Lane, part: slice, total: dict[str, FloatArray]) -> None:
    lane.stream.synchronize()
    for name, result in lane.results.items():
        total[name][part] = result[: part.stop - part.start]


class BatchRunner:
    """Runs requests of any size through an engine.

    Batches are rounded up to powers of two, so that each bucket's CUDA graph is recorded once
    and replayed. Nothing is allocated per batch but the returned arrays.
    """

    def __init__(self, engine: Engine, device: Device, lanes: int = 2) -> None:
        self.engine = engine
        self._device = device
        self._lanes = deque(self._make_lane() for _ in range(lanes))

    def _make_lane(self) -> Lane:
        engine, device, most = self.engine, self._device, self.engine.max_batch
        return Lane(
            stream=device.stream(),
            staging=device.pinned((most, *engine.input.shape), engine.input.dtype),
            input=device.allocate(engine.input.bytes(most)),
            outputs={t.name: device.allocate(t.bytes(most)) for t in engine.outputs},
            results={t.name: device.pinned((most, *t.shape), t.dtype) for t in engine.outputs},
        )

    def close(self) -> None:
        """Free what batches need; the GPU is current. May be called twice."""
        self._lanes.clear()

    def begin(self, count: int, fill: Fill) -> Pending:
        """Start `count` pictures; returns while the last parts still run."""
        total = {t.name: np.empty((count, *t.shape), np.float32) for t in self.engine.outputs}
        flying: deque[tuple[Lane, slice]] = deque()
        for part in self._parts(count):
            if len(flying) == len(self._lanes):
                _collect(*flying.popleft(), total)
            lane = self._lanes[0]
            self._lanes.rotate(-1)
            self._start(lane, part, fill)
            flying.append((lane, part))
        return Pending(total, flying)

    def _parts(self, count: int) -> Iterator[slice]:
        """Split a request so that every lane has work and no part is over the largest batch."""
        share = -(-count // len(self._lanes)) if count > WORTH_SPLITTING else count
        size = max(1, min(self.engine.max_batch, share))
        for start in range(0, count, size):
            yield slice(start, min(count, start + size))

    def _start(self, lane: Lane, part: slice, fill: Fill) -> None:
        fill(lane, part)
        bucket = self._bucket(part.stop - part.start)
        if bucket not in lane.graphs:
            # A graph holds the shapes of its context, so each bucket has a context of its own.
            lane.executors[bucket] = self.engine.executor()
            self._enqueue(lane, bucket)
            lane.graphs[bucket] = self._device.record(lambda: self._enqueue(lane, bucket), lane.stream)
        elif (graph := lane.graphs[bucket]) is not None:
            graph.launch(lane.stream)
        else:
            self._enqueue(lane, bucket)

    def _enqueue(self, lane: Lane, bucket: int) -> None:
        lane.executors[bucket].enqueue(bucket, lane.addresses(self.engine.input.name), lane.stream)
        for name, buffer in lane.outputs.items():
            self._device.download(lane.results[name][:bucket], buffer, lane.stream)

    def _bucket(self, size: int) -> int:
        return int(min(self.engine.max_batch, 1 << (size - 1).bit_length()))
