"""A folder of pictures with boxes and texts (`anpr-stream read --annotate`)."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2

from anpr_stream.errors import SinkError, reason_of
from anpr_stream.pipeline.annotate import draw
from anpr_stream.pipeline.follower import Mark
from anpr_stream.pipeline.pictures import PicturePlate
from anpr_stream.types import Frame, Image
from anpr_stream.vision.planes import full_bgr

FALLBACK = ".png"
"""Of pictures whose own kind is read, but not written."""


class AnnotatedFolder:
    """Writes each picture under its name; one that cannot be written is told, and the others go on.

    Attributes:
        is_whole: whether all could be written.
    """

    def __init__(self, folder: Path) -> None:
        """Make the folder.

        Raises:
            SinkError: it cannot be made.
        """
        self._folder = folder
        self._names: set[str] = set()
        self.is_whole = True
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _refused(folder, error) from error

    def write(self, original: Path, frame: Frame, plates: Sequence[PicturePlate]) -> None:
        """Draw the plates and write the picture."""
        image = full_bgr(frame.planes)
        draw(image, [Mark(0, plate.detection.box, plate.read.text, is_seen=True) for plate in plates])
        path = self._folder / self._free_name(original)
        try:
            path.write_bytes(_encoded(image, path.suffix))
        except (OSError, ValueError) as error:
            self.is_whole = False
            sys.stderr.write(f"anpr-stream: {_refused(path, error)}\n")

    def _free_name(self, original: Path) -> str:
        """Return a name that no picture before has: those of several folders are often called alike."""
        suffix = original.suffix if cv2.haveImageWriter(f"x{original.suffix}") else FALLBACK
        numbered = (f"{original.stem}-{number}{suffix}" for number in itertools.count(2))
        names = itertools.chain([f"{original.stem}{suffix}"], numbered)
        name = next(name for name in names if name not in self._names)
        self._names.add(name)
        return name


def _encoded(image: Image, suffix: str) -> bytes:
    is_encoded, data = cv2.imencode(suffix, image)
    if not is_encoded:
        raise ValueError(f"{suffix} takes no picture of this size")
    return bytes(data)


def _refused(path: Path, error: Exception) -> SinkError:
    return SinkError(f"{path}: cannot write the picture: {reason_of(error)}", "picture-write")
