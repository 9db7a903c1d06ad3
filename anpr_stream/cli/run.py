"""`anpr-stream run`: plates out of recordings and cameras."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

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
from anpr_stream.cli.overwriting import refuse_overwriting
from anpr_stream.cli.session import Session, Wanted
from anpr_stream.config.schema import Settings
from anpr_stream.errors import UsageError

FORMS = ("table", "jsonl", "csv")


def run(
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SOURCE",
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
        Path | None, typer.Option(help="Write a video (.mp4, .mov, .mkv) with boxes and texts.")
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
    """Print the visits of recordings and cameras.

    A table on a terminal, elsewhere one line for each event of a visit.

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
    _keep_sources(settings, wanted)
    exit_code = Session(settings, wanted).run()
    if exit_code:
        raise typer.Exit(exit_code)


def _cameras(settings: Settings, sources: Sequence[str]) -> Settings:
    if sources:
        settings = with_sources(settings, sources)
    if not settings.cameras:
        raise UsageError("name a source, or a settings file with cameras (-c)")
    return settings


def _keep_sources(settings: Settings, wanted: Wanted) -> None:
    options = {"--output": wanted.output, "--annotate": wanted.annotate}
    outputs = [(option, path) for option, path in options.items() if path is not None]
    outputs += [("files", file.path) for file in settings.files]
    refuse_overwriting(outputs, [(camera.url, camera.source) for camera in settings.cameras.values()])


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
