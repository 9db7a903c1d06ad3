"""Pictures and clips on disk, bound to their visit by their hashes."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path

import cv2

from anpr_stream.errors import StoreError
from anpr_stream.store.ledger import ImageRow
from anpr_stream.store.privacy import blur
from anpr_stream.types import Box, Clip, Crop, Event, Image
from anpr_stream.vision.planes import full_bgr

LONGEST_COMPONENT = 255
"""Bytes of a name of a file or folder that all usual file systems take."""


MEDIA_TYPES = {".jpg": "image/jpeg", ".mp4": "video/mp4"}
"""What lies in the folder, by its suffix."""


class SnapshotFolder:
    """Writes pictures as `<day>/<camera>/<visit>-<revision>-<role>.jpg` below one folder.

    Clips lie beside them, as `<visit>-clip.mp4`.
    """

    def __init__(self, folder: Path, jpeg_quality: int) -> None:
        self.folder = folder
        self._quality = jpeg_quality

    def store(self, event: Event, hide_plate: bool, hide_others: bool) -> dict[str, ImageRow]:
        """Write the pictures of an event's crop and frame.

        Args:
            event: nothing is stored without its `crop`.
            hide_plate: blur the event's own plate; then there is no picture of the crop.
            hide_others: blur `other_boxes`.

        Returns:
            By role, `crop` and `frame`; the files are on the disk.

        Raises:
            StoreError: the disk is full or not writable.
        """
        if event.crop is None:
            return {}
        hidden = [event.box] * hide_plate + list(event.other_boxes) * hide_others
        pictures = {"frame": _frame(event.crop, hidden)}
        if not hide_plate:
            pictures["crop"] = event.crop.image
        return {role: self._write(event, role, picture) for role, picture in pictures.items()}

    def store_clip(self, clip: Clip) -> ImageRow:
        """Write a clip.

        Raises:
            StoreError: the disk is full or not writable.
        """
        return self._keep(clip.utc_s, clip.camera, f"{_safe(clip.visit_id)}-clip.mp4", clip.data)

    def resolve(self, relative: str) -> Path | None:
        """Return the file of a path as it stands in an event; None for one that is gone or outside."""
        if "\0" in relative:
            return None
        path = (self.folder / relative).resolve()
        is_inside = path.is_relative_to(self.folder.resolve())
        # Not Path.is_file: it raises for a name that is too long.
        return path if is_inside and path.suffix in MEDIA_TYPES and os.path.isfile(path) else None

    def read(self, relative: str) -> bytes | None:
        """Return the bytes of the file that `resolve` finds; None also where retention takes it meanwhile."""
        path = self.resolve(relative)
        with suppress(FileNotFoundError):
            return path.read_bytes() if path else None
        return None

    def delete(self, relative: Sequence[str]) -> None:
        """Delete pictures and the folders that become empty; missing ones are fine."""
        for name in relative:
            path = self.folder / name
            path.unlink(missing_ok=True)
            with suppress(OSError):  # not empty, or gone
                path.parent.rmdir()
                path.parent.parent.rmdir()

    def older_than(self, utc_s: float) -> Iterator[str]:
        """Yield the relative paths of all files last written before a time."""
        for path in self.folder.rglob("*"):
            if path.is_file() and path.stat().st_mtime < utc_s:
                yield path.relative_to(self.folder).as_posix()

    def _write(self, event: Event, role: str, picture: Image) -> ImageRow:
        name = f"{_safe(event.visit_id)}-{event.revision}-{role}.jpg"
        is_encoded, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, self._quality])
        if not is_encoded:
            raise StoreError(f"{name}: a picture of shape {picture.shape} cannot be stored")
        return self._keep(event.read_at.utc_s, event.camera, name, data.tobytes())

    def _keep(self, utc_s: float, camera: str, name: str, content: bytes) -> ImageRow:
        day = datetime.fromtimestamp(utc_s, tz=timezone.utc).date().isoformat()
        relative = f"{day}/{_safe(camera)}/{name}"
        try:
            try:
                _write_whole(self.folder / relative, content)
            except FileNotFoundError:  # `delete` took the empty folder away in between
                _write_whole(self.folder / relative, content)
        except OSError as error:
            raise StoreError(f"{self.folder / relative}: cannot be written: {error.strerror}") from error
        return ImageRow(relative, hashlib.sha256(content).hexdigest(), len(content))


def _frame(crop: Crop, hidden: Sequence[Box]) -> Image:
    frame = full_bgr(crop.frame.planes)
    return blur(frame, hidden) if hidden else frame


def _safe(name: str) -> str:
    """Return a name that is one path component: other characters as `=` and their code.

    Not `%`: behind `/snapshots/` it would have to be escaped once more. Of one that is too long for a
    file system a digest stands in place of the end.
    """
    safe = re.sub(r"[^A-Za-z0-9_-]", lambda found: f"={ord(found[0]):02x}", name)
    if len(safe) <= LONGEST_COMPONENT:
        return safe
    digest = hashlib.sha256(name.encode()).hexdigest()
    return f"{safe[: LONGEST_COMPONENT - len(digest) - 1]}-{digest}"


def _write_whole(path: Path, content: bytes) -> None:
    """Write a file so that, after a crash, it is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".part")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
