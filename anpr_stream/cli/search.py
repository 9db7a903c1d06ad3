"""`anpr-stream search` and `export`: visits out of the daemon's history."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing
from functools import partial
from itertools import count
from pathlib import Path
from typing import Annotated, TypeAlias

import typer
from rich.table import Table
from rich.text import Text

from anpr_stream.cli.options import Config
from anpr_stream.cli.places import KEY_UNKNOWN, Place, StoreFolder, console, find_place, note
from anpr_stream.errors import SinkError, UsageError
from anpr_stream.outputs.files import CSV_COLUMNS, document_to_csv
from anpr_stream.service.depot import SNAPSHOTS, load_confusions
from anpr_stream.service.queries import parse_time
from anpr_stream.store.audit import asked_of
from anpr_stream.store.database import read_database
from anpr_stream.store.history import Found, Query
from anpr_stream.store.history import search as search_history
from anpr_stream.store.labels import LABELS, write_labels
from anpr_stream.store.ledger import PlateClass
from anpr_stream.store.snapshots import SnapshotFolder

COLUMNS = ("last seen", "camera", "plate", "sure", "right", "way", "lists", "distance", "visit")

Fuzzy: TypeAlias = Annotated[
    float | None,
    typer.Option(
        help="Find texts this near (a common confusion of the reader costs about 0.3).", min=0, max=3
    ),
]
Since: TypeAlias = Annotated[
    str | None,
    typer.Option(help="Visits that ended at this time or later: 2026-11-30 or 2026-11-30T12:00:00Z."),
]
Until: TypeAlias = Annotated[str | None, typer.Option(help="Visits that ended before this time.")]
Cameras: TypeAlias = Annotated[list[str] | None, typer.Option("--camera", help="Of these cameras only.")]
Lists: TypeAlias = Annotated[list[str] | None, typer.Option("--list", help="On these lists only.")]
Classes: TypeAlias = Annotated[
    list[PlateClass] | None, typer.Option("--class", help="Of these classes only.")
]
SearchText: TypeAlias = Annotated[
    str, typer.Argument(metavar="TEXT", help="Part of the plate, or a pattern of it with ? and *.")
]


def search(
    text: SearchText = "",
    config: Config = None,
    store: StoreFolder = None,
    fuzzy: Fuzzy = None,
    since: Since = None,
    until: Until = None,
    camera: Cameras = None,
    plate_list: Lists = None,
    plate_class: Classes = None,
    limit: Annotated[int, typer.Option(help="At most as many, newest first.", min=1)] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="One event a line, as JSON.")] = False,
) -> None:
    """Search the visits by text, time, camera or list.

    A text is a part of the plate or a pattern with ? and *; --fuzzy also finds texts that are near.
    Exit code 1 if there is none.
    """
    place = find_place(config, store)
    query = _query(place, text, fuzzy, since, until, camera, plate_list, plate_class, limit)
    visits = list(_find(place, query))
    note(place, "search", partial(asked_of, query), len(visits))
    if as_json:
        sys.stdout.writelines(f"{visit.payload}\n" for visit in visits)
    else:
        _show(visits)
    if not visits:
        raise SystemExit(1)


def export(
    text: SearchText = "",
    config: Config = None,
    store: StoreFolder = None,
    fuzzy: Fuzzy = None,
    since: Since = None,
    until: Until = None,
    camera: Cameras = None,
    plate_list: Lists = None,
    plate_class: Classes = None,
    form: Annotated[str, typer.Option("--format", help="csv, jsonl or labels.")] = "csv",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File; else standard output. Of labels the folder.")
    ] = None,
) -> None:
    """Write visits as CSV, as JSON lines or as training data.

    All that fit, newest first. 'labels' writes the pictures of corrected visits (see 'correct') with what
    their plates say, as the training tools take them.
    """
    if form not in ("csv", "jsonl", "labels"):
        raise UsageError(f"--format: {form!r} is none of csv, jsonl, labels")
    place = find_place(config, store)
    query = _query(place, text, fuzzy, since, until, camera, plate_list, plate_class, None)
    numbers = count()  # of visits, also where writing them fails
    visits = (visit for visit, _ in zip(_find(place, query), numbers, strict=False))
    try:
        if form == "labels":
            _write_labels(visits, place, output)
        elif output is None:
            sys.stdout.writelines(_lines(visits, form))
        else:
            _write(_lines(visits, form), output)
    finally:
        note(place, "export", partial(asked_of, query), next(numbers))


def _query(
    place: Place,
    text: str,
    fuzzy: float | None,
    since: str | None,
    until: str | None,
    cameras: list[str] | None,
    lists: list[str] | None,
    classes: list[PlateClass] | None,
    limit: int | None,
) -> Query:
    """Return the search that the options ask for; raises `UsageError` for a wrong one."""
    hashed = place.hashed
    if text and place.lacks_key:
        sys.stderr.write(f"hashed plates are not searched: {KEY_UNKNOWN}\n")
    try:
        return Query(
            text=text,
            max_distance=fuzzy,
            since_utc_s=parse_time(since) if since else None,
            until_utc_s=parse_time(until) if until else None,
            cameras=tuple(cameras or ()),
            lists=tuple(lists or ()),
            classes=tuple(found.value for found in classes or ()),
            limit=limit,
            hashed_text=hashed(text) if hashed and text else None,
        )
    except ValueError as error:
        raise UsageError(str(error)) from error


def _find(place: Place, query: Query) -> Iterator[Found]:
    with closing(read_database(place.folder)) as database:
        yield from search_history(database, query, load_confusions())


def _lines(visits: Iterable[Found], form: str) -> Iterator[str]:
    if form == "jsonl":
        yield from (f"{visit.payload}\n" for visit in visits)
        return
    yield ",".join(CSV_COLUMNS) + "\n"
    for visit in visits:
        yield document_to_csv(json.loads(visit.payload)) + "\n"


def _write(lines: Iterable[str], path: Path) -> None:
    """Write a file that is there whole or not at all; a pipe or device takes the lines as they come."""
    try:
        if path.exists() and not path.is_file():
            with path.open("w", encoding="utf-8") as stream:
                stream.writelines(lines)
        else:
            _write_whole(lines, path.resolve())
    except OSError as error:
        raise SinkError(f"{path}: cannot be written: {error.strerror}") from error


def _write_whole(lines: Iterable[str], path: Path) -> None:
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("w", encoding="utf-8") as file:
            file.writelines(lines)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _write_labels(visits: Iterable[Found], place: Place, folder: Path | None) -> None:
    if folder is None:
        raise UsageError("--format labels needs the folder to write (--output)")
    if (folder / LABELS).exists():
        raise UsageError(f"{folder / LABELS} is there already: name another folder")
    # Only for its paths: nothing is encoded.
    snapshots = SnapshotFolder(place.folder / SNAPSHOTS, place.settings.store.jpeg_quality)
    try:
        counts = write_labels(visits, snapshots, folder)
    except OSError as error:
        raise SinkError(f"{folder}: cannot be written: {error.strerror}") from error
    left_out = ", ".join(f"{counts[why]} {why}" for why in sorted(counts) if why != "written")
    rest = f"; left out: {left_out}" if left_out else ""
    sys.stderr.write(f"{folder}: {counts['written']} labelled pictures{rest}\n")


def _right(visit: Found) -> str:
    """Return what a person says that the plate says."""
    return "" if visit.correction is None else visit.correction.text or "(no plate)"


def _show(visits: Iterable[Found]) -> None:
    table = Table(*COLUMNS, box=None, pad_edge=False, header_style="bold")
    for visit in visits:
        event = json.loads(visit.payload)
        sure = event["confidence"]
        table.add_row(
            Text(event["last_seen"]["utc"]),
            Text(event["camera"]),
            Text(event["text"] or f"({event['reason']})"),
            "" if sure is None else f"{sure:.1%}",
            Text(_right(visit)),
            Text(event["direction"] or ""),
            Text(", ".join(hit["list"] for hit in event["lists"])),
            "" if visit.distance is None else f"{visit.distance:.2f}",
            Text(event["visit_id"]),
        )
    console().print(table)
