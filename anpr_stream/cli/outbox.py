"""`anpr-stream outbox`: what waits for receivers, and what they refused."""

from __future__ import annotations

import sys
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Annotated, TypeAlias

import typer
from rich.table import Table
from rich.text import Text

from anpr_stream.cli.options import Config
from anpr_stream.cli.places import Place, StoreFolder, change_store, console, find_place
from anpr_stream.errors import UsageError
from anpr_stream.outputs.schema import utc_text
from anpr_stream.service.recorder import lane_names
from anpr_stream.sources.clock import SystemClock
from anpr_stream.store import outbox as store
from anpr_stream.store.database import read_database

MOST = 1_000_000

app = typer.Typer(no_args_is_help=True, help="Show, resend or discard what receivers refused.")

Output: TypeAlias = Annotated[str | None, typer.Option("--output", help="Of this receiver only.")]
Ids: TypeAlias = Annotated[
    list[int] | None, typer.Argument(metavar="ID", help="These only, as 'list' shows.")
]
Removed: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--removed", help="All for receivers that the settings (-c) do not name any more, what waits, too."
    ),
]
All: TypeAlias = Annotated[bool, typer.Option("--all", help="All that fit.")]


@app.command("list")
def list_letters(
    config: Config = None,
    folder: StoreFolder = None,
    output: Output = None,
    payload: Annotated[
        bool, typer.Option("--payload", help="Write the events themselves, one a line.")
    ] = False,
) -> None:
    """Show what waits for receivers and what was put aside.

    Each event that was put aside stands with the reason.
    """
    with closing(read_database(find_place(config, folder).folder)) as database:
        letters = store.dead_letters(database, output, MOST)
        depths = store.depths(database)
    if payload:
        sys.stdout.writelines(f"{letter.payload}\n" for letter in letters)
        return
    for lane, states in depths.items():
        counts = ", ".join(f"{count} {state}" for state, count in states.items())
        sys.stdout.write(f"{lane}: {counts}\n")
    table = Table("id", "output", "queued", "visit", "revision", "tries", "why", box=None, pad_edge=False)
    for letter in letters:
        queued = utc_text(letter.queued_utc_s)
        row = (letter.id, letter.lane, queued, letter.visit_id, letter.revision, letter.tries, letter.error)
        table.add_row(*(Text(str(cell)) for cell in row))
    if letters:
        console().print(table)


@app.command()
def resend(
    ids: Ids = None,
    every: All = False,
    output: Output = None,
    config: Config = None,
    folder: StoreFolder = None,
) -> None:
    """Send events that were put aside once more."""
    again = partial(store.resend, utc_s=SystemClock().utc_s())
    count = _change(again, ids, every, output, find_place(config, folder).folder)
    sys.stderr.write(f"{count} queued again; the daemon sends them within some seconds\n")


@app.command()
def discard(
    ids: Ids = None,
    every: All = False,
    removed: Removed = False,
    output: Output = None,
    config: Config = None,
    folder: StoreFolder = None,
) -> None:
    """Delete events that were put aside; the history keeps them."""
    place = find_place(config, folder)
    if removed:
        count = _discard_removed(place, config, bool(ids) or every, output)
    else:
        count = _change(store.discard, ids, every, output, place.folder)
    sys.stderr.write(f"{count} discarded\n")


def _change(
    change: store.Change, ids: list[int] | None, every: bool, output: str | None, folder: Path
) -> int:
    if bool(ids) == every:
        raise UsageError("name the events by their id, or give --all")
    return change_store(folder, lambda database: change(database, output, ids or ()))


def _discard_removed(place: Place, config: Path | None, names_more: bool, output: str | None) -> int:
    if names_more:
        raise UsageError("--removed stands instead of ids and --all")
    if config is None:
        raise UsageError("--removed needs the settings (-c), which say what there is")
    lanes = lane_names(place.settings.outputs, place.settings.lists)
    if output in lanes:
        raise UsageError(f"--removed: {config} still has the output {output!r}")
    return change_store(place.folder, lambda database: store.discard_removed(database, lanes, output))
