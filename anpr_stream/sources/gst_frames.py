"""From a GStreamer sample to the planes of a frame, without copying a pixel."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import numpy as np

from anpr_stream.sources.gst_runtime import Gst, GstVideo
from anpr_stream.types import ColorMatrix, Image, PixelFormat, Planes

FULL_RANGE = GstVideo.VideoColorRange(1)
"""GST_VIDEO_COLOR_RANGE_0_255, whose name in Python would begin with a digit."""
READ = Gst.MapFlags.READ
CAPS = "video/x-raw, format=(string){I420, NV12, GRAY8, BGR}"
"""What frames come as; decoders' other formats are converted to the nearest of these."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How a buffer's bytes hold a picture, from its caps."""

    format: PixelFormat
    width: int
    height: int
    fps: float
    full_range: bool
    matrix: ColorMatrix
    offsets: tuple[int, ...]
    strides: tuple[int, ...]
    shapes: tuple[tuple[int, int, int], ...]
    """Rows, columns and bytes per pixel of each plane."""

    def planes(self, buffer: Any) -> Planes:
        """View a buffer as planes; the views keep it mapped for as long as any of them lives."""
        offsets, strides = self._places(buffer)
        memory = map_buffer(buffer)
        arrays = tuple(
            _view(memory, offset, stride, *shape)
            for offset, stride, shape in zip(offsets, strides, self.shapes, strict=False)
        )
        return Planes(self.format, arrays, self.full_range, self.matrix, owner=memory)

    def _places(self, buffer: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Decoders pad their rows as they like and say so in the buffer's video meta."""
        meta = GstVideo.buffer_get_video_meta(buffer)
        if meta is None:
            return self.offsets, self.strides
        return tuple(meta.offset), tuple(meta.stride)


def layout_of(caps: Any) -> Layout:
    """Read a picture's layout from its caps."""
    info = GstVideo.VideoInfo.new_from_caps(caps)
    color = info.colorimetry
    is_bt709 = color.matrix == GstVideo.VideoColorMatrix.BT709
    format = PixelFormat(info.finfo.name)
    return Layout(
        format,
        info.width,
        info.height,
        info.fps_n / info.fps_d if info.fps_d else 0.0,
        color.range == FULL_RANGE,
        ColorMatrix.BT709 if is_bt709 else ColorMatrix.BT601,
        tuple(info.offset),
        tuple(info.stride),
        _shapes(format, info.height, info.width),
    )


def _shapes(format: PixelFormat, rows: int, columns: int) -> tuple[tuple[int, int, int], ...]:
    half_rows, half_columns = (rows + 1) // 2, (columns + 1) // 2
    return {
        PixelFormat.I420: ((rows, columns, 1), *2 * [(half_rows, half_columns, 1)]),
        PixelFormat.NV12: ((rows, columns, 1), (half_rows, half_columns, 2)),
        PixelFormat.GRAY8: ((rows, columns, 1),),
        PixelFormat.BGR: ((rows, columns, 3),),
    }[format]


class Mapping:
    """A buffer's memory as NumPy sees it; unmapped when the last view is gone.

    A view of a buffer that is no longer mapped changes silently when the decoder uses it again. So the
    views keep this object (NumPy stores what gave it the memory), and this object keeps the buffer.
    """

    def __init__(self, buffer: Any, info: Any) -> None:
        self._buffer = buffer
        self._info = info
        self.__array_interface__ = np.frombuffer(info.data, np.uint8).__array_interface__

    def __del__(self) -> None:
        if not sys.is_finalizing():  # PyGObject's types are gone then, and unmapping would crash
            self._buffer.unmap(self._info)


def map_buffer(buffer: Any) -> Image:
    """All bytes of a buffer, (n,) uint8, read-only.

    With gst-python's overrides (Debian: python3-gst-1.0) they are the decoder's own memory; without
    them PyGObject hands out a copy.
    """
    _, info = buffer.map(READ)
    if isinstance(info.data, memoryview):
        return np.asarray(Mapping(buffer, info))
    copied = np.frombuffer(info.data, np.uint8)
    buffer.unmap(info)
    return copied


def copies() -> bool:
    """Whether mapped buffers are copies here, for want of gst-python's overrides."""
    _, info = (buffer := Gst.Buffer.new_wrapped(b"1")).map(READ)
    is_copy = not isinstance(info.data, memoryview)
    buffer.unmap(info)
    return is_copy


def _view(memory: Image, offset: int, stride: int, rows: int, columns: int, depth: int) -> Image:
    """One plane, (rows, columns) or (rows, columns, depth), out of a buffer's bytes."""
    shape = (rows, columns) if depth == 1 else (rows, columns, depth)
    steps = (stride, 1) if depth == 1 else (stride, depth, 1)
    view: Image = np.ndarray(shape, np.uint8, memory, offset, steps)
    return view
