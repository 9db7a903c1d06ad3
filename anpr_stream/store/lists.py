"""The plate lists as they stand now: matched by text, picked up again when a file changes."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

from anpr_stream.config.delivery import PlateList
from anpr_stream.errors import StoreError
from anpr_stream.plates.matching import Confusions, TextIndex
from anpr_stream.plates.text import normalise
from anpr_stream.store.list_file import ListEntry, read_list
from anpr_stream.types import FusedRead, ListHit

ABOUT_AS_WELL = 0.25
"""Two entries whose distances differ by less than this cannot be told apart by the text."""

GONE = (0,)
"""Stamp of a file that is not there."""


def list_path(settings: PlateList, folder: Path) -> Path:
    """Return where a list's file is, `folder` being the store's."""
    return settings.file or folder / "lists" / f"{settings.name}.csv"


@dataclass(frozen=True, slots=True)
class _Loaded:
    """One list in memory; replaced as a whole, so that readers need no lock."""

    settings: PlateList
    path: Path
    stamp: tuple[int, ...] | None = None
    by_plate: dict[str, list[ListEntry]] = field(default_factory=dict)
    index: TextIndex | None = None
    fault: str = ""

    @property
    def trouble(self) -> str:
        """What is wrong with the file, for people; a list without one of its own may have none yet."""
        if self.fault:
            return f"list not changed: {self.fault.splitlines()[0]}"
        is_missing = self.settings.file is not None and self.stamp == GONE
        return f"list {self.settings.name} is empty: {self.path} does not exist" if is_missing else ""


class ListBook:
    """All plate lists of a configuration (a `ListMatcher`)."""

    def __init__(
        self,
        lists: Sequence[PlateList],
        folder: Path,
        confusions: Confusions,
        hashed: Callable[[str], str] | None = None,
    ) -> None:
        """Load the lists.

        Args:
            lists: their settings.
            folder: the store's folder.
            confusions: the reader's, for lists with `max_distance`.
            hashed: the keyed hash of a text; without it hashed entries match nothing.

        Raises:
            StoreError: a file is wrong.
        """
        self._confusions = confusions
        self._hashed = hashed
        self._lists = [_Loaded(settings, list_path(settings, folder)) for settings in lists]
        if faults := self.refresh():
            raise StoreError("\n".join(faults), "list-invalid")

    def refresh(self) -> list[str]:
        """Read the files that changed; return the faults of those that are wrong: they stay as they were."""
        faults = []
        for number, loaded in enumerate(self._lists):
            stamp = _stamp(loaded.path)
            if stamp == loaded.stamp:
                continue
            try:
                self._lists[number] = self._load(loaded, stamp, read_list(loaded.path))
            except StoreError as error:
                self._lists[number] = replace(loaded, stamp=stamp, fault=error.message)
                faults.append(error.message)
        return faults

    def faults(self) -> list[str]:
        """Return what is wrong with the lists' files, one line for each."""
        return [trouble for loaded in self._lists if (trouble := loaded.trouble)]

    def sizes(self) -> dict[str, int]:
        """Return the number of plates on each list."""
        return {loaded.settings.name: len(loaded.by_plate) for loaded in self._lists}

    def hits(
        self, camera: str, plate: FusedRead, utc_s: float, zones: Collection[str] = ()
    ) -> tuple[ListHit, ...]:
        """Return the lists that a plate is on at this camera, time and place, best match first."""
        text = normalise(plate.text)
        found = [
            hit
            for loaded in self._lists
            if plate.agreeing_reads >= loaded.settings.min_agreeing_reads
            and (hit := self._hit(loaded, text, camera, zones, utc_s))
        ]
        return tuple(sorted(found, key=lambda hit: hit.distance))

    def _hit(
        self, loaded: _Loaded, text: str, camera: str, zones: Collection[str], utc_s: float
    ) -> ListHit | None:
        settings = loaded.settings
        is_elsewhere = bool(settings.zones) and not set(settings.zones).intersection(zones)
        if not text or is_elsewhere or (settings.cameras and camera not in settings.cameras):
            return None
        local = _local(utc_s, settings.timezone)
        near = [
            (away, entry)
            for away, plate in self._near(loaded, text)
            for entry in loaded.by_plate[plate]
            if entry.counts(camera, zones, local)
        ]
        if not near:
            return None
        near.sort(key=lambda pair: pair[0])
        away, entry = near[0]
        rivals = {other.plate for distance, other in near if distance - away < ABOUT_AS_WELL}
        return ListHit(
            settings.name, settings.action, entry.plate, away, away > 0 and len(rivals) > 1, entry.note
        )

    def _near(self, loaded: _Loaded, text: str) -> list[tuple[float, str]]:
        """Return the list's plates within its distance; an exact one makes the others needless."""
        exact = [text] if self._hashed is None else [text, self._hashed(text)]
        if found := [(0.0, plate) for plate in exact if plate in loaded.by_plate]:
            return found
        if loaded.index is None:
            return []
        return loaded.index.near(text, loaded.settings.max_distance)

    def _load(self, loaded: _Loaded, stamp: tuple[int, ...] | None, entries: Sequence[ListEntry]) -> _Loaded:
        by_plate: defaultdict[str, list[ListEntry]] = defaultdict(list)
        for entry in entries:
            by_plate[entry.plate].append(entry)
        index = None
        if loaded.settings.max_distance > 0:
            index = TextIndex((plate for plate in by_plate if not plate.startswith("#")), self._confusions)
        return replace(loaded, stamp=stamp, by_plate=dict(by_plate), index=index, fault="")


def _stamp(path: Path) -> tuple[int, ...] | None:
    """Return what changes with a file's content and with who may read it."""
    try:
        found = os.stat(path)
    except OSError:
        return GONE
    return (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino)


def _local(utc_s: float, name: str) -> datetime:
    moment = datetime.fromtimestamp(utc_s, tz=timezone.utc)
    return moment.astimezone(ZoneInfo(name) if name else None)
