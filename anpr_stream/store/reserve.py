"""Space set aside on the store's disk, so that a full disk can be told to forget something.

Deleting needs space, too: the rows of what goes are rewritten before the space comes back. Without a
reserve, retention would wait behind the very writes that it is to make room for.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

LOG = logging.getLogger(__name__)
NAME = "reserve"
SIZE = 16 * 1024 * 1024
"""Bytes; some thousand events and the deletion of as many pictures."""


class Reserve:
    """A file of fixed size in the store's folder that is given up when the disk is full."""

    def __init__(self, folder: Path, size: int = SIZE) -> None:
        self._path = folder / NAME
        self._size = size

    def hold(self) -> None:
        """Set the space aside; where the disk lacks it, it is tried again with the next call."""
        if self._path.exists():
            return
        try:
            with self._path.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, self._size)
        except OSError as error:
            self._path.unlink(missing_ok=True)
            LOG.warning("no space could be set aside on the store's disk: %s", error.strerror)

    def release(self) -> None:
        """Give the space up; nothing happens where none is held."""
        if self._path.exists():
            self._path.unlink()
            LOG.warning("the store's disk is full: gave up the space set aside, to delete old pictures")
