"""Retention while running: what is too old or too much goes, and no picture fills the disk."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator, Mapping
from functools import partial

from anpr_stream.config.delivery import Retention
from anpr_stream.interfaces import Clock
from anpr_stream.metrics import FORGOTTEN, RETENTION_HELD, STORE_FREE_BYTES
from anpr_stream.service.writer import Writer
from anpr_stream.store import retention, trust
from anpr_stream.store.audit import forget_records
from anpr_stream.store.ledger import PlateClass
from anpr_stream.store.reserve import Reserve
from anpr_stream.store.snapshots import SnapshotFolder

LOG = logging.getLogger(__name__)
DAY_S = 86_400.0
GB = 1e9
STRAY_AFTER_S = 3600.0
"""A file without an event may be one whose event is about to be committed; after this time it is not."""


def free_bytes(snapshots: SnapshotFolder) -> int:
    """Return the free space on the pictures' disk."""
    folder = snapshots.folder
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


class Reaper:
    """Applies the rules of retention; `run` is called from time to time, by one thread."""

    def __init__(
        self,
        rules: Retention,
        writer: Writer,
        snapshots: SnapshotFolder,
        clock: Clock,
        reserve: Reserve,
        free: Callable[[SnapshotFolder], int] = free_bytes,
    ) -> None:
        self._rules = rules
        self._writer = writer
        self._snapshots = snapshots
        self._clock = clock
        self._reserve = reserve
        self._free = free
        self._strays_sought_s = self._ran_s = clock.monotonic_s()
        self.doubt = ""
        """Why nothing is deleted by age, empty while it is."""

    def run(self) -> bool:
        """Delete what must go; return whether there is space for new pictures."""
        self._forget_old_visits()
        self._forget_surplus_pictures()
        self._forget_strays()
        free = self._free(self._snapshots)
        STORE_FREE_BYTES.set(free)
        if has_space := free >= self._rules.min_free_gb * GB:
            self._reserve.hold()
        return has_space

    def _forget_old_visits(self) -> None:
        limits = self._limits(now_s := self._clock.utc_s())
        if not self._believes(now_s, limits):
            return
        for plate_class, before_s in limits.items():
            count = retention.AT_ONCE
            while count == retention.AT_ONCE:
                job = partial(retention.forget_visits, plate_class=plate_class, before_utc_s=before_s)
                forgotten = self._writer.submit(job).result()
                self._snapshots.delete(forgotten.paths)
                FORGOTTEN.labels(f"visits_{plate_class.value}").inc(forgotten.visits)
                FORGOTTEN.labels("dead_letters").inc(forgotten.dead_letters)
                count = forgotten.visits
        self._forget_old_records(now_s)

    def _forget_old_records(self, now_s: float) -> None:
        if self._rules.audit_days is None:
            return
        before_s = now_s - self._rules.audit_days * DAY_S
        count = retention.AT_ONCE
        while count == retention.AT_ONCE:
            job = partial(forget_records, before_utc_s=before_s, limit=retention.AT_ONCE)
            count = self._writer.submit(job).result()
            FORGOTTEN.labels("audit_records").inc(count)

    def _believes(self, now_s: float, limits: Mapping[PlateClass, float]) -> bool:
        """Tell whether the clock is believed; say once when that changes."""
        since_s, self._ran_s = self._ran_s, self._clock.monotonic_s()
        job = partial(trust.weigh, limits_s=limits, now_s=now_s, ran_s=self._ran_s - since_s)
        found = self._writer.submit(job).result()
        was_doubted, self.doubt = self.doubt, ""
        if found.is_doubted:
            ahead = (now_s - found.utc_s) / DAY_S
            self.doubt = f"the clock is {ahead:.0f} days on since the last check, nothing is deleted by age"
        if found.is_doubted != bool(was_doubted):
            LOG.warning("retention: %s", self.doubt or "the clock is believed again")
        RETENTION_HELD.set(found.is_doubted)
        return not found.is_doubted

    def _limits(self, now_s: float) -> dict[PlateClass, float]:
        """Return the time before which a visit of each class is too old."""
        return {plate_class: now_s - days * DAY_S for plate_class, days in self._ages()}

    def _ages(self) -> Iterator[tuple[PlateClass, float]]:
        for plate_class, days in (
            (PlateClass.LISTED, self._rules.listed_days),
            (PlateClass.UNLISTED, self._rules.unlisted_days),
            (PlateClass.UNREAD, self._rules.unread_days),
        ):
            if days is not None:
                yield plate_class, days

    def _forget_surplus_pictures(self) -> None:
        # Measured once: where deleted files give their space back late, or a backup holds them, all would go.
        surplus = self._surplus_bytes()
        while surplus > 0:
            job = partial(retention.forget_images, surplus_bytes=surplus)
            sizes = self._writer.submit(job).result()
            if not sizes:
                LOG.warning("the disk is short of space, and there are no pictures left to delete")
                return
            self._snapshots.delete(tuple(sizes))
            FORGOTTEN.labels("pictures").inc(len(sizes))
            surplus -= sum(sizes.values())

    def _surplus_bytes(self) -> float:
        missing = self._rules.min_free_gb * GB - self._free(self._snapshots)
        if self._rules.max_gb is None:
            return missing
        stored = self._writer.submit(retention.image_bytes).result()
        return max(missing, stored - self._rules.max_gb * GB)

    def _forget_strays(self) -> None:
        """Delete files that no event knows: a crash came between file and event, or row and file."""
        if self._clock.monotonic_s() - self._strays_sought_s < STRAY_AFTER_S:
            return
        self._strays_sought_s = self._clock.monotonic_s()
        old = list(self._snapshots.older_than(self._clock.utc_s() - STRAY_AFTER_S))
        strays = self._writer.submit(lambda db: retention.without_row(db, old)).result()
        self._snapshots.delete(strays)
        FORGOTTEN.labels("stray_files").inc(len(strays))
