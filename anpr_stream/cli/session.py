"""One run of cameras for a person at a terminal: outputs, progress, signals, exit code."""

from __future__ import annotations

import sys
from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic

from rich.console import Console

from anpr_stream.cli.show import Display, RecordingProgress, VisitTable, status_line
from anpr_stream.cli.stopping import Stopping
from anpr_stream.config.schema import Camera, Settings
from anpr_stream.errors import AnprError, SourceError
from anpr_stream.interfaces import Sink
from anpr_stream.outputs.files import file_sink, fresh_file_sink, stream_sink
from anpr_stream.pipeline.annotate import Annotator
from anpr_stream.pipeline.camera import CameraStatus
from anpr_stream.pipeline.delivery import Delivery
from anpr_stream.pipeline.follower import Mark
from anpr_stream.pipeline.networks import load_networks
from anpr_stream.pipeline.supervisor import Pipeline
from anpr_stream.sources import probe
from anpr_stream.sources.locate import locate
from anpr_stream.store.snapshots import SnapshotFolder
from anpr_stream.types import Event, Frame, SourceState, StoredImage

REFRESH_S = 0.25
PIPED_WIDTH = 120
"""Columns of a table that goes into a file or another program."""


@dataclass(frozen=True)
class Wanted:
    """What a run writes besides events."""

    form: str
    output: Path | None
    annotate: Path | None
    snapshots: Path | None


class Session:
    """One run of the command."""

    def __init__(self, settings: Settings, wanted: Wanted) -> None:
        self._settings = settings
        self._wanted = wanted
        self._visits = VisitTable() if wanted.form == "table" else None
        self._errors: list[AnprError] = []
        self._stopping = Stopping()
        self._has_lost_output = False
        self._reasons: dict[str, str] = {}
        self._told: dict[str, tuple[SourceState, str]] = {}
        self._messages = Console(stderr=True, highlight=False, soft_wrap=True)

    def run(self) -> int:
        """Run all cameras; return the exit code."""
        if self._settings.outputs or self._settings.lists:
            self._messages.print(
                "outputs and lists of the settings are for 'anpr-stream serve'; not used here"
            )
        with ExitStack() as stack, self._stopping:
            delivery = stack.enter_context(Delivery(self._sinks(), self._with_pictures, self._fail))
            annotator = None
            if self._wanted.annotate:
                annotator = stack.enter_context(Annotator(self._wanted.annotate, self._fail))
            networks = stack.enter_context(load_networks(self._settings))
            networks.warm_up()
            pipeline = stack.enter_context(Pipeline(self._settings, networks, delivery.send))
            for group in self._groups():
                self._watch(pipeline, group, annotator)
        if self._visits is not None:
            width = None if sys.stdout.isatty() else PIPED_WIDTH
            Console(width=width).print(self._visits.table())
        failed = self._report()
        return self._stopping.exit_code or failed

    def _sinks(self) -> list[Sink]:
        sinks: list[Sink] = [file_sink(file) for file in self._settings.files]
        if self._visits is not None:
            return [*sinks, self._visits]
        if self._wanted.output is not None:
            return [*sinks, fresh_file_sink(self._wanted.output, self._wanted.form)]
        return [*sinks, stream_sink(sys.stdout, "standard output", self._wanted.form)]

    def _groups(self) -> Iterator[dict[str, Camera]]:
        """Yield cameras to run side by side: recordings alone go one by one, for a fixed order of events."""
        cameras = self._settings.cameras
        if any(_is_live(camera) for camera in cameras.values()):
            yield cameras
            return
        for name, camera in cameras.items():
            yield {name: camera}

    def _watch(self, pipeline: Pipeline, cameras: dict[str, Camera], annotator: Annotator | None) -> None:
        """Run a group of cameras to its end, and show it meanwhile."""
        recordings = {
            name: self._progress(camera) for name, camera in cameras.items() if not _is_live(camera)
        }
        if self._must_end:
            return
        for name, camera in cameras.items():
            pipeline.start(name, camera, _Observer(recordings.get(name), annotator))
        self._wait(pipeline, recordings, has_live=len(recordings) < len(cameras))
        statuses = pipeline.statuses()
        for name in cameras:
            self._finish(pipeline, name)
        for name, recording in recordings.items():
            if recording.frames:
                told = f"{name}: {recording.summary()}{_losses(statuses[name])}"
                self._messages.print(told, markup=False)

    def _wait(self, pipeline: Pipeline, recordings: Mapping[str, RecordingProgress], has_live: bool) -> None:
        """Show how it goes until all cameras have ended; a live one's longest duration is by the clock."""
        limit_s = self._settings.flow.max_duration_s
        deadline_s = monotonic() + limit_s if has_live and limit_s is not None else float("inf")
        with Display(self._messages, self._visits, recordings) as display:
            while not pipeline.wait(REFRESH_S):
                statuses = pipeline.statuses()
                display.update(statuses)
                self._tell_changes(statuses, recordings)
                if self._must_end or monotonic() > deadline_s:
                    pipeline.stop_all()

    def _tell_changes(self, statuses: Mapping[str, CameraStatus], recordings: Container[str]) -> None:
        """Say once when a live camera's state or the reason for it changes."""
        for name, status in statuses.items():
            now = (status.source.state, status.source.reason)
            self._reasons[name] = status.source.reason or self._reasons.get(name, "")
            if name not in recordings and self._told.get(name) != now:
                self._told[name] = now
                self._messages.print(status_line(name, status), markup=False)

    def _finish(self, pipeline: Pipeline, name: str) -> None:
        """Note why a camera ended badly, or that it never began."""
        status, error = pipeline.statuses()[name], pipeline.error(name)
        if error is None and status.looked_at == 0 and name in self._told:
            reason = self._reasons[name] or "it did not answer in time"
            error = SourceError(f"{name} gave no picture: {reason}", "camera-silent")
        if error is not None:
            self._errors.append(error)
        pipeline.stop(name)

    def _progress(self, camera: Camera) -> RecordingProgress:
        """Find out how long a recording is, where somebody looks."""
        if self._must_end or not self._messages.is_terminal:
            return RecordingProgress(None)
        try:
            frames = probe(camera.url, camera.source).frames
        except AnprError:
            return RecordingProgress(None)
        return RecordingProgress(None if frames is None else frames // camera.source.every)

    def _with_pictures(self, event: Event) -> Event:
        if self._wanted.snapshots is None:
            return event
        folder = SnapshotFolder(self._wanted.snapshots, self._settings.store.jpeg_quality)
        rows = folder.store(event, hide_plate=False, hide_others=False)
        return replace(event, images={role: StoredImage(row.path, row.sha256) for role, row in rows.items()})

    @property
    def _must_end(self) -> bool:
        """Whether a signal came, or an output was lost; asked often, since nobody is called back."""
        return self._has_lost_output or self._stopping.exit_code != 0

    def _fail(self, error: AnprError) -> None:
        self._errors.append(error)
        self._has_lost_output = True

    def _report(self) -> int:
        """Print all errors; return the exit code of the first, 0 without one."""
        for error in self._errors:
            sys.stderr.write(f"anpr-stream: {error}\n")
        return self._errors[0].exit_code if self._errors else 0


class _Observer:
    """Passes frames to the progress and to the annotated video."""

    def __init__(self, progress: RecordingProgress | None, annotator: Annotator | None) -> None:
        self._progress = progress
        self._annotator = annotator

    def __call__(self, frame: Frame, marks: Callable[[Frame], list[Mark]]) -> None:
        if self._progress is not None:
            self._progress.see(frame)
        if self._annotator is not None:
            self._annotator(frame, marks(frame))


def _losses(status: CameraStatus) -> str:
    """Return what of a recording was not played, with the last reason; nothing where all was."""
    lost = [f"{count} {kind}" for kind, count in status.source.dropped.items()]
    return f"; lost: {', '.join(lost)} ({status.source.reason})" if lost else ""


def _is_live(camera: Camera) -> bool:
    try:
        return locate(camera.url, camera.source).is_live
    except AnprError:
        return False
