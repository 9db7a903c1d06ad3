"""A network at one input size on one GPU: takes pictures, frames, or plates in frames.

Frames go to the GPU once; kernels cut the network's input out of them there, so that only boxes
and texts come back.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager

import cv2
import numpy as np

from anpr_stream.inference.batches import BatchRunner, Engine, Lane, Pending
from anpr_stream.inference.device import Buffer, Device, HostArray
from anpr_stream.inference.frame_store import FRAME_VIEW, FrameStore
from anpr_stream.types import FloatArray, Frame, Placement, Planes
from anpr_stream.vision.crops import samples_a_side
from anpr_stream.vision.planes import size

PLACEMENT = np.dtype([("scale", "f4", (2,)), ("rect", "i4", (4,))])
"""Mirror of `Placement` in kernels.cu."""
MAP = np.dtype([("homography", "f4", (3, 3)), ("samples", "f4")])
"""Mirror of the rectifying kernel's maps."""


class _Table:
    """A small array that a kernel reads: pinned and device memory for the largest batch."""

    def __init__(self, device: Device, rows: int, row_bytes: int) -> None:
        self.pinned: HostArray = device.pinned((rows * row_bytes,), np.uint8)
        self.buffer: Buffer = device.allocate(rows * row_bytes)

    def send(self, device: Device, lane: Lane, rows: HostArray) -> Buffer:
        """Start the copy of `rows` on the lane's stream."""
        raw = np.ascontiguousarray(rows).reshape(-1).view(np.uint8)
        self.pinned[: raw.size] = raw
        device.upload(self.buffer, self.pinned[: raw.size], lane.stream)
        return self.buffer


class GpuBackend:
    """A member of a `gpu_group.GpuGroup`, over any engine and device.

    Every method but `current` wants the GPU to be current.

    Args:
        engine: the network.
        device: the GPU that it runs on.
        store: frames on that GPU, shared by all networks that run there.
    """

    def __init__(self, engine: Engine, device: Device, store: FrameStore) -> None:
        self._engine = engine
        self._device = device
        self._store = store
        self._tables: dict[tuple[int, str], _Table] = {}
        with device.current():
            self._runner = BatchRunner(engine, device)

    def current(self) -> AbstractContextManager[None]:
        """Make its GPU this thread's for the time of a `with`."""
        return self._device.current()

    def begin(self, images: FloatArray) -> Pending:
        """Start ready-made input, (N, 3, H, W) float32."""

        def fill(lane: Lane, part: slice) -> None:
            count = part.stop - part.start
            lane.staging[:count] = images[part]
            self._device.upload(lane.input, lane.staging[:count], lane.stream)

        return self._runner.begin(len(images), fill)

    def begin_frames(self, frames: Sequence[Frame], placements: Sequence[Placement]) -> Pending:
        """Start frames, each fitted into the input at its placement, on grey.

        Of a camera with two streams the small picture is taken: the large one need not be decoded for it.
        """
        pictures = [frame.search_planes for frame in frames]
        table = np.zeros(len(frames), PLACEMENT)
        table["rect"] = placements
        sizes = np.array([size(planes) for planes in pictures], np.float32)
        table["scale"] = sizes / table["rect"][:, 2:]

        def fill(lane: Lane, part: slice) -> None:
            views = self._views(lane, pictures[part])
            places = self._send(lane, "places", table[part], PLACEMENT.itemsize)
            self._launch("letterbox", lane, part, (views, places))

        return self._runner.begin(len(frames), fill)

    def begin_quads(self, frames: Sequence[Frame], quads: FloatArray) -> Pending:
        """Start parts of frames, (N, 4, 2) in their pixels (edges, as boxes), stretched over the input."""
        _, height, width = self._engine.input.shape
        corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32) - 0.5
        centres = np.asarray(quads, np.float32) - 0.5
        maps = np.zeros(len(frames), MAP)
        maps["homography"] = [cv2.getPerspectiveTransform(corners, quad) for quad in centres]
        maps["samples"] = [samples_a_side(quad, width, height) for quad in quads]

        def fill(lane: Lane, part: slice) -> None:
            views = self._views(lane, [frame.planes for frame in frames[part]])
            sent = self._send(lane, "maps", maps[part], MAP.itemsize)
            self._launch("rectify", lane, part, (views, sent))

        return self._runner.begin(len(frames), fill)

    def _views(self, lane: Lane, pictures: Sequence[Planes]) -> Buffer:
        return self._send(lane, "views", self._store.views(pictures), FRAME_VIEW.itemsize)

    def _send(self, lane: Lane, name: str, rows: HostArray, row_bytes: int) -> Buffer:
        key = (id(lane), name)
        if key not in self._tables:
            self._tables[key] = _Table(self._device, self._engine.max_batch, row_bytes)
        return self._tables[key].send(self._device, lane, rows)

    def _launch(self, kernel: str, lane: Lane, part: slice, tables: Sequence[Buffer]) -> None:
        _, height, width = self._engine.input.shape
        count = part.stop - part.start
        kind = "half" if np.dtype(self._engine.input.dtype) == np.float16 else "float"
        arguments = (*tables, lane.input, np.int32(count), np.int32(width), np.int32(height))
        self._device.launch(f"anpr_{kernel}_{kind}", (width, height, count), arguments, lane.stream)

    def close(self) -> None:
        """Free lanes and tables; may be called twice. The device stays open for other networks."""
        self._tables.clear()
        self._runner.close()
