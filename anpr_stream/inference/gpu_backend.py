"""A network on a GPU that takes pictures, frames or plates in frames.

Frames go to the GPU once; kernels cut the network's input out of them there, so that only boxes
and texts come back.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from anpr_stream.inference.batches import BatchRunner, Engine, Lane
from anpr_stream.inference.device import Buffer, Device, HostArray
from anpr_stream.inference.frame_store import FRAME_VIEW, FrameStore
from anpr_stream.types import FloatArray, Frame, Placement

PLACEMENT = np.dtype([("scale", "f4", (2,)), ("rect", "i4", (4,))])
"""Mirror of `Placement` in kernels.cu."""


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
    """Implements `interfaces.FrameBackend` over any engine and device.

    Args:
        engine: the network.
        device: the GPU that it runs on.
        store: frames on that GPU, shared by all networks that run there.
        description: for logs and status.
    """

    def __init__(self, engine: Engine, device: Device, store: FrameStore, description: str) -> None:
        self.description = description
        self._engine = engine
        self._device = device
        self._store = store
        self._tables: dict[tuple[int, str], _Table] = {}
        with device.current():
            self._runner = BatchRunner(engine, device)

    def run(self, images: FloatArray) -> dict[str, FloatArray]:
        """Run ready-made input, (N, 3, H, W) float32."""

        def fill(lane: Lane, part: slice) -> None:
            count = part.stop - part.start
            lane.staging[:count] = images[part]
            self._device.upload(lane.input, lane.staging[:count], lane.stream)

        with self._device.current():
            return self._runner.run(len(images), fill)

    def run_frames(self, frames: Sequence[Frame], placements: Sequence[Placement]) -> dict[str, FloatArray]:
        """Fit each frame into the input at its placement, on grey, and run."""
        table = np.zeros(len(frames), PLACEMENT)
        table["rect"] = placements
        sizes = np.array([(frame.width, frame.height) for frame in frames], np.float32)
        table["scale"] = sizes / table["rect"][:, 2:]

        def fill(lane: Lane, part: slice) -> None:
            views = self._send(
                lane, "views", self._store.views(frames[part], lane.stream), FRAME_VIEW.itemsize
            )
            places = self._send(lane, "places", table[part], PLACEMENT.itemsize)
            self._launch("letterbox", lane, part, (views, places))

        with self._device.current():
            return self._runner.run(len(frames), fill)

    def run_quads(self, frames: Sequence[Frame], quads: FloatArray) -> dict[str, FloatArray]:
        """Stretch each quad, (N, 4, 2) in pixels of its frame (edges, as boxes), over the input and run."""
        _, height, width = self._engine.input.shape
        corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32) - 0.5
        centres = np.asarray(quads, np.float32) - 0.5
        maps = np.stack([cv2.getPerspectiveTransform(corners, quad) for quad in centres])

        def fill(lane: Lane, part: slice) -> None:
            views = self._send(
                lane, "views", self._store.views(frames[part], lane.stream), FRAME_VIEW.itemsize
            )
            order = self._send(lane, "order", np.arange(part.stop - part.start, dtype=np.int32), 4)
            sent = self._send(lane, "maps", maps[part].astype(np.float32), 36)
            self._launch("rectify", lane, part, (views, order, sent))

        with self._device.current():
            return self._runner.run(len(frames), fill)

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
