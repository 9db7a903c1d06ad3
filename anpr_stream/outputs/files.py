"""Events as lines of text: JSON lines or CSV, on standard output or in files that rotate."""

from __future__ import annotations

import csv
import io
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, TextIO

from anpr_stream.config.files import FileOutput
from anpr_stream.errors import SinkError, reason_of
from anpr_stream.outputs.schema import event_to_dict, event_to_json
from anpr_stream.types import Event

CSV_COLUMNS = (
    *("visit_id", "revision", "kind", "camera", "track_id", "text", "raw_text", "confidence"),
    *("format", "country", "reads", "agreeing_reads", "reason", "first_seen", "last_seen", "dwell_s"),
    *("direction", "zones", "lists", "plate_height_px", "frame_index", "pts_s", "read_at"),
    *("x1", "y1", "x2", "y2", "crop", "frame"),
)
"""The columns of a CSV file, in order."""


class LineTarget(Protocol):
    """Where lines go."""

    def write(self, line: str) -> None:
        """Write one line, whole or not at all.

        Raises:
            SinkError: it could not be written.
        """

    def close(self) -> None:
        """Free what is held; may be called twice."""


class LineSink:
    """A `Sink` that writes each event as one line."""

    def __init__(self, target: LineTarget, encode: Callable[[Event], str]) -> None:
        self._target = target
        self._encode = encode
        self.error = ""
        """Why the last event could not be written, empty if it was."""

    def write(self, event: Event) -> None:
        """Write one event; raises `SinkError` if it could not be written whole."""
        try:
            self._target.write(self._encode(event))
        except SinkError as error:
            self.error = error.message
            raise
        self.error = ""

    def close(self) -> None:
        """Close the target; may be called twice."""
        self._target.close()

    def __enter__(self) -> LineSink:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class StreamTarget:
    """Lines on an open text stream such as standard output, which stays open."""

    def __init__(self, stream: TextIO, name: str, header: str | None = None) -> None:
        self._stream = stream
        self._name = name
        if header is not None:
            self.write(header)

    def write(self, line: str) -> None:
        """Write and flush one line; raises `SinkError` if its reader has gone or the disk is full."""
        try:
            self._stream.write(line + "\n")
            self._stream.flush()
        except (OSError, ValueError) as error:
            raise _refused(self._name, error) from error

    def close(self) -> None:
        """Do nothing: the stream is not ours."""


class RotatingFile:
    """Lines appended to a file; a full file moves to `NAME.1`, that one to `NAME.2` and so on."""

    def __init__(self, path: Path, max_bytes: int, keep: int, header: str | None = None) -> None:
        """Open a file.

        Args:
            path: missing folders are made.
            max_bytes: a line that would pass this size begins a new file.
            keep: how many full files are kept.
            header: first line of every file.

        Raises:
            SinkError: it cannot be opened, or is a file with another header.
        """
        self._path = path
        self._max_bytes = max_bytes
        self._keep = keep
        self._header = header
        self._file: io.FileIO | None = None
        self._size = 0
        self._is_closed = False
        self._open()

    def write(self, line: str) -> None:
        """Append one line; raises `SinkError` and leaves no half line behind if the disk is full.

        A file that could not be opened again, after it was full, is tried anew for each line.
        """
        data = line.encode() + b"\n"
        try:
            if self._file is None and not self._is_closed:
                self._open()
            if self._size + len(data) > self._max_bytes and self._size > self._header_size:
                self._rotate()
            self._append(data)
        except OSError as error:
            raise _refused(str(self._path), error) from error

    def close(self) -> None:
        """Close the file for good; may be called twice."""
        self._is_closed = True
        self._drop()

    def _drop(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file = None

    @property
    def _header_size(self) -> int:
        return 0 if self._header is None else len(self._header.encode()) + 1

    def _open(self) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = io.FileIO(self._path, "ab")
            self._size = os.fstat(self._file.fileno()).st_size
            if self._size == 0 and self._header is not None:
                self._append(self._header.encode() + b"\n")
            elif self._header is not None:
                self._check_header(self._header)
        except OSError as error:
            self._drop()
            raise _refused(str(self._path), error) from error

    def _check_header(self, header: str) -> None:
        with self._path.open(encoding="utf-8", errors="replace") as file:
            present = file.readline().rstrip("\r\n")
        if present != header:
            self._drop()
            raise SinkError(
                f"{self._path}: holds other columns than these events; move it away or name another file",
                "sink-columns",
            )

    def _append(self, data: bytes) -> None:
        if self._file is None:
            raise OSError("the file is closed")
        written = 0
        try:
            while written < len(data):
                written += self._file.write(data[written:])
        except OSError:
            if written:
                os.ftruncate(self._file.fileno(), self._size)
            raise
        self._size += len(data)

    def _rotate(self) -> None:
        self._drop()
        if self._path.is_file():  # not a device
            self._move_away()
        self._open()

    def _move_away(self) -> None:
        if self._keep == 0:
            self._path.unlink()
        for number in range(self._keep, 0, -1):
            older = self._numbered(number - 1) if number > 1 else self._path
            if older.exists():
                older.replace(self._numbered(number))

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")


def event_to_csv(event: Event) -> str:
    """Return the event as one CSV row (RFC 4180 quoting) without a line end."""
    return document_to_csv(event_to_dict(event))


def document_to_csv(fields: Mapping[str, Any]) -> str:
    """Return an event's JSON values (`event_to_dict`, or from a store) as one CSV row."""
    x1, y1, x2, y2 = fields["box"]
    times = {name: fields[name]["utc"] for name in ("first_seen", "last_seen", "read_at")}
    images = {role: image["path"] for role, image in fields["images"].items()}
    flat = {
        **fields,
        **times,
        "zones": ";".join(fields["zones"]),
        "lists": ";".join(hit["list"] for hit in fields["lists"]),
        "x1": x1,
        "y1": y1,
        "x2": x2,
        "y2": y2,
        **images,
    }
    return _row([flat.get(column) for column in CSV_COLUMNS])


def stream_sink(stream: TextIO, name: str, form: str) -> LineSink:
    """Return a sink that writes to an open stream; `form` is `jsonl` or `csv`, `name` for messages.

    Raises:
        SinkError: the header cannot be written.
    """
    return LineSink(StreamTarget(stream, name, _header(form)), _encoder(form))


def file_sink(settings: FileOutput) -> LineSink:
    """Return a sink that writes to a rotating file.

    Raises:
        SinkError: the file cannot be opened, or is a pipe.
    """
    if settings.path.is_fifo():
        raise SinkError(f"{settings.path}: is a pipe, whose reader would hold up all events", "sink-write")
    target = RotatingFile(
        settings.path, int(settings.max_mb * 1_000_000), settings.keep, _header(settings.format)
    )
    return LineSink(target, _encoder(settings.format))


def fresh_file_sink(path: Path, form: str) -> LineSink:
    """Return a sink that writes one file of any size and replaces what was there.

    Raises:
        SinkError: the file cannot be opened.
    """
    if path.is_file():
        try:
            path.write_bytes(b"")
        except OSError as error:
            raise _refused(str(path), error) from error
    return LineSink(RotatingFile(path, sys.maxsize, keep=1, header=_header(form)), _encoder(form))


def _header(form: str) -> str | None:
    return _row(CSV_COLUMNS) if form == "csv" else None


def _encoder(form: str) -> Callable[[Event], str]:
    return event_to_csv if form == "csv" else event_to_json


def _row(values: Iterable[object]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(values)
    return text.getvalue()


def _refused(name: str, error: Exception) -> SinkError:
    return SinkError(f"{name}: cannot write events: {reason_of(error)}", "sink-write")
