"""Single pictures and folders of them, through OpenCV."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from anpr_stream.config.source import SourceSettings
from anpr_stream.errors import SourceError
from anpr_stream.sources.locate import check_file
from anpr_stream.sources.meter import MeteredSource
from anpr_stream.types import Frame, Image, PixelFormat, Planes, SourceState

log = logging.getLogger(__name__)

STEP_S = 1.0
"""Stream time between two pictures that have nothing to do with each other."""
TURNS = {"90": cv2.ROTATE_90_CLOCKWISE, "180": cv2.ROTATE_180, "270": cv2.ROTATE_90_COUNTERCLOCKWISE}


def load_picture(path: Path, rotate: str = "auto") -> Image:
    """Read a picture of any kind that OpenCV knows.

    Grey, 16-bit, CMYK and transparent pictures come as (H, W, 3) BGR uint8 like all others.

    Args:
        path: of the file.
        rotate: `auto` turns it upright by its EXIF tag; else as stored, turned clockwise by so many degrees.

    Raises:
        SourceError: it is not there, may not be read, is empty or is no picture.
    """
    check_file(path)
    try:
        image = cv2.imdecode(np.fromfile(path, np.uint8), _flags(rotate))
    except (cv2.error, MemoryError) as error:
        raise SourceError(f"{path} is too large or damaged: {_first_line(error)}", "source-damaged") from None
    if image is None:
        raise SourceError(f"{path} is no picture, or is damaged", "source-damaged")
    turned = cv2.rotate(image, TURNS[rotate]) if rotate in TURNS else image
    return np.asarray(turned, np.uint8)


def _flags(rotate: str) -> int:
    return cv2.IMREAD_COLOR if rotate == "auto" else cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


def picture_frame(
    path: Path, name: str, index: int = 0, start_utc_s: float | None = None, rotate: str = "auto"
) -> Frame:
    """Read a picture as a frame of its own segment; its time is the file's unless `start_utc_s` says.

    Raises:
        SourceError: as `load_picture`.
    """
    image = load_picture(path, rotate)
    pts_s = index * STEP_S
    utc_s = path.stat().st_mtime if start_utc_s is None else start_utc_s + pts_s
    height, width = image.shape[:2]
    return Frame(name, index, pts_s, utc_s, width, height, Planes(PixelFormat.BGR, (image,)), segment=index)


class PictureSource(MeteredSource):
    """Pictures in order, each in a segment of its own, since nothing moves from one to the next.

    One that cannot be read is skipped and counted (`dropped["unreadable_picture"]`), unless all are so.
    """

    def __init__(self, name: str, paths: tuple[Path, ...], settings: SourceSettings) -> None:
        super().__init__(name)
        self._paths = paths
        self._start_utc_s = settings.start_utc_s
        self._every = settings.every
        self._rotate = settings.rotate

    def frames(self) -> Iterator[Frame]:
        """Yield one frame per picture; see `Source`."""
        last_error: SourceError | None = None
        self._meter.opened("OpenCV", fps=0.0)
        self._meter.change(SourceState.RUNNING)
        for index, path in enumerate(self._paths):
            if self._closed.is_set():
                return
            if index % self._every:
                continue
            try:
                frame = picture_frame(path, self._name, index, self._start_utc_s, self._rotate)
            except SourceError as error:
                last_error = error
                self._skip(error)
                continue
            self._meter.frame()
            yield frame
        self._finish(last_error)

    def _skip(self, error: SourceError) -> None:
        log.warning("%s", error)
        self._meter.dropped("unreadable_picture")

    def _finish(self, error: SourceError | None) -> None:
        if error is not None and self._meter.status().frames == 0:
            self._meter.change(SourceState.FAILED, error.message)
            raise error
        self._meter.change(SourceState.ENDED, error.message if error else "")
