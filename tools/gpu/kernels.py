"""The kernels on a device against NumPy: random frames, odd sizes, all formats, ranges and matrices."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from anpr_stream.inference.batches import Pending, TensorInfo
from anpr_stream.inference.device import Device, Stream
from anpr_stream.inference.frame_store import FrameStore
from anpr_stream.inference.gpu_backend import GpuBackend
from anpr_stream.types import ColorMatrix, Frame, PixelFormat, Planes
from tools.gpu.reference import letterboxed, rectified

SIZE = (32, 48)
TOLERANCE = 2e-3
PLACEMENT = (5, 2, 40, 23)
QUADS = (
    ((10, 10), (50, 14), (48, 30), (9, 27)),
    ((-20, -9), (30, 5), (28, 40), (-18, 35)),
    ((55, 40), (90, 44), (88, 70), (52, 66)),
    ((-20, -10), (91, -14), (95, 60), (-17, 66)),
)
FRAME_SIZES = ((64, 48), (61, 47), (33, 90), (2, 2), (1, 1))


class InputEngine:
    """An engine whose output is its input, copied on the device: it shows what the kernels made."""

    max_batch = 4

    def __init__(self, device: Device) -> None:
        self.input = TensorInfo("images", (3, *SIZE), np.float32)
        self.outputs = (TensorInfo("copy", (3, *SIZE), np.float32),)
        self._device = device

    def executor(self) -> InputEngine:
        """Return itself: it holds nothing."""
        return self

    def enqueue(self, batch: int, addresses: dict[str, int], stream: Stream) -> None:
        """Copy the input over the output."""
        self._device.copy(addresses["copy"], addresses["images"], self.input.bytes(batch), stream)


def random_frame(
    size: tuple[int, int],
    pixel_format: PixelFormat = PixelFormat.I420,
    full_range: bool = False,
    matrix: ColorMatrix = ColorMatrix.BT601,
    seed: int = 0,
    padding: int = 0,
    camera: str = "camera",
) -> Frame:
    """Return a frame of noise; `padding` bytes follow each row, as decoders leave them."""
    width, height = size
    half = ((height + 1) // 2, (width + 1) // 2)
    layouts: dict[PixelFormat, list[tuple[int, ...]]] = {
        PixelFormat.I420: [(height, width), half, half],
        PixelFormat.NV12: [(height, width), (*half, 2)],
        PixelFormat.BGR: [(height, width, 3)],
        PixelFormat.GRAY8: [(height, width)],
    }
    rng = np.random.default_rng(seed)
    arrays = tuple(_padded(rng.integers(0, 256, shape, np.uint8), padding) for shape in layouts[pixel_format])
    return Frame(camera, 0, 0.0, 0.0, width, height, Planes(pixel_format, arrays, full_range, matrix))


def _padded(array: npt.NDArray[np.uint8], padding: int) -> npt.NDArray[np.uint8]:
    """Return the same samples in rows that are `padding` bytes longer."""
    rows = array.reshape(len(array), -1)
    room = np.zeros((len(array), rows.shape[1] + padding), np.uint8)
    room[:, : rows.shape[1]] = rows
    view = room[:, : rows.shape[1]]
    return np.lib.stride_tricks.as_strided(view, array.shape, (room.strides[0], *array.strides[1:]))


def random_frames() -> Iterator[Frame]:
    """Yield one frame of each size, format, range and matrix, some with padded rows."""
    kinds = itertools.product(FRAME_SIZES, PixelFormat, (False, True), ColorMatrix)
    for seed, (size, pixel_format, full_range, matrix) in enumerate(kinds):
        yield random_frame(size, pixel_format, full_range, matrix, seed, padding=seed % 3 * 7)


def worst_differences(device: Device) -> dict[str, float]:
    """Return each kernel's largest difference from NumPy, in parts of the full scale."""
    with device.current():
        backend = GpuBackend(InputEngine(device), device, FrameStore(device, capacity=16))
        worst = {"letterbox": 0.0, "rectify": 0.0}
        for frame in random_frames():
            fitted = _copy(backend.begin_frames([frame], [PLACEMENT]))
            worst["letterbox"] = max(
                worst["letterbox"], _difference(fitted, letterboxed(frame, PLACEMENT, SIZE))
            )
            for quad in np.array(QUADS, np.float32):
                cut = _copy(backend.begin_quads([frame], quad[None]))
                worst["rectify"] = max(worst["rectify"], _difference(cut, rectified(frame, quad, SIZE)))
    return worst


def _copy(pending: Pending) -> npt.NDArray[np.float32]:
    picture: npt.NDArray[np.float32] = pending.result()["copy"][0]
    return picture


def _difference(made: npt.NDArray[np.float32], right: npt.NDArray[np.float64]) -> float:
    return float(np.abs(made - right).max())
