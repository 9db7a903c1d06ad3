"""What cameras remember of plates, kept over their restarts and, in the store, over the daemon's."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial

from anpr_stream.service.writer import Writer
from anpr_stream.store.remembered import keep_remembered, read_remembered, write_remembered
from anpr_stream.types import Remembered


class PlateNotebook:
    """A `Notebook` whose pages are in memory and, where privacy lets them, in the store."""

    def __init__(self, writer: Writer, cameras: Collection[str], may_store: bool) -> None:
        """Read what the last run noted.

        Args:
            writer: of the store.
            cameras: pages of others are thrown away.
            may_store: see `permit`.
        """
        self._writer = writer
        self.permit(may_store)
        writer.submit(partial(keep_remembered, cameras=cameras)).result()
        self._pages = writer.submit(read_remembered).result()

    def recall(self, camera: str) -> tuple[Remembered, ...]:
        """Return what was noted last for a camera, oldest plate first."""
        return self._pages.get(camera, ())

    def note(self, camera: str, plates: tuple[Remembered, ...]) -> None:
        """Put this in the place of what was noted for a camera; never waits."""
        if plates == self._pages.get(camera, ()):
            return
        self._pages[camera] = plates
        if self._may_store:
            self._writer.submit(partial(write_remembered, camera=camera, plates=plates))

    def permit(self, may_store: bool) -> None:
        """Allow the store for texts as they are, or take out what is there of them."""
        self._may_store = may_store
        if not may_store:
            self._writer.submit(partial(keep_remembered, cameras=()))
