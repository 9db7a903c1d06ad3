"""Frames in device memory: uploaded once, used by detector and reader, forgotten oldest first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock

import numpy as np
import numpy.typing as npt

from anpr_stream.inference.device import Device, HostArray, Stream
from anpr_stream.types import ColorMatrix, Image, PixelFormat, Planes
from anpr_stream.vision.planes import size, yuv_to_bgr

FRAME_VIEW = np.dtype(
    {
        "names": ["plane", "pitch", "width", "height", "format", "luma", "chroma"],
        "formats": [("u8", 3), ("i4", 3), "i4", "i4", "i4", ("f4", 2), ("f4", 4)],
        "offsets": [0, 24, 36, 40, 44, 48, 56],
        "itemsize": 72,
    }
)
"""Mirror of `FrameView` in kernels.cu."""

FORMATS = {PixelFormat.I420: 0, PixelFormat.NV12: 1, PixelFormat.BGR: 2, PixelFormat.GRAY8: 3}


def color_terms(full_range: bool, matrix: ColorMatrix) -> tuple[tuple[float, float], tuple[float, ...]]:
    """Return (luma offset, gain) and the chroma weights (red of V, green of U, green of V, blue of U)."""
    (luma, blue_u, _, _), (_, green_u, green_v, _), (_, _, red_v, _) = yuv_to_bgr(full_range, matrix).tolist()
    return (0.0 if full_range else 16.0, luma), (red_v, green_u, green_v, blue_u)


class _Slot:
    """Room for one frame: pinned staging and device memory that only grow."""

    def __init__(self, device: Device, size: int) -> None:
        self.staging = device.pinned((size,), np.uint8)
        self.buffer = device.allocate(size)

    def fits(self, size: int) -> bool:
        return self.buffer.size >= size


class FrameStore:
    """The newest frames on one GPU; detector and reader share them from their own threads.

    Args:
        device: where they go.
        capacity: how many frames stay; enough for every camera's frames from detection to
            reading, since a frame that a kernel still reads must not be given away.
    """

    def __init__(self, device: Device, capacity: int) -> None:
        self._device = device
        self._capacity = capacity
        self._slots: OrderedDict[int, tuple[Planes, _Slot, npt.NDArray[np.void]]] = OrderedDict()
        self._lock = Lock()
        self._stream: Stream | None = None

    def views(self, pictures: Sequence[Planes]) -> npt.NDArray[np.void]:
        """Return one `FRAME_VIEW` per picture, all of them on the GPU; the caller has made it current.

        At most `capacity` different pictures may be asked for at once. Those that are not there yet are
        copied before this returns: any stream may read them.
        """
        with self._lock:
            missing = any(id(planes) not in self._slots for planes in pictures)
            stream = self._stream = self._stream or self._device.stream()
            views = np.stack([self._view(planes, stream) for planes in pictures])
            if missing:
                stream.synchronize()
            return views

    def _view(self, planes: Planes, stream: Stream) -> npt.NDArray[np.void]:
        key = id(planes)
        if key in self._slots:
            self._slots.move_to_end(key)
            return self._slots[key][2]
        slot = self._free_slot(sum(array.size for array in planes.arrays))
        view = self._upload(planes, slot, stream)
        self._slots[key] = (planes, slot, view)
        return view

    def _free_slot(self, size: int) -> _Slot:
        if len(self._slots) < self._capacity:
            return _Slot(self._device, size)
        _, (_, slot, _) = self._slots.popitem(last=False)
        return slot if slot.fits(size) else _Slot(self._device, size)

    def _upload(self, planes: Planes, slot: _Slot, stream: Stream) -> npt.NDArray[np.void]:
        offset, starts = 0, []
        for array in planes.arrays:
            _pack(array, slot.staging[offset : offset + array.size])
            starts.append(slot.buffer.address + offset)
            offset += array.size
        self._device.upload(slot.buffer, slot.staging[:offset], stream)
        return frame_view(planes, starts)


def _pack(array: Image, staging: HostArray) -> None:
    """Copy a plane without its padding."""
    np.copyto(staging.reshape(array.shape), array)


def frame_view(planes: Planes, starts: Sequence[int]) -> npt.NDArray[np.void]:
    """Describe a picture whose planes lie without padding at the given addresses."""
    view = np.zeros((), FRAME_VIEW)
    view["plane"][: len(starts)] = starts
    view["pitch"][: len(starts)] = [array.size // len(array) for array in planes.arrays]
    view["width"], view["height"] = size(planes)
    view["format"] = FORMATS[planes.format]
    view["luma"], view["chroma"] = color_terms(planes.full_range, planes.matrix)
    return view
