"""What a person sees of a run: a table of visits, progress of recordings, state of cameras."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from threading import Lock
from time import monotonic

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from anpr_stream.outputs.schema import utc_text
from anpr_stream.pipeline.camera import CameraStatus
from anpr_stream.pipeline.played import PlayedTime
from anpr_stream.types import Event, EventKind, Frame

LIVE_ROWS = 15
REFRESH_HZ = 4
COLUMNS = ("UTC", "camera", "plate", "sure", "reads", "country", "way", "seen", "")
LEFT_OUT = ("country", "way", "", "seen", "reads")
"""Columns that a narrow screen does without, the first one first."""
SHORT_NAME = 8
"""To so many characters the names of cameras are cut before a column is left out."""
GAP = 2


class VisitTable:
    """A `Sink` that keeps the newest event of each visit for the table."""

    def __init__(self, limit: int = 10_000) -> None:
        """Begin empty; beyond `limit` visits the oldest are forgotten."""
        self._limit = limit
        self._lock = Lock()
        self._visits: dict[str, Event] = {}

    def write(self, event: Event) -> None:
        """Take an event."""
        with self._lock:
            self._visits[event.visit_id] = event
            if len(self._visits) > self._limit:
                self._visits.pop(next(iter(self._visits)))

    def close(self) -> None:
        """Do nothing: the table is printed after the run."""

    def __enter__(self) -> VisitTable:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def table(self, rows: int | None = None) -> RenderableType:
        """Return the newest visits, or all of them, to be printed in any width."""
        with self._lock:
            events = list(self._visits.values())
        return _Fitted([_row(event) for event in (events[-rows:] if rows else events)])


class _Fitted:
    """Rows under `COLUMNS`, as many of these as the screen has room for."""

    def __init__(self, rows: Sequence[tuple[str, ...]]) -> None:
        self._rows = rows

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        cells = dict(zip(COLUMNS, zip(COLUMNS, *self._rows, strict=True), strict=True))
        widths = {column: max(map(cell_len, texts)) for column, texts in cells.items()}
        fitted = _fit(widths, options.max_width)
        table = Table(box=None, pad_edge=False, header_style="bold")
        for column, width in fitted.items():
            table.add_column(column, width=width, no_wrap=True)
        for row in zip(*(cells[column][1:] for column in fitted), strict=True):
            table.add_row(*map(Text, row))
        yield table


def _fit(widths: dict[str, int], screen: int) -> dict[str, int]:
    """Return the columns that fit and their widths: the camera's shrinks first, and again at last."""
    fitted = dict(widths)
    for column in LEFT_OUT:
        if _room(fitted, screen) >= min(SHORT_NAME, fitted["camera"]):
            break
        del fitted[column]
    fitted["camera"] = max(1, min(fitted["camera"], _room(fitted, screen)))
    return fitted


def _room(widths: Mapping[str, int], screen: int) -> int:
    """Return how wide the column of the camera may be beside all others."""
    return screen - sum(width + GAP for column, width in widths.items() if column != "camera")


def _row(event: Event) -> tuple[str, ...]:
    plate = event.plate
    return (
        utc_text(event.first_seen.utc_s)[5:19].replace("T", " "),
        event.camera,
        plate.text if plate else f"({event.reason})",
        f"{plate.confidence:.1%}" if plate else "",
        f"{plate.agreeing_reads}/{plate.reads}" if plate else "",
        (plate.country if plate else None) or "",
        event.direction or "",
        f"{event.dwell_s:.1f} s",
        "" if event.kind is EventKind.FINAL else "in view",
    )


class RecordingProgress:
    """Counts the frames of a recording; a `FrameObserver` may be wrapped around it.

    Attributes:
        frames: frames that passed the whole flow.
        played: stream time of the last one since the first.
    """

    def __init__(self, total_frames: int | None) -> None:
        """Begin to count towards `total_frames`, or without an end."""
        self.total_frames = total_frames
        self.frames = 0
        self.played = PlayedTime()
        self._began_s = monotonic()
        self._last_s = self._began_s

    def see(self, frame: Frame) -> None:
        """Count a frame."""
        self.frames += 1
        self.played.see(frame)
        self._last_s = monotonic()

    def speed(self) -> tuple[float, float]:
        """Return frames a second, and how many times faster than real time."""
        took_s = max(1e-6, self._last_s - self._began_s)
        return self.frames / took_s, self.played.s / took_s

    def summary(self) -> str:
        """Return how it went in a few words."""
        fps, times = self.speed()
        return f"{self.frames} frames, {fps:.0f} frames/s, {times:.1f} times real time"


class _Speed(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(task.fields.get("speed", ""))


class Display:
    """Shows table and progress on a terminal while a run goes on; a context manager."""

    def __init__(
        self, console: Console, visits: VisitTable | None, recordings: Mapping[str, RecordingProgress]
    ) -> None:
        """Prepare.

        Args:
            console: a terminal; on anything else nothing is shown.
            visits: shown above the progress.
            recordings: by camera.
        """
        self._visits = visits
        self._recordings = recordings
        self._statuses: Mapping[str, CameraStatus] = {}
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            _Speed(),
            TimeRemainingColumn(),
        )
        self._tasks = {
            name: self._progress.add_task(name, total=recording.total_frames, speed="")
            for name, recording in recordings.items()
        }
        self._live = (
            Live(console=console, refresh_per_second=REFRESH_HZ, transient=True)
            if console.is_terminal
            else None
        )

    def __enter__(self) -> Display:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def update(self, statuses: Mapping[str, CameraStatus]) -> None:
        """Show the present state."""
        if self._live is None:
            return
        for name, task in self._tasks.items():
            recording = self._recordings[name]
            fps, times = recording.speed()
            self._progress.update(task, completed=recording.frames, speed=f"{fps:.0f}/s {times:.1f}x")
        self._live.update(Group(*self._parts(statuses)))

    def _parts(self, statuses: Mapping[str, CameraStatus]) -> Sequence[RenderableType]:
        table = [self._visits.table(LIVE_ROWS)] if self._visits else []
        lines = [
            Text(status_line(name, status)) for name, status in statuses.items() if name not in self._tasks
        ]
        return [*table, *lines, self._progress]


def status_line(name: str, status: CameraStatus) -> str:
    """Return a camera's state in one line."""
    source = status.source
    dropped = sum(source.dropped.values())
    reason = status.error or source.reason
    return f"{name}: {source.state.value}, {source.fps:.0f} frames/s, {dropped} dropped" + (
        f" ({reason})" if reason else ""
    )
