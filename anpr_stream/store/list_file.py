"""Plate lists as CSV files: read, check, change.

Columns: `plate` and, where wanted, `note`, `cameras`, `zones`, `days` (separated by blanks, e.g. `mon tue`),
`from` and `to` (local time, `22:00`; a window may pass midnight and then belongs to the day it begins on),
`expires` (a date, the last day included). A plate may stand as its keyed hash, `#` and 32 hexadecimal digits.
Spreadsheets write semicolons or tabs, capitals in headers, UTF-16, and empty cells and rows: all are read.
"""

from __future__ import annotations

import codecs
import csv
import fcntl
import io
import os
import re
import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import zip_longest
from pathlib import Path

from anpr_stream.errors import StoreError, reason_of
from anpr_stream.plates.text import normalise

COLUMNS = ("plate", "note", "cameras", "zones", "days", "from", "to", "expires")
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
HASH = re.compile(r"#[0-9a-f]{32}")
MAX_BYTES = 64_000_000
UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True, slots=True)
class ListEntry:
    """One line of a plate list.

    Attributes:
        plate: normalised text, or a keyed hash.
        note: free text for people.
        cameras: only at these; empty: at all.
        zones: only once the plate was in one of these; empty: anywhere.
        days: only on these days of the week, 0 is Monday; empty: on all.
        begins: only from this local time of day on.
        ends: only before this local time of day.
        expires: the last day on which it counts.
    """

    plate: str
    note: str = ""
    cameras: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()
    days: tuple[int, ...] = ()
    begins: time | None = None
    ends: time | None = None
    expires: date | None = None

    def counts(self, camera: str, zones: Collection[str], local: datetime) -> bool:
        """Return whether the entry counts for a plate that was in these zones of a camera at a time."""
        is_elsewhere = bool(self.zones) and not set(self.zones).intersection(zones)
        if is_elsewhere or (self.cameras and camera not in self.cameras):
            return False
        return self._is_open(local)

    def _is_open(self, local: datetime) -> bool:
        begins, ends = self.begins or time.min, self.ends or time.max
        # A window to 0:00 passes midnight, too, even from 0:00 on: it lasts the whole day.
        passes_midnight = self.ends is not None and begins >= ends
        is_next_day = passes_midnight and local.time() < ends
        day = (local - timedelta(days=1) if is_next_day else local).date()
        if self.days and day.weekday() not in self.days:
            return False
        if self.expires is not None and day > self.expires:
            return False
        is_before_end = self.ends is None or passes_midnight or local.time() < ends
        return is_next_day or (begins <= local.time() and is_before_end)


def read_list(path: Path) -> tuple[ListEntry, ...]:
    """Read a list's file; a missing one is an empty list.

    Raises:
        StoreError: the file cannot be read, or its faults, one line each: `file:line: what is wrong`.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise StoreError(f"{path}: over {MAX_BYTES // 1_000_000} MB, no plate list", "list-invalid")
        content = path.read_bytes()
        text = content.decode("utf-16" if content.startswith(UTF_16) else "utf-8-sig")
    except FileNotFoundError:
        return ()
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"{path}: cannot be read: {reason_of(error)}", "list-unreadable") from error
    return parse_list(text, str(path))


def parse_list(text: str, name: str) -> tuple[ListEntry, ...]:
    """Check a list given as CSV text; `name` stands for the file in messages.

    Raises:
        StoreError: as `read_list`.
    """
    separator = max(",;\t", key=text.partition("\n")[0].count)
    # Strict, so that a quotation mark without its twin does not swallow the plates behind it.
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True, strict=True)
    entries: list[ListEntry] = []
    faults: list[str] = []
    try:
        columns = [column.strip().lower() for column in next(lines, [])]
        _check_columns(columns, name)
        for row in lines:
            try:
                entries.extend(_entries(columns, row))
            except ValueError as error:
                faults.append(f"{name}:{lines.line_num}: {error}")
    except csv.Error as error:
        faults.append(f"{name}:{lines.line_num}: {error}")
    if faults:
        raise StoreError("\n".join(faults), "list-invalid")
    return tuple(entries)


def format_list(entries: Sequence[ListEntry]) -> str:
    """Return entries as CSV text that `parse_list` reads back to the same."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for entry in entries:
        writer.writerow(
            (
                entry.plate,
                entry.note,
                " ".join(entry.cameras),
                " ".join(entry.zones),
                " ".join(DAYS[day] for day in entry.days),
                entry.begins and entry.begins.isoformat("minutes"),
                entry.ends and entry.ends.isoformat("minutes"),
                entry.expires and entry.expires.isoformat(),
            )
        )
    return text.getvalue()


def add_entries(path: Path, added: Sequence[ListEntry], replace_all: bool = False) -> None:
    """Add entries to a list's file; one of the same plate, cameras, zones, days and hours is replaced.

    Args:
        path: of the list; made when it is missing.
        added: the entries.
        replace_all: leave none of the old ones.

    Raises:
        StoreError: the file cannot be read or written.
    """

    def merged(entries: tuple[ListEntry, ...]) -> list[ListEntry]:
        by_key = {} if replace_all else {_key(entry): entry for entry in entries}
        return list({**by_key, **{_key(entry): entry for entry in added}}.values())

    _change(path, merged)


def remove_plate(path: Path, plate: str) -> int:
    """Remove all entries of a plate from a list's file; return how many there were.

    Raises:
        StoreError: the file cannot be read or written.
    """
    removed = 0

    def without(entries: tuple[ListEntry, ...]) -> list[ListEntry]:
        nonlocal removed
        kept = [entry for entry in entries if entry.plate != plate]
        removed = len(entries) - len(kept)
        return kept

    _change(path, without)
    return removed


def make_entry(values: dict[str, str]) -> ListEntry:
    """Check one entry given by column.

    Raises:
        ValueError: says which value is wrong and what is expected.
    """
    plate = values.get("plate", "").strip()
    if not HASH.fullmatch(plate):
        plate = normalise(plate)
    if not plate:
        raise ValueError(f"plate: {values.get('plate', '')!r} holds no letter A-Z or digit")
    begins, ends = _time("from", values.get("from", "")), _time("to", values.get("to", ""))
    if begins is not None and begins == ends:
        raise ValueError("to: the same time as 'from'; leave both empty for the whole day")
    return ListEntry(
        plate=plate,
        note=values.get("note", "").strip(),
        cameras=tuple(values.get("cameras", "").split()),
        zones=tuple(values.get("zones", "").split()),
        days=tuple(sorted({_day(name) for name in values.get("days", "").lower().split()})),
        begins=begins,
        ends=ends,
        expires=_date(values.get("expires", "")),
    )


def _check_columns(columns: Sequence[str], name: str) -> None:
    if "plate" not in columns:
        raise StoreError(f"{name}:1: expected a header with the column 'plate'", "list-invalid")
    if unknown := [column for column in columns if column and column not in COLUMNS]:
        raise StoreError(
            f"{name}:1: unknown column {unknown[0]!r}; known: {', '.join(COLUMNS)}", "list-invalid"
        )


def _entries(columns: Sequence[str], row: Sequence[str]) -> Iterator[ListEntry]:
    """Yield the entry of a row, nothing for an empty one."""
    if not "".join(row).strip():
        return
    if any(value.strip() for column, value in zip_longest(columns, row, fillvalue="") if not column):
        raise ValueError("more values than columns")
    yield make_entry(dict(zip(columns, row, strict=False)))


def _key(entry: ListEntry) -> tuple[object, ...]:
    return (entry.plate, entry.cameras, entry.zones, entry.days, entry.begins, entry.ends)


def _day(name: str) -> int:
    if name not in DAYS:
        raise ValueError(f"days: {name!r} is none of {' '.join(DAYS)}")
    return DAYS.index(name)


def _time(column: str, text: str) -> time | None:
    if not text.strip():
        return None
    if not re.fullmatch(r"\d{1,2}:\d\d", text.strip()):
        raise ValueError(f"{column}: expected a time like 22:00, not {text!r}")
    hours, minutes = text.split(":")
    try:
        return time(int(hours), int(minutes))
    except ValueError as error:
        raise ValueError(f"{column}: {text!r} is no time of day") from error


def _date(text: str) -> date | None:
    if not text.strip():
        return None
    try:
        return date.fromisoformat(text.strip())
    except ValueError as error:
        raise ValueError(f"expires: expected a date like 2027-12-31, not {text!r}") from error


def _change(path: Path, change: Callable[[tuple[ListEntry, ...]], list[ListEntry]]) -> None:
    """Replace a list's file at one stroke, so that a reader sees the old or the new, never a part.

    Whoever changes it, it stays the daemon's: with the owner and mode of the old file or, for a new one,
    of its folder.
    """
    try:
        _make_folder(path.parent)
        with _lock(path), tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as new:
            temporary = Path(new.name)
            try:
                new.write(format_list(change(read_list(path))))
                new.flush()
                os.fsync(new.fileno())
                _own_like(temporary, path if path.exists() else path.parent)
                temporary.replace(path)
            finally:
                temporary.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"{path}: cannot be written: {reason_of(error)}", "list-unwritable") from error


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Keep two editors of one list apart."""
    file = path.with_name(f".{path.name}.lock")
    is_new = not file.exists()
    with file.open("a") as lock:
        if is_new:
            _own_like(file, path.parent)
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _make_folder(folder: Path) -> None:
    """Make the missing ones of a folder and those above it, each for the owner of the one above."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    _own_like(folder, folder.parent)


def _own_like(path: Path, model: Path) -> None:
    """Give a path the owner and the mode of another; none becomes writable for everybody."""
    wanted, present = model.stat(), path.stat()
    if (wanted.st_uid, wanted.st_gid) != (present.st_uid, present.st_gid):
        os.chown(path, wanted.st_uid, wanted.st_gid)
    path.chmod(wanted.st_mode & (0o775 if path.is_dir() else 0o664))
