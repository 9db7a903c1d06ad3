"""What we ask of a GPU: memory, streams, kernels and graphs, behind one small Protocol.

`cuda.py` answers with pycuda; the tests answer with host memory and the same kernels compiled
for the host.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

HostArray = npt.NDArray[Any]
"""An array in the host's memory."""


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    """One GPU.

    Attributes:
        index: its number, as in `nvidia-smi`.
        name: product name.
        compute_capability: e.g. `8.6`.
        driver: the CUDA version that the driver supports, e.g. `13.0`.
        memory_bytes: its memory.
    """

    index: int
    name: str
    compute_capability: str
    driver: str
    memory_bytes: int


class Buffer(Protocol):
    """Device memory, freed with the object."""

    @property
    def address(self) -> int:
        """Where it begins."""

    @property
    def size(self) -> int:
        """Bytes."""


class Stream(Protocol):
    """Work that runs in order beside other streams."""

    @property
    def handle(self) -> int:
        """The driver's handle, for TensorRT."""

    def synchronize(self) -> None:
        """Wait until all work on the stream is done."""


class Graph(Protocol):
    """Recorded work that is launched as one."""

    def launch(self, stream: Stream) -> None:
        """Start it on a stream."""


class Device(Protocol):
    """One GPU, used from one thread at a time."""

    @property
    def info(self) -> DeviceInfo:
        """Which GPU this is."""

    def current(self) -> AbstractContextManager[None]:
        """Make the GPU this thread's for the time of a `with`."""

    def stream(self) -> Stream:
        """Make a stream."""

    def allocate(self, size: int) -> Buffer:
        """Take device memory.

        Raises:
            BackendError: there is not enough.
        """

    def pinned(self, shape: Sequence[int], dtype: npt.DTypeLike) -> HostArray:
        """Return a host array that copies run from and to without a detour."""

    def upload(self, buffer: Buffer, host: HostArray, stream: Stream, offset: int = 0) -> None:
        """Start a copy from a pinned array to `offset` bytes into a buffer."""

    def download(self, host: HostArray, buffer: Buffer, stream: Stream) -> None:
        """Start a copy from a buffer to a pinned array."""

    def copy(self, target: int, source: int, size: int, stream: Stream) -> None:
        """Start a copy of `size` bytes between two addresses on the device."""

    def launch(
        self, kernel: str, size: tuple[int, int, int], arguments: Sequence[Buffer | np.int32], stream: Stream
    ) -> None:
        """Start a kernel of `kernels.cu` on (width, height, batch) pixels."""

    def record(self, work: Callable[[], None], stream: Stream) -> Graph | None:
        """Record what `work` starts on the stream; None where that cannot be done."""


def count_as_nvidia_smi() -> None:
    """Have CUDA number GPUs by their slots; it would put the fastest first. Too late once it has started."""
    os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
