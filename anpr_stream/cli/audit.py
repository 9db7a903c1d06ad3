"""`anpr-stream audit`: who looked up plates."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from contextlib import closing
from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from anpr_stream.cli.options import Config
from anpr_stream.cli.places import StoreFolder, console, find_place
from anpr_stream.errors import UsageError
from anpr_stream.outputs.schema import utc_text
from anpr_stream.service.queries import parse_time
from anpr_stream.store.audit import Record, records
from anpr_stream.store.database import read_database


def audit(
    config: Config = None,
    store: StoreFolder = None,
    who: Annotated[str, typer.Option(help="Of those only whose name or address holds this.")] = "",
    since: Annotated[str | None, typer.Option(help="From this time on: 2026-11-30.")] = None,
    until: Annotated[str | None, typer.Option(help="Before this time.")] = None,
    limit: Annotated[int, typer.Option(help="At most as many, newest first.", min=1)] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="One record a line, as JSON.")] = False,
) -> None:
    """Show who looked up or corrected plates.

    Searches, exports, visits, pictures, clips, corrections and changes of lists, newest first. Records are
    kept for store.keep.audit_days.
    """
    try:
        since_utc_s, until_utc_s = (parse_time(text) if text else None for text in (since, until))
    except ValueError as error:
        raise UsageError(str(error)) from error
    with closing(read_database(find_place(config, store).folder)) as database:
        found = list(records(database, since_utc_s, until_utc_s, who, limit))
    if as_json:
        sys.stdout.writelines(f"{json.dumps(_values(record), ensure_ascii=False)}\n" for record in found)
    else:
        _show(found)


def _values(record: Record) -> dict[str, object]:
    values = asdict(record)
    return {"utc": utc_text(values.pop("utc_s")), **values}


def _show(found: Iterable[Record]) -> None:
    table = Table("time", "who", "action", "answers", "asked", box=None, pad_edge=False, header_style="bold")
    for record in found:
        answers = "" if record.answers is None else str(record.answers)
        asked = json.dumps(record.asked)  # what people type may hold a terminal's control characters
        row = (utc_text(record.utc_s), record.who, record.action, answers, asked)
        table.add_row(*map(Text, row))
    console().print(table)
