"""Stand-ins for the parts of a camera's way."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from threading import Event

import numpy as np

from anpr_stream.errors import AnprError
from anpr_stream.pipeline.reading import WantedCrop
from anpr_stream.testing import make_read
from anpr_stream.types import (
    Crop,
    Detection,
    Frame,
    PixelFormat,
    Planes,
    Read,
    SourceState,
    SourceStatus,
)

PLANES = Planes(PixelFormat.GRAY8, (np.zeros((48, 64), np.uint8),))
PLATE = Detection((10.0, 10.0, 40.0, 20.0), 0.9)


def make_frame(index: int, fps: float = 30.0, camera: str = "gate", segment: int = 0) -> Frame:
    pts_s = index / fps
    return Frame(camera, index, pts_s, 1_700_000_000 + pts_s, 64, 48, PLANES, segment)


ROAD = np.random.default_rng(1).integers(0, 255, (360, 640), np.uint8)


def road_frame(index: int, fps: float = 15.0) -> Frame:
    """A frame of 640x360 pixels, always of the same scene."""
    planes = Planes(PixelFormat.GRAY8, (ROAD,))
    return replace(make_frame(index, fps), width=640, height=360, planes=planes)


def plate_at(index: int) -> Detection:
    """Where a plate that crosses the picture is at a frame of 15 a second."""
    x = 50.0 + 5 * index
    return Detection((x, 200.0, x + 120, 230.0), 0.9)


class ListSource:
    """Gives frames from a list, and then an error, the end, or nothing until it is closed."""

    def __init__(
        self, frames: Sequence[Frame], error: AnprError | None = None, stays_open: bool = False
    ) -> None:
        self._frames = frames
        self._error = error
        self._stays_open = stays_open
        self.closed = Event()
        self.given = 0

    def frames(self) -> Iterator[Frame]:
        for frame in self._frames:
            if self.closed.is_set():
                return
            self.given += 1
            yield frame
        if self._error is not None:
            raise self._error
        if self._stays_open:
            self.closed.wait(60)

    def status(self) -> SourceStatus:
        state = SourceState.ENDED if self.closed.is_set() else SourceState.RUNNING
        return SourceStatus(state, frames=self.given)

    def close(self) -> None:
        self.closed.set()


def find_plate(frames: Sequence[Frame]) -> list[list[Detection]]:
    """Find one plate in every frame, its confidence telling which frame it was."""
    return [[Detection(PLATE.box, (frame.index + 1) / 1000)] for frame in frames]


class InstantDesk:
    """Reads every crop at once, as the text that it is told."""

    def __init__(self, text: str = "AB12CDE") -> None:
        self.text = text
        self._arrived: list[tuple[Crop, Read]] = []
        self.asked: list[WantedCrop] = []

    def ask(self, wanted: Sequence[WantedCrop]) -> None:
        self.asked += wanted
        self._arrived += [(entry.crop, make_read(self.text)) for entry in wanted]

    def arrived(self) -> list[tuple[Crop, Read]]:
        found, self._arrived = self._arrived, []
        return found

    def rest(self) -> list[tuple[Crop, Read]]:
        return self.arrived()
