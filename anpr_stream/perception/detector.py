"""Plates in frames: a YOLOv3 on any engine."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from threading import local

import numpy as np

from anpr_stream.config.models import DetectorSettings, PictureSettings
from anpr_stream.interfaces import Backend, FrameBackend
from anpr_stream.perception.parts import run_parts
from anpr_stream.types import Box, Detection, FloatArray, Frame, Quad
from anpr_stream.vision.contract import DetectorContract
from anpr_stream.vision.crops import box_quad
from anpr_stream.vision.geometry import clip_box, is_convex_clockwise
from anpr_stream.vision.letterbox import STRIDE_PX, Letterbox, fit, input_size, pad
from anpr_stream.vision.planes import small_bgr
from anpr_stream.vision.yolo import RawPlates, decode, join_parts, merge, suppress

PICTURE_STEP_PX = 128
"""The shorter side of single pictures' inputs is a multiple of this: a folder has pictures of all shapes."""

KEPT_INPUTS = 6
"""Sizes whose input memory is kept between batches."""


class YoloDetector:
    """A `PlateDetector`; takes frames of any sizes in one batch, from any thread."""

    def __init__(
        self, backend: Backend, contract: DetectorContract, settings: DetectorSettings | None = None
    ) -> None:
        """Wrap a loaded network; the caller closes the backend."""
        self._backend = backend
        self._frame_backend = backend if isinstance(backend, FrameBackend) else None
        self._contract = contract
        self._settings = settings or DetectorSettings()
        self._memory = _Memory()

    @property
    def streams(self) -> int:
        """How many threads gain by calling it at once; with one, batches do more."""
        return self._backend.streams

    def detect(self, frames: Sequence[Frame]) -> list[list[Detection]]:
        """Return the plates of each frame, most confident first.

        Raises:
            BackendError: the engine failed.
        """
        settings = self._settings
        return self._detect(frames, _looks(settings.input_px, settings.coarse_px), STRIDE_PX)

    def search(self, frame: Frame, settings: PictureSettings | None = None) -> Iterator[list[Detection]]:
        """Search a single picture ever harder: falling thresholds, then the same in larger inputs.

        Yields the plates of one step after the other, none twice from one input, so that whoever reads them
        can stop at the first clear text. A plate may come again from a larger input, with a better box.

        Raises:
            BackendError: the engine failed.
        """
        settings = settings or PictureSettings()
        coarse_px = self._settings.coarse_px
        for input_px in _inputs(frame, settings):
            (plates,) = self._detect([frame], _looks(input_px, coarse_px), PICTURE_STEP_PX)
            coarse_px = 0
            higher = float("inf")
            for threshold in sorted(settings.thresholds, reverse=True):
                step = [plate for plate in plates if threshold <= plate.confidence < higher]
                higher = threshold
                if step:
                    yield step

    def detect_in(self, frame: Frame, window: Letterbox) -> list[Detection]:
        """Return the plates in a part of a frame that fills the input, most confident first.

        Raises:
            BackendError: the engine failed.
        """
        size = window.height, window.width
        outputs = run_parts(self._backend, [frame], [box_quad(window.part)], size)
        return self._detections(self._found(outputs, [window])[0], frame)

    def _detect(
        self, frames: Sequence[Frame], inputs_px: Sequence[int], step_px: int
    ) -> list[list[Detection]]:
        """Look at each frame in several inputs."""
        looks = [self._look(frames, longest_px, step_px) for longest_px in inputs_px]
        most = self._settings.max_iou, self._settings.max_inside
        return [
            self._detections(merge(plates, *most), frame)
            for frame, *plates in zip(frames, *looks, strict=True)
        ]

    def _look(self, frames: Sequence[Frame], longest_px: int, step_px: int) -> list[RawPlates]:
        """Run frames of equal input size together; plates in pixels of their frames."""
        groups: dict[tuple[int, int], list[int]] = defaultdict(list)
        for index, frame in enumerate(frames):
            groups[input_size(frame.width, frame.height, longest_px, step_px)].append(index)
        found: dict[int, RawPlates] = {}
        for (width, height), indices in groups.items():
            batch = [frames[index] for index in indices]
            boxes = [fit(frame.width, frame.height, width, height) for frame in batch]
            found |= zip(indices, self._run(batch, boxes), strict=True)
        return [found[index] for index in range(len(frames))]

    def _run(self, frames: Sequence[Frame], boxes: Sequence[Letterbox]) -> list[RawPlates]:
        """Find the plates of frames whose input has one size."""
        if self._frame_backend is not None:
            places = [(box.left, box.top, box.inner_width, box.inner_height) for box in boxes]
            outputs = self._frame_backend.run_frames(frames, places, (boxes[0].height, boxes[0].width))
        else:
            outputs = self._backend.run(self._fill(frames, boxes))
        return self._found(outputs, boxes)

    def _found(self, outputs: dict[str, FloatArray], boxes: Sequence[Letterbox]) -> list[RawPlates]:
        """Decode a batch; plates in pixels of their frames."""
        settings = self._settings
        plates = decode([outputs[head] for head in self._contract.heads], self._contract, settings.threshold)
        plates = join_parts(suppress(plates, settings.max_iou, settings.max_inside))
        return [
            _in_frame(plates.take(np.flatnonzero(plates.batch == index)), box)
            for index, box in enumerate(boxes)
        ]

    def _fill(self, frames: Sequence[Frame], boxes: Sequence[Letterbox]) -> FloatArray:
        """Return the batch's input, (N, 3, H, W), in memory that is the thread's and used again."""
        batch = self._memory.batch(len(frames), (boxes[0].height, boxes[0].width))
        for frame, box, out in zip(frames, boxes, batch, strict=False):
            pad(small_bgr(frame.search_planes, box.inner_width, box.inner_height), box, out)
        return batch

    def _detections(self, plates: RawPlates, frame: Frame) -> list[Detection]:
        """Clip one frame's plates to it; too low ones go."""
        corners = None if plates.corners is None else plates.corners.tolist()
        found = []
        for index, (edge, score) in enumerate(
            zip(plates.boxes.tolist(), plates.scores.tolist(), strict=True)
        ):
            clipped = clip_box(_box(edge), frame.width, frame.height)
            height = clipped[3] - clipped[1]
            if height > 0 and height >= self._settings.min_height_px and clipped[2] > clipped[0]:
                quad = None if corners is None else _quad(corners[index])
                found.append(Detection(clipped, score, quad))
        return found


class _Memory(local):
    """Memory of a thread for its input, used again for every batch."""

    def __init__(self) -> None:
        self._inputs: dict[tuple[int, int], FloatArray] = {}

    def batch(self, count: int, size: tuple[int, int]) -> FloatArray:
        """Return (count, 3, *size) float32, with what was in it before."""
        batch = self._inputs.get(size)
        if batch is None or len(batch) < count:
            if len(self._inputs) >= KEPT_INPUTS:
                self._inputs.clear()
            batch = self._inputs[size] = np.empty((count, 3, *size), np.float32)
        return batch[:count]


def _looks(input_px: int, coarse_px: int) -> tuple[int, ...]:
    """Inputs to look at a frame in: a coarse one that is no smaller shows nothing new."""
    return (input_px, coarse_px) if 0 < coarse_px < input_px else (input_px,)


def _in_frame(plates: RawPlates, box: Letterbox) -> RawPlates:
    """Turn plates in pixels of an input into pixels of the frame."""
    edges = box.to_frame(plates.boxes.reshape(-1, 2, 2)).reshape(-1, 4)
    corners = None if plates.corners is None else box.to_frame(plates.corners)
    return replace(plates, boxes=edges, corners=corners)


def _inputs(frame: Frame, settings: PictureSettings) -> Iterator[int]:
    """Yield the inputs to search a picture in, one after the other."""
    yield from filter(None, (settings.input_px, settings.larger_input_px))
    # Where the picture has no more pixels than the input before, a larger one shows nothing new.
    if 0 < settings.largest_input_px <= max(frame.width, frame.height):
        yield settings.largest_input_px


def _box(edges: Sequence[float]) -> Box:
    x1, y1, x2, y2 = edges
    return x1, y1, x2, y2


def _quad(corners: Sequence[Sequence[float]]) -> Quad | None:
    """Corners that cross each other are worse than none."""
    a, b, c, d = ((x, y) for x, y in corners)
    return (a, b, c, d) if is_convex_clockwise((a, b, c, d)) else None
