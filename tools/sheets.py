"""Contact sheets on disk."""

from __future__ import annotations

from pathlib import Path

import cv2

from anpr_stream.types import Image


def write_sheet(path: Path, sheet: Image) -> None:
    """Write a contact sheet, (H, W, 3) uint8 BGR.

    Raises:
        OSError: it cannot be written there.
    """
    try:
        is_written = cv2.imwrite(str(path), sheet)
    except cv2.error:
        is_written = False
    if not is_written:
        raise OSError(f"{path} cannot be written: name a .png or .jpg in a folder that exists")
