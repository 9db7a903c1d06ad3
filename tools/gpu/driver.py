"""A GPU through the driver's own library: where pycuda is missing, and to tell how full its memory is."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from typing import Any

import numpy as np
import numpy.typing as npt

from anpr_stream.errors import BackendError
from anpr_stream.inference.cuda import BLOCK, dotted, record_graph
from anpr_stream.inference.device import Buffer, DeviceInfo, Graph, HostArray, Stream

OUT_OF_MEMORY = 2
NON_BLOCKING = 1
MAJOR, MINOR = 75, 76
"""Numbers of the two attributes that make up the compute capability."""


@dataclass(frozen=True, slots=True)
class Memory:
    """A GPU's memory at a moment, over all programs that use it.

    Attributes:
        used_bytes: taken.
        total_bytes: there.
    """

    used_bytes: int
    total_bytes: int


class Driver:
    """The functions of `libcuda`; whatever is not answered with success is raised.

    Raises:
        BackendError: there is no driver, or it found no GPU.
    """

    def __init__(self, path: str = "libcuda.so.1") -> None:
        try:
            self.library = ctypes.CDLL(path)
        except OSError as error:
            raise BackendError(f"there is no NVIDIA driver ({error})", slug="gpu-missing") from error
        self.call("cuInit", 0)

    def call(self, name: str, *arguments: Any) -> None:
        """Call a function; Python's whole numbers go as C's `int`."""
        code = getattr(self.library, name)(*arguments)
        if code:
            slug = "gpu-memory" if code == OUT_OF_MEMORY else "gpu-failed"
            raise BackendError(f"{name} answers with CUDA error {code}", slug=slug)

    def number(self, name: str, *arguments: Any, kind: Any = ctypes.c_int) -> Any:
        """Call a function whose first argument takes its answer."""
        answer = kind()
        self.call(name, ctypes.byref(answer), *arguments)
        return answer.value


class DriverBuffer:
    """Device memory, freed with the object."""

    def __init__(self, driver: Driver, size: int) -> None:
        self._driver = driver
        self.size = size
        self.address: int = driver.number("cuMemAlloc_v2", ctypes.c_size_t(size), kind=ctypes.c_uint64)

    def __del__(self) -> None:
        if hasattr(self, "address"):
            self._driver.library.cuMemFree_v2(ctypes.c_uint64(self.address))


class DriverStream:
    """Work that runs in order beside other streams."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self.handle: int = driver.number("cuStreamCreate", NON_BLOCKING, kind=ctypes.c_void_p)

    def synchronize(self) -> None:
        """Wait until all work on the stream is done."""
        self._driver.call("cuStreamSynchronize", ctypes.c_void_p(self.handle))


class DriverDevice:
    """The first GPU's primary context, which PyTorch uses too; implements `device.Device`."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._gpu = driver.number("cuDeviceGet", 0)
        self.info = self._info()
        self._context = ctypes.c_void_p(
            driver.number("cuDevicePrimaryCtxRetain", self._gpu, kind=ctypes.c_void_p)
        )
        with self.current():
            source = resources.files("anpr_stream.inference").joinpath("kernels.ptx").read_bytes()
            self._module = ctypes.c_void_p(
                driver.number("cuModuleLoadData", ctypes.c_char_p(source), kind=ctypes.c_void_p)
            )

    def _info(self) -> DeviceInfo:
        name = ctypes.create_string_buffer(256)
        self._driver.call("cuDeviceGetName", name, len(name), self._gpu)
        capability = [
            self._driver.number("cuDeviceGetAttribute", which, self._gpu) for which in (MAJOR, MINOR)
        ]
        return DeviceInfo(
            index=0,
            name=name.value.decode(),
            compute_capability=".".join(map(str, capability)),
            driver=dotted(self._driver.number("cuDriverGetVersion")),
            memory_bytes=self._driver.number("cuDeviceTotalMem_v2", self._gpu, kind=ctypes.c_size_t),
        )

    def memory(self) -> Memory:
        """Return how full the GPU's memory is now."""
        free, total = ctypes.c_size_t(), ctypes.c_size_t()
        with self.current():
            self._driver.call("cuMemGetInfo_v2", ctypes.byref(free), ctypes.byref(total))
        return Memory(total.value - free.value, total.value)

    @contextmanager
    def current(self) -> Iterator[None]:
        """Make the GPU this thread's for the time of a `with`."""
        self._driver.call("cuCtxPushCurrent_v2", self._context)
        try:
            yield
        finally:
            self._driver.call("cuCtxPopCurrent_v2", ctypes.byref(ctypes.c_void_p()))

    def stream(self) -> Stream:
        """Make a stream."""
        return DriverStream(self._driver)

    def allocate(self, size: int) -> Buffer:
        """Take device memory."""
        return DriverBuffer(self._driver, size)

    def pinned(self, shape: Sequence[int], dtype: npt.DTypeLike) -> HostArray:
        """Return a host array that copies run from and to without a detour; it stays until the end."""
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        address = self._driver.number("cuMemHostAlloc", ctypes.c_size_t(size), 0, kind=ctypes.c_void_p)
        raw: HostArray = np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(address))
        return raw.view(dtype).reshape(tuple(shape))

    def upload(self, buffer: Buffer, host: HostArray, stream: Stream, offset: int = 0) -> None:
        """Start a copy from a pinned array to `offset` bytes into a buffer."""
        target, source = ctypes.c_uint64(buffer.address + offset), ctypes.c_void_p(host.ctypes.data)
        self._driver.call("cuMemcpyHtoDAsync_v2", target, source, *_end(host.nbytes, stream))

    def download(self, host: HostArray, buffer: Buffer, stream: Stream) -> None:
        """Start a copy from a buffer to a pinned array."""
        target, source = ctypes.c_void_p(host.ctypes.data), ctypes.c_uint64(buffer.address)
        self._driver.call("cuMemcpyDtoHAsync_v2", target, source, *_end(host.nbytes, stream))

    def copy(self, target: int, source: int, size: int, stream: Stream) -> None:
        """Start a copy of `size` bytes between two addresses on the device."""
        addresses = ctypes.c_uint64(target), ctypes.c_uint64(source)
        self._driver.call("cuMemcpyDtoDAsync_v2", *addresses, *_end(size, stream))

    def launch(
        self, kernel: str, size: tuple[int, int, int], arguments: Sequence[Buffer | np.int32], stream: Stream
    ) -> None:
        """Start a kernel of `kernels.cu` on (width, height, batch) pixels."""
        function = self._driver.number(
            "cuModuleGetFunction", self._module, kernel.encode(), kind=ctypes.c_void_p
        )
        values = [
            ctypes.c_int32(int(a)) if isinstance(a, np.int32) else ctypes.c_uint64(a.address)
            for a in arguments
        ]
        places = (ctypes.c_void_p * len(values))(*map(ctypes.addressof, values))
        grid = (-(-size[0] // BLOCK[0]), -(-size[1] // BLOCK[1]), size[2])
        on = (0, ctypes.c_void_p(stream.handle), places, None)
        self._driver.call("cuLaunchKernel", ctypes.c_void_p(function), *grid, *BLOCK, *on)

    def record(self, work: Callable[[], None], stream: Stream) -> Graph | None:
        """Record what `work` starts on the stream; None where that cannot be done."""
        return record_graph(self._driver.library, work, stream)


def _end(size: int, stream: Stream) -> tuple[ctypes.c_size_t, ctypes.c_void_p]:
    return ctypes.c_size_t(size), ctypes.c_void_p(stream.handle)
