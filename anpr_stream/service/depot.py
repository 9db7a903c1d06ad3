"""Everything behind the cameras: store, recorder, lists, receivers, retention; changed while running."""

from __future__ import annotations

import fcntl
import json
import logging
import shutil
import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from functools import partial
from pathlib import Path
from typing import IO

from anpr_stream.config.delivery import reveal
from anpr_stream.config.packaged import packaged
from anpr_stream.config.schema import Settings
from anpr_stream.errors import ConfigError, StoreError
from anpr_stream.interfaces import Clock
from anpr_stream.metrics import OUTBOX_DEPTH
from anpr_stream.outputs.files import file_sink
from anpr_stream.plates.matching import Confusions
from anpr_stream.service.clips import ClipKeeper
from anpr_stream.service.lane import LaneStatus
from anpr_stream.service.lanes import Lanes
from anpr_stream.service.notebook import PlateNotebook
from anpr_stream.service.reaper import Reaper
from anpr_stream.service.recorder import Recorder, Rules
from anpr_stream.service.transports import lane_plans
from anpr_stream.service.writer import Writer
from anpr_stream.store import outbox
from anpr_stream.store.database import LOG_BYTES, open_database, read_database
from anpr_stream.store.ledger import Entry, close_interrupted, open_visits
from anpr_stream.store.lists import ListBook
from anpr_stream.store.privacy import keyed_hash, note_privacy
from anpr_stream.store.reserve import Reserve
from anpr_stream.store.snapshots import SnapshotFolder
from anpr_stream.types import Clip, Event, FusedRead, ListHit

LOG = logging.getLogger(__name__)
SNAPSHOTS = "snapshots"
STATES = ("waiting", "started", "dead")


def hasher(settings: Settings) -> Callable[[str], str] | None:
    """Return the keyed hash of a configuration, None without a key."""
    key = reveal(settings.privacy.key)
    return partial(keyed_hash, key.encode()) if key else None


def load_confusions() -> Confusions:
    """Return what the packaged reader confuses."""
    return Confusions.load(packaged("engines") / "confusions.json")


class Depot:
    """Takes events and sees to all that follows (a `ListMatcher` besides); a context manager."""

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        clock: Clock,
        on_accepted: Callable[[], None] = lambda: None,
    ) -> None:
        """Open the store, settle what the last run left, start the threads.

        Args:
            settings: the whole configuration.
            folder: the store's; locked for this process.
            clock: the machine's.
            on_accepted: called after each commit of events, in the writer's thread.

        Raises:
            StoreError: the store cannot be used, or another daemon uses it.
            ConfigError: lists or outputs cannot be used.
        """
        self.folder = folder
        self._clock = clock
        self._told = on_accepted
        self._is_closed = False
        self._counted: set[str] = set()
        self._confusions = load_confusions()
        self._settings = settings
        with ExitStack() as stack:
            stack.enter_context(closing(_lock(folder)))
            self._lists = self._load_lists(settings)
            plans = lane_plans(settings, clock)
            self._files = [stack.enter_context(file_sink(output)) for output in settings.files]
            reserve = Reserve(folder)
            self.writer = stack.enter_context(Writer(_open(folder, reserve), reserve.release))
            self._lanes = Lanes(self.writer, folder, clock)
            self._settle_last_run()
            self._note_privacy()
            self.notebook = PlateNotebook(self.writer, settings.cameras, settings.privacy.is_plain)
            snapshots = SnapshotFolder(folder / SNAPSHOTS, settings.store.jpeg_quality)
            self._reaper = Reaper(settings.store.keep, self.writer, snapshots, clock, reserve)
            kept = snapshots if settings.store.snapshots else None
            self._recorder = stack.enter_context(
                Recorder(self.writer, kept, _rules(settings), clock, self._accepted, self._files)
            )
            self._clips = ClipKeeper(snapshots, self._recorder, self.writer, clock)
            self._recorder.has_space = self._reaper.run()
            self._lanes.change(self._lanes.prepare(plans))
            self._stack = stack.pop_all()

    def write(self, event: Event) -> None:
        """Take an event; never waits."""
        self._recorder.write(event)

    def write_clip(self, clip: Clip) -> None:
        """Store a clip of a visit whose events were written before; waits for the disk."""
        self._clips.write(clip)

    def hits(
        self, camera: str, plate: FusedRead, utc_s: float, zones: Collection[str] = ()
    ) -> tuple[ListHit, ...]:
        """Return the lists that a plate is on at this camera, time and place, best match first."""
        return self._lists.hits(camera, plate, utc_s, zones)

    def check(self, settings: Settings) -> None:
        """Raise what would be wrong with a changed configuration, and change nothing.

        Raises:
            ConfigError: a list's file is wrong, or an output's library is missing.
        """
        self._load_lists(settings)
        lane_plans(settings, self._clock)

    def apply(self, settings: Settings) -> None:
        """Go on with the lists, privacy and outputs of a changed configuration.

        What waits for a receiver that is no longer there stays in the outbox.

        Raises:
            ConfigError: a list or an output cannot be used; nothing has changed.
        """
        lists = self._load_lists(settings)
        change = self._lanes.prepare(lane_plans(settings, self._clock))
        self._lists = lists
        self._settings = settings
        self._recorder.rules = _rules(settings)
        self._note_privacy()
        self.notebook.permit(settings.privacy.is_plain)
        self._lanes.change(change)

    def refresh_lists(self) -> list[str]:
        """Pick up changed list files; return and log the faults of those that are wrong."""
        found = self._lists.refresh()
        for fault in found:
            LOG.error("list not changed: %s", fault)
        return found

    def list_faults(self) -> list[str]:
        """Return what is wrong with list files, as long as it is."""
        return self._lists.faults()

    def reap(self) -> None:
        """Apply the rules of retention."""
        self._recorder.has_space = self._reaper.run()

    def publish_cameras(self, cameras: Sequence[str]) -> None:
        """Let MQTT brokers be told, by their lanes, which cameras there are now; never waits."""
        self._lanes.note_cameras(cameras)

    def publish_camera_states(self, states: Mapping[str, str]) -> None:
        """Let MQTT brokers be told how each camera is, by their lanes; never waits."""
        self._lanes.note_states(states)

    def lanes(self) -> dict[str, LaneStatus]:
        """Return how each receiver is, by name."""
        return self._lanes.statuses()

    def depths(self) -> dict[str, dict[str, int]]:
        """Count what waits by receiver and state, also in the metrics.

        Raises:
            StoreError: the store cannot be read.
        """
        try:
            with closing(read_database(self.folder)) as database:
                found = outbox.depths(database)
        except sqlite3.Error as error:
            raise StoreError(f"cannot be read: {error}") from error
        counted = self._lanes.statuses().keys() | found.keys()
        for name in counted:
            for state in STATES:
                OUTBOX_DEPTH.labels(name, state).set(found.get(name, {}).get(state, 0))
        for name in self._counted - counted:
            for state in STATES:
                with suppress(KeyError):
                    OUTBOX_DEPTH.remove(name, state)
        self._counted = counted
        return found

    def hasher(self) -> Callable[[str], str] | None:
        """Return the keyed hash of a text as the settings are now, None without a key."""
        return hasher(self._settings)

    def is_plain(self) -> bool:
        """Tell whether the settings, as they are now, let texts be kept as they are."""
        return self._settings.privacy.is_plain

    def list_sizes(self) -> dict[str, int]:
        """Return the number of plates on each list."""
        return self._lists.sizes()

    def file_errors(self) -> list[str]:
        """Return why event files did not take their last event, one line for each that did not."""
        return [sink.error for sink in self._files if sink.error]

    @property
    def has_space(self) -> bool:
        """Whether new pictures are stored."""
        return self._recorder.has_space

    @property
    def doubt(self) -> str:
        """Why nothing is deleted by age, empty while it is."""
        return self._reaper.doubt

    def close(self, within_s: float = 5.0) -> None:
        """Accept what waits, then end; receivers get what they take in that time. May be called twice."""
        if self._is_closed:
            return
        self._is_closed = True
        limit_s = self._clock.monotonic_s() + within_s
        self._recorder.close()
        self._lanes.close(limit_s)
        self._stack.close()

    def __enter__(self) -> Depot:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _load_lists(self, settings: Settings) -> ListBook:
        try:
            return ListBook(settings.lists, self.folder, self._confusions, hasher(settings))
        except StoreError as error:
            # A list is part of the configuration: trying again would not mend it.
            raise ConfigError(error.message, error.reason_slug) from error

    def _note_privacy(self) -> None:
        self.writer.submit(partial(note_privacy, is_plain=self._settings.privacy.is_plain))

    def _settle_last_run(self) -> None:
        """Give visits that a crash cut off their final event, and put aside what may have run."""
        rules = _rules(self._settings)

        def settle(database: sqlite3.Connection) -> tuple[int, int]:
            visits = open_visits(database)
            for payload in visits:
                event = json.loads(payload)
                lists = [hit["list"] for hit in event["lists"]]
                lanes = rules.lanes("final", event["camera"], lists)
                close_interrupted(database, payload, lanes, self._clock.utc_s())
            return len(visits), outbox.bury_interrupted(database)

        visits, commands = self.writer.submit(settle).result()
        if visits or commands:
            LOG.warning("the last run was cut off: %d visits ended, %d commands put aside", visits, commands)

    def _accepted(self, entry: Entry) -> None:
        self._lanes.wake((*entry.lanes, *(once.lane for once in entry.once_lanes)))
        self._told()


def _rules(settings: Settings) -> Rules:
    return Rules(settings.privacy, settings.outputs, settings.lists, settings.tracking.visits.revisit_s)


def _open(folder: Path, reserve: Reserve) -> sqlite3.Connection:
    """Open the store; on a full disk give up the reserve for it, since opening writes, too."""
    try:
        return open_database(folder)
    except StoreError:
        if shutil.disk_usage(folder).free >= LOG_BYTES:
            raise
        reserve.release()
        return open_database(folder)


def _lock(folder: Path) -> IO[str]:
    """Keep a second daemon away from the store: each would settle what the other is about to do."""
    path = folder / "lock"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o750)
        lock = path.open("w")
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}; is the store's folder writable?") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise StoreError(f"{folder}: another anpr-stream uses this store", "store-locked") from error
    return lock
