"""A GPU through pycuda: primary context, streams, pinned memory, kernels, CUDA graphs."""

from __future__ import annotations

import ctypes
import importlib
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import resources
from typing import Any

import numpy as np
import numpy.typing as npt

from anpr_stream.errors import BackendError
from anpr_stream.inference.device import (
    Buffer,
    DeviceInfo,
    Graph,
    HostArray,
    Stream,
    count_as_nvidia_smi,
)

LOG = logging.getLogger(__name__)
BLOCK = (32, 8, 1)
CAPTURE_THREAD_LOCAL = 1
NON_BLOCKING = 1
"""Of streams beside the default one: what another thread starts there would spoil a recording here."""


def _driver() -> Any:
    """Import pycuda and start the driver.

    Raises:
        BackendError: pycuda or the driver is missing.
    """
    count_as_nvidia_smi()
    try:
        driver = importlib.import_module("pycuda.driver")
    except (ImportError, OSError) as error:
        first = str(error).splitlines()[0]
        raise BackendError(
            f"pycuda is not usable ({first}); install it with pip install 'anpr_stream[tensorrt]'",
            slug="pycuda-missing",
        ) from error
    try:
        driver.init()
        count = driver.Device.count()
    except driver.Error as error:
        raise BackendError(f"the NVIDIA driver does not answer ({error})", slug="gpu-missing") from error
    if count == 0:
        raise BackendError("no NVIDIA GPU on this machine", slug="gpu-missing")
    return driver


def count_devices() -> int:
    """Return the number of GPUs.

    Raises:
        BackendError: pycuda, the driver or a GPU is missing.
    """
    return int(_driver().Device.count())


class _Owned:
    """A thing of pycuda's, freed with the object.

    Outside its context pycuda frees nothing, without a word, but in the thread that opened the GPU.
    """

    def __init__(self, device: CudaDevice, take: Callable[[], Any]) -> None:
        self._device = device
        self.thing: Any = None
        self.thing = take()

    def __del__(self) -> None:
        with suppress(BackendError), self._device.current():
            self.thing = None


class CudaBuffer(_Owned):
    """Device memory."""

    def __init__(self, device: CudaDevice, size: int) -> None:
        super().__init__(device, lambda: device.driver.mem_alloc(size))
        self.size = size

    @property
    def address(self) -> int:
        """Where it begins."""
        return int(self.thing)


class CudaStream(_Owned):
    """Work that runs in order beside other streams."""

    def __init__(self, device: CudaDevice) -> None:
        super().__init__(device, lambda: device.driver.Stream(NON_BLOCKING))

    @property
    def handle(self) -> int:
        """The driver's handle."""
        return int(self.thing.handle)

    def synchronize(self) -> None:
        """Wait until all work on the stream is done."""
        self.thing.synchronize()


class _Pinned(_Owned):
    """Pinned memory as NumPy takes it: the arrays over it keep this object."""

    def __init__(self, device: CudaDevice, shape: Sequence[int], dtype: npt.DTypeLike) -> None:
        super().__init__(device, lambda: device.driver.pagelocked_empty(tuple(shape), dtype))
        self.__array_interface__ = self.thing.__array_interface__


class CudaGraph:
    """An instantiated CUDA graph."""

    def __init__(self, library: ctypes.CDLL, handle: ctypes.c_void_p) -> None:
        self._library = library
        self._handle = handle

    def launch(self, stream: Stream) -> None:
        """Start it on a stream."""
        code = self._library.cuGraphLaunch(self._handle, ctypes.c_void_p(stream.handle))
        if code:
            raise BackendError(f"the GPU refused a recorded batch (CUDA error {code})", slug="gpu-failed")

    def __del__(self) -> None:
        self._library.cuGraphExecDestroy(self._handle)


class CudaDevice:
    """One NVIDIA GPU; implements `device.Device`."""

    def __init__(self, index: int = 0) -> None:
        self.driver = _driver()
        if index >= self.driver.Device.count():
            raise BackendError(f"there is no GPU {index} on this machine", slug="gpu-missing")
        device = self.driver.Device(index)
        self.info = DeviceInfo(
            index=index,
            name=device.name(),
            compute_capability=".".join(map(str, device.compute_capability())),
            driver=dotted(self.driver.get_driver_version()),
            memory_bytes=device.total_memory(),
        )
        with self._told():
            self._context = device.retain_primary_context()
        with self.current():
            source = resources.files("anpr_stream.inference").joinpath("kernels.ptx").read_bytes()
            self._module = self.driver.module_from_buffer(source)
        self._library: ctypes.CDLL | None = None

    @contextmanager
    def current(self) -> Iterator[None]:
        """Make the GPU this thread's for the time of a `with`.

        Raises:
            BackendError: it failed at what was asked of it meanwhile, or has no memory left.
        """
        with self._told():
            self._context.push()
            try:
                yield
            finally:
                self._context.pop()

    @contextmanager
    def _told(self) -> Iterator[None]:
        name = f"GPU {self.info.index} ({self.info.name})"
        try:
            yield
        except self.driver.MemoryError as error:
            raise BackendError(
                f"{name} has too little memory left; lower max_batch or the number of cameras",
                slug="gpu-memory",
            ) from error
        except self.driver.Error as error:
            raise BackendError(f"{name} failed: {str(error).splitlines()[0]}", slug="gpu-failed") from error

    def __del__(self) -> None:
        # Left alone, pycuda gives the context back in a way that is not for primary ones, and complains.
        if hasattr(self, "_module"):
            with suppress(BackendError), self.current():
                del self._module
            self._context.detach()

    def stream(self) -> Stream:
        """Make a stream."""
        return CudaStream(self)

    def allocate(self, size: int) -> Buffer:
        """Take device memory."""
        return CudaBuffer(self, size)

    def pinned(self, shape: Sequence[int], dtype: npt.DTypeLike) -> HostArray:
        """Return a host array that copies run from and to without a detour."""
        return np.asarray(_Pinned(self, shape, dtype))

    def upload(self, buffer: Buffer, host: HostArray, stream: Stream, offset: int = 0) -> None:
        """Start a copy from a pinned array to `offset` bytes into a buffer."""
        self.driver.memcpy_htod_async(buffer.address + offset, host, _of_pycuda(stream))

    def download(self, host: HostArray, buffer: Buffer, stream: Stream) -> None:
        """Start a copy from a buffer to a pinned array."""
        self.driver.memcpy_dtoh_async(host, buffer.address, _of_pycuda(stream))

    def copy(self, target: int, source: int, size: int, stream: Stream) -> None:
        """Start a copy of `size` bytes between two addresses on the device."""
        self.driver.memcpy_dtod_async(target, source, size, _of_pycuda(stream))

    def launch(
        self, kernel: str, size: tuple[int, int, int], arguments: Sequence[Buffer | np.int32], stream: Stream
    ) -> None:
        """Start a kernel of `kernels.cu` on (width, height, batch) pixels."""
        width, height, batch = size
        grid = (-(-width // BLOCK[0]), -(-height // BLOCK[1]), batch)
        values = [a if isinstance(a, np.int32) else np.uint64(a.address) for a in arguments]
        self._module.get_function(kernel)(*values, block=BLOCK, grid=grid, stream=_of_pycuda(stream))

    def record(self, work: Callable[[], None], stream: Stream) -> Graph | None:
        """Record what `work` starts on the stream; None where that cannot be done."""

        def told() -> None:
            with self._told():
                work()

        return record_graph(self._load_library(), told, stream)

    def _load_library(self) -> ctypes.CDLL:
        if self._library is None:
            self._library = ctypes.CDLL("libcuda.so.1")
        return self._library


def _of_pycuda(stream: Stream) -> Any:
    assert isinstance(stream, CudaStream)
    return stream.thing


def record_graph(library: ctypes.CDLL, work: Callable[[], None], stream: Stream) -> CudaGraph | None:
    """Record what `work` starts on the stream; None, with a line in the log, where that cannot be done.

    pycuda has no graphs, so the driver's own functions are called.
    """
    handle = ctypes.c_void_p(stream.handle)
    if library.cuStreamBeginCapture_v2(handle, CAPTURE_THREAD_LOCAL):
        return None
    graph, executable, refusal = ctypes.c_void_p(), ctypes.c_void_p(), ""
    try:
        work()
    except BackendError as error:
        refusal = error.message
    finally:
        failed = library.cuStreamEndCapture(handle, ctypes.byref(graph))
    if refusal or failed or not graph:
        if graph:
            library.cuGraphDestroy(graph)
        reason = refusal or f"CUDA error {failed}"
        LOG.info("the GPU records no graph of this network (%s): it runs without", reason)
        return None
    failed = library.cuGraphInstantiateWithFlags(ctypes.byref(executable), graph, ctypes.c_ulonglong(0))
    library.cuGraphDestroy(graph)
    return None if failed else CudaGraph(library, executable)


def dotted(version: int) -> str:
    """Turn the driver's 13000 into `13.0`."""
    return f"{version // 1000}.{version % 1000 // 10}"
