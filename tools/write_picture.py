"""Pictures on disk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2

from anpr_stream.types import Image


def write_picture(path: Path, picture: Image, parameters: Sequence[int] = ()) -> None:
    """Write a picture, (H, W, 3) uint8 BGR, in the format of its name; `parameters` as OpenCV takes them.

    Raises:
        OSError: it cannot be written there.
    """
    try:
        is_written = cv2.imwrite(str(path), picture, parameters)
    except cv2.error:
        is_written = False
    if not is_written:
        raise OSError(f"{path} cannot be written: name a .png or .jpg in a folder that exists and has room")
