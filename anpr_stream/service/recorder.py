"""The sink of the daemon: privacy, pictures, history and outbox for every event, off the cameras' threads."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import TypeAlias

from anpr_stream.config.delivery import Output, PlateList, Privacy, reveal
from anpr_stream.errors import SinkError, StoreError
from anpr_stream.interfaces import Clock, Sink
from anpr_stream.metrics import (
    EVENTS_ACCEPTED,
    EVENTS_DROPPED,
    LIST_HITS,
    PICTURES_DROPPED,
    QUEUE_DEPTH,
)
from anpr_stream.outputs.schema import event_to_json
from anpr_stream.service.writer import Writer
from anpr_stream.store.ledger import Entry, ImageRow, OnceLane, PlateClass, accept
from anpr_stream.store.privacy import class_of, hide, strip
from anpr_stream.store.snapshots import SnapshotFolder
from anpr_stream.types import Event, EventKind, ListHit, StoredImage

LOG = logging.getLogger(__name__)
MOST_WAITING = 20_000
"""Events in memory while the disk is full, some 100 MB; then the newest are dropped and counted."""
MOST_PICTURES_WAITING = 32
"""Events that wait with their frame (3 MB for 1080p); more than these lose their pictures, not themselves."""
MOST_VISITS = 10_000
"""Visits whose pictures are remembered, should a camera never end them."""


_Job: TypeAlias = "tuple[Event, Rules] | Callable[[], object]"


@dataclass(frozen=True, slots=True)
class Rules:
    """What happens to events.

    Attributes:
        privacy: what is kept of whose plate.
        outputs: receivers of every event that their filters let through.
        lists: lists with commands and webhooks.
        resume_s: see `ledger.accept`.
    """

    privacy: Privacy = field(default_factory=Privacy)
    outputs: tuple[Output, ...] = ()
    lists: tuple[PlateList, ...] = ()
    resume_s: float = 60.0

    def lanes(self, kind: str, camera: str, lists: Collection[str]) -> tuple[str, ...]:
        """Return the lanes of the outputs that want an event of a kind, camera and lists."""
        return tuple(
            output.name
            for output in self.outputs
            if kind in output.kinds
            and (not output.cameras or camera in output.cameras)
            and (not output.lists or set(lists).intersection(output.lists))
        )

    def once_lanes(self, hits: Sequence[ListHit]) -> tuple[OnceLane, ...]:
        """Return the lanes of commands and webhooks that the list hits of an event ask for."""
        entries = {hit.list_name: hit.entry for hit in hits}
        return tuple(
            OnceLane(lane, entries[plate_list.name])
            for plate_list in self.lists
            if plate_list.name in entries
            for lane in once_lane_names(plate_list)
        )


def once_lane_names(plate_list: PlateList) -> tuple[str, ...]:
    """Return the lanes of a list: `command:<list>` and `webhook:<list>`, where it has them."""
    name = plate_list.name
    command = (f"command:{name}",) if plate_list.command else ()
    return command + ((f"webhook:{name}",) if plate_list.webhook else ())


def lane_names(outputs: Iterable[Output], lists: Iterable[PlateList]) -> tuple[str, ...]:
    """Return the lanes of all outputs and lists of a configuration."""
    names = [output.name for output in outputs]
    return (*names, *(lane for plate_list in lists for lane in once_lane_names(plate_list)))


@dataclass(slots=True)
class _Visit:
    """What the recorder remembers of a running visit: its pictures, by what they show."""

    pictures: dict[tuple[int, bool, bool], dict[str, ImageRow]] = field(default_factory=dict)


class Recorder:
    """Accepts events (a `Sink`): `write` only queues; one thread does the rest, in order.

    An event is safe when it is in the store: `on_accepted` tells. Pictures are stored before, so that
    a stored event always has them; where the disk is short of space, events go on without pictures.
    """

    def __init__(
        self,
        writer: Writer,
        snapshots: SnapshotFolder | None,
        rules: Rules,
        clock: Clock,
        on_accepted: Callable[[Entry], None] = lambda entry: None,
        files: Sequence[Sink] = (),
    ) -> None:
        """Start the thread.

        Args:
            writer: commits.
            snapshots: None: no pictures.
            rules: may be replaced while running; an event keeps those that it was written under.
            clock: for the time of acceptance.
            on_accepted: called in the writer's thread after each commit; must be quick.
            files: event files, which get what privacy leaves; the caller closes them.
        """
        self.rules = rules
        self.has_space = True
        self._writer = writer
        self._snapshots = snapshots
        self._clock = clock
        self._on_accepted = on_accepted
        self._files = files
        self._visits: OrderedDict[str, _Visit] = OrderedDict()
        self._waiting: deque[_Job] = deque()
        self._pictures_waiting = 0
        self._uncommitted = 0
        self._changed = threading.Condition()
        self._is_closing = False
        self._thread = threading.Thread(target=self._run, name="anpr-recorder", daemon=True)
        self._thread.start()

    def write(self, event: Event) -> None:
        """Queue an event; never waits. What memory cannot hold is dropped and counted."""
        with self._changed:
            if self._is_closing or len(self._waiting) + self._uncommitted >= MOST_WAITING:
                EVENTS_DROPPED.labels(event.camera, "closed" if self._is_closing else "memory").inc()
                return
            if event.crop is not None and self._pictures_waiting >= MOST_PICTURES_WAITING:
                PICTURES_DROPPED.labels("busy").inc()
                event = replace(event, crop=None)
            self._pictures_waiting += event.crop is not None
            self._waiting.append((event, self.rules))
            QUEUE_DEPTH.labels("recorder").set(len(self._waiting))
            self._changed.notify_all()

    def afterwards(self, job: Callable[[], object]) -> bool:
        """Have something quick done in the recorder's thread after all that was written before; never waits.

        Returns:
            False where it is closed, or memory is full: the job is not done then.
        """
        with self._changed:
            if self._is_closing or len(self._waiting) + self._uncommitted >= MOST_WAITING:
                return False
            self._waiting.append(job)
            self._changed.notify_all()
            return True

    def close(self) -> None:
        """Accept what waits and end the thread; may be called twice."""
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()
        self._thread.join()

    def __enter__(self) -> Recorder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self) -> None:
        while (found := self._next()) is not None:
            if not isinstance(found, tuple):
                found()
                continue
            event, rules = found
            try:
                self._record(event, rules)
            except Exception:
                # One event that cannot be handled must not end the recording of all others.
                LOG.exception("%s: event of visit %s is lost", event.camera, event.visit_id)
                EVENTS_DROPPED.labels(event.camera, "error").inc()

    def _next(self) -> _Job | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_closing)
            if not self._waiting:
                return None
            found = self._waiting.popleft()
            QUEUE_DEPTH.labels("recorder").set(len(self._waiting))
            if isinstance(found, tuple):
                self._pictures_waiting -= found[0].crop is not None
            return found

    def _record(self, event: Event, rules: Rules) -> None:
        for hit in event.list_hits:
            LIST_HITS.labels(hit.list_name).inc()
        plate_class = class_of(event)
        kept = self._kept(event, plate_class, rules.privacy)
        if kept is None:
            EVENTS_DROPPED.labels(event.camera, "privacy").inc()
            return
        entry = _entry(*kept, plate_class, rules)
        self._remember(event)
        self._write_files(kept[0])
        with self._changed:
            self._uncommitted += 1
        job = self._writer.submit(
            lambda database: accept(database, entry, self._clock.utc_s(), rules.resume_s)
        )
        job.add_done_callback(lambda done: self._committed(entry, done))

    def _kept(
        self, event: Event, plate_class: PlateClass, privacy: Privacy
    ) -> tuple[Event, tuple[ImageRow, ...]] | None:
        """Return what privacy leaves of an event, with its pictures; None: nothing."""
        mode = getattr(privacy, plate_class.value)
        if mode == "drop":
            # A receiver that knows the visit must learn that it ended.
            return (strip(event), ()) if event.visit_id in self._visits else None
        is_hashed = mode == "hash"
        hide_plate = is_hashed or _blurs(privacy, plate_class)
        images = self._store_pictures(event, hide_plate, _blurs(privacy, PlateClass.UNREAD))
        paths = {role: StoredImage(image.path, image.sha256) for role, image in images.items()}
        event = replace(event, images={**event.images, **paths}, crop=None)
        key = reveal(privacy.key)
        return (hide(event, key.encode()) if is_hashed and key else event), tuple(images.values())

    def _store_pictures(self, event: Event, hide_plate: bool, hide_others: bool) -> dict[str, ImageRow]:
        """Store the pictures of an event, or find those of an earlier one of the same frame."""
        visit = self._visits.setdefault(event.visit_id, _Visit())
        shown = (event.frame_index, hide_plate, hide_others)
        if shown in visit.pictures or self._snapshots is None or event.crop is None:
            return visit.pictures.get(shown, {})
        if not self.has_space:
            PICTURES_DROPPED.labels("disk_space").inc()
            return {}
        try:
            stored = self._snapshots.store(event, hide_plate, hide_others)
        except StoreError as error:
            LOG.warning("%s: picture not stored: %s", event.camera, error.message)
            PICTURES_DROPPED.labels("disk_error").inc()
            return {}
        visit.pictures[shown] = stored
        return stored

    def _write_files(self, event: Event) -> None:
        for sink in self._files:
            try:
                sink.write(event)
            except SinkError as error:
                LOG.error("%s: event of visit %s not in the file: %s", event.camera, event.visit_id, error)
                EVENTS_DROPPED.labels(event.camera, "file").inc()

    def _remember(self, event: Event) -> None:
        """Keep the visit in mind until its end."""
        self._visits.setdefault(event.visit_id, _Visit())
        if event.kind is EventKind.FINAL:
            del self._visits[event.visit_id]
        elif len(self._visits) > MOST_VISITS:
            self._visits.popitem(last=False)

    def _committed(self, entry: Entry, done: Future[bool]) -> None:
        with self._changed:
            self._uncommitted -= 1
        if done.exception() is not None:
            LOG.error("%s: visit %s is lost: %s", entry.camera, entry.visit_id, done.exception())
            EVENTS_DROPPED.labels(entry.camera, "store").inc()
        elif done.result():
            EVENTS_ACCEPTED.labels(entry.camera, entry.kind).inc()
            self._on_accepted(entry)
        else:
            EVENTS_DROPPED.labels(entry.camera, "double").inc()


def _blurs(privacy: Privacy, plate_class: PlateClass) -> bool:
    """Return whether plates of a class are blurred where their text may stand as it is.

    An unread plate, as a neighbour's, may be anybody's: the strictest rule for read ones counts.
    """
    if plate_class is PlateClass.LISTED:
        return False
    is_strict = plate_class is PlateClass.UNREAD and not privacy.is_plain
    return privacy.blur_unlisted or is_strict


def _entry(event: Event, images: tuple[ImageRow, ...], plate_class: PlateClass, rules: Rules) -> Entry:
    lists = tuple(hit.list_name for hit in event.list_hits)
    return Entry(
        visit_id=event.visit_id,
        revision=event.revision,
        kind=event.kind.value,
        camera=event.camera,
        text=event.plate.text if event.plate else None,
        raw_text=event.plate.raw_text if event.plate else None,
        plate_class=plate_class,
        first_utc_s=event.first_seen.utc_s,
        last_utc_s=event.last_seen.utc_s,
        lists=lists,
        payload=event_to_json(event),
        images=images,
        lanes=rules.lanes(event.kind.value, event.camera, lists),
        once_lanes=rules.once_lanes(event.list_hits),
    )
