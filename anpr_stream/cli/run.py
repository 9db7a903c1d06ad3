"""`anpr-stream run`: plates out of recordings and cameras."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from anpr_stream.cli.options import (
    Backend,
    Config,
    Formats,
    Reader,
    StartTime,
    settings_from,
    split_names,
    with_sources,
)
from anpr_stream.cli.show import Display, RecordingProgress, VisitTable
from anpr_stream.cli.stopping import Stopping
from anpr_stream.config.schema import Camera, Settings
from anpr_stream.errors import AnprError, UsageError
from anpr_stream.interfaces import Sink
from anpr_stream.outputs.files import file_sink, fresh_file_sink, stream_sink
from anpr_stream.pipeline.annotate import Annotator
from anpr_stream.pipeline.delivery import Delivery
from anpr_stream.pipeline.follower import Mark
from anpr_stream.pipeline.networks import load_networks
from anpr_stream.pipeline.supervisor import Pipeline
from anpr_stream.sources import probe
from anpr_stream.sources.locate import locate
from anpr_stream.store.snapshots import SnapshotFolder
from anpr_stream.types import Event, Frame, StoredImage

FORMS = ("table", "jsonl", "csv")
REFRESH_S = 0.25


@dataclass(frozen=True)
class Wanted:
    """What a run writes besides events."""

    form: str
    output: Path | None
    annotate: Path | None
    snapshots: Path | None


def run(
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SOURCE…",
            help="Recordings, folders, globs, pictures, rtsp:// or http:// addresses, /dev/video0.",
            show_default=False,
        ),
    ] = None,
    config: Config = None,
    form: Annotated[
        str | None,
        typer.Option(
            "--format", help="table, jsonl or csv; on a terminal table, else jsonl.", show_default=False
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write events here; replaces the file.")
    ] = None,
    annotate: Annotated[
        Path | None, typer.Option(help="Write a video (.mp4, .mkv) with boxes and texts.")
    ] = None,
    snapshots: Annotated[
        Path | None, typer.Option(help="Store crop and frame of each best read in this folder.")
    ] = None,
    formats: Formats = None,
    every: Annotated[int | None, typer.Option(min=1, help="Take every Nth frame of a recording.")] = None,
    start_time: StartTime = None,
    backend: Backend = None,
    reader: Reader = None,
    max_duration: Annotated[
        float | None,
        typer.Option(min=0, metavar="SECONDS", help="End each source after so much stream time."),
    ] = None,
) -> None:
    """Watch recordings and cameras; print one line for each event of a visit.

    Ctrl-C and SIGTERM end in good order: what was found is written, the annotated video plays.
    """
    changes = {
        "formats": split_names(formats),
        "source.every": every,
        "source.start_time": start_time,
        "inference.backend": backend,
        "reader.reader": reader,
        "flow.max_duration_s": max_duration,
    }
    settings = _cameras(settings_from(config, changes), sources or [])
    wanted = Wanted(_form(form, output), output, annotate, snapshots)
    if annotate and len(settings.cameras) > 1:
        raise UsageError("--annotate: one video shows one source; name one")
    exit_code = Session(settings, wanted).run()
    if exit_code:
        raise typer.Exit(exit_code)


def _cameras(settings: Settings, sources: Sequence[str]) -> Settings:
    if sources:
        settings = with_sources(settings, sources)
    if not settings.cameras:
        raise UsageError("name a source, or a settings file with cameras (-c)")
    return settings


def _form(form: str | None, output: Path | None) -> str:
    if form is None:
        if output is not None:
            return "csv" if output.suffix.lower() == ".csv" else "jsonl"
        return "table" if sys.stdout.isatty() else "jsonl"
    if form not in FORMS:
        raise UsageError(f"--format: {form!r} is none of {', '.join(FORMS)}")
    if form == "table" and output is not None:
        raise UsageError("--format table goes to the terminal; give -o a jsonl or csv")
    return form


class Session:
    """One run of the command."""

    def __init__(self, settings: Settings, wanted: Wanted) -> None:
        self._settings = settings
        self._wanted = wanted
        self._visits = VisitTable() if wanted.form == "table" else None
        self._errors: list[AnprError] = []
        self._pipeline: Pipeline | None = None
        self._is_stopping = False
        self._messages = Console(stderr=True, highlight=False, soft_wrap=True)

    def run(self) -> int:
        """Run all cameras; return the exit code."""
        with ExitStack() as stack, Stopping(self._stop) as stopping:
            delivery = stack.enter_context(Delivery(self._sinks(), self._with_pictures, self._fail))
            annotator = None
            if self._wanted.annotate:
                annotator = stack.enter_context(Annotator(self._wanted.annotate, self._fail))
            networks = stack.enter_context(load_networks(self._settings))
            self._pipeline = stack.enter_context(Pipeline(self._settings, networks, delivery.send))
            for group in self._groups():
                self._watch(group, annotator)
        if self._visits is not None:
            Console().print(self._visits.table())
        return stopping.exit_code or self._report()

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

    def _watch(self, cameras: dict[str, Camera], annotator: Annotator | None) -> None:
        """Run a group of cameras to its end, and show it meanwhile."""
        pipeline = self._pipeline
        if pipeline is None or self._is_stopping:
            return
        recordings = {
            name: self._progress(camera) for name, camera in cameras.items() if not _is_live(camera)
        }
        for name, camera in cameras.items():
            pipeline.start(name, camera, _Observer(recordings.get(name), annotator))
        with Display(self._messages, self._visits, recordings) as display:
            while not pipeline.wait(REFRESH_S):
                display.update(pipeline.statuses())
        for name in cameras:
            if error := pipeline.error(name):
                self._errors.append(error)
            pipeline.stop(name)
        for name, recording in recordings.items():
            self._messages.print(f"{name}: {recording.summary()}", markup=False)

    def _progress(self, camera: Camera) -> RecordingProgress:
        """Find out how long a recording is, where somebody looks."""
        if not self._messages.is_terminal:
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

    def _stop(self) -> None:
        self._is_stopping = True
        if self._pipeline is not None:
            self._pipeline.stop_all()

    def _fail(self, error: AnprError) -> None:
        self._errors.append(error)
        self._stop()

    def _report(self) -> int:
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


def _is_live(camera: Camera) -> bool:
    try:
        return locate(camera.url, camera.source).is_live
    except AnprError:
        return False
