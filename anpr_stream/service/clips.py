"""Keeping clips: on the disk beside the pictures, in the history with their hash."""

from __future__ import annotations

import logging
from concurrent.futures import Future
from functools import partial

from anpr_stream.errors import StoreError
from anpr_stream.interfaces import Clock
from anpr_stream.metrics import CLIPS_DROPPED, CLIPS_STORED
from anpr_stream.service.recorder import Recorder
from anpr_stream.service.writer import Writer
from anpr_stream.store.ledger import ImageRow, add_clip
from anpr_stream.store.snapshots import SnapshotFolder
from anpr_stream.types import Clip

LOG = logging.getLogger(__name__)


class ClipKeeper:
    """Stores clips in the thread of whoever makes them, so that no event waits for so large a file.

    The row goes the way of the events, behind those of its visit. What is not in the history in the end is
    deleted again, by retention after a crash.
    """

    def __init__(self, snapshots: SnapshotFolder, recorder: Recorder, writer: Writer, clock: Clock) -> None:
        self._snapshots = snapshots
        self._recorder = recorder
        self._writer = writer
        self._clock = clock

    def write(self, clip: Clip) -> None:
        """Store a clip, or count why it is not; waits for the disk."""
        if not self._recorder.rules.privacy.hides_nothing:
            # Since the clip was asked for the settings have changed.
            self._dropped(clip.camera, "privacy")
        elif not self._recorder.has_space:
            self._dropped(clip.camera, "disk_space")
        else:
            self._store(clip)

    def _store(self, clip: Clip) -> None:
        try:
            row = self._snapshots.store_clip(clip)
        except StoreError as error:
            LOG.warning("%s: clip not stored: %s", clip.camera, error.message)
            self._dropped(clip.camera, "disk_error")
            return
        # Not the clip: its video would stay in memory for as long as the store is busy.
        if not self._recorder.afterwards(partial(self._add, clip.camera, clip.visit_id, row)):
            self._take_back(clip.camera, row, "closed")

    def _add(self, camera: str, visit_id: str, row: ImageRow) -> None:
        job = partial(add_clip, visit_id=visit_id, clip=row, utc_s=self._clock.utc_s())
        self._writer.submit(job).add_done_callback(partial(self._added, camera, row))

    def _added(self, camera: str, row: ImageRow, done: Future[bool]) -> None:
        if done.exception() is not None:
            self._take_back(camera, row, "store")
        elif not done.result():
            self._take_back(camera, row, "no_visit")
        else:
            CLIPS_STORED.labels(camera).inc()

    def _take_back(self, camera: str, row: ImageRow, reason: str) -> None:
        self._snapshots.delete([row.path])
        self._dropped(camera, reason)

    def _dropped(self, camera: str, reason: str) -> None:
        CLIPS_DROPPED.labels(camera, reason).inc()
