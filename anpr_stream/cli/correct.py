"""`anpr-stream correct`: what a person says that a visit's plate says."""

from __future__ import annotations

import sqlite3
import sys
from typing import Annotated

import typer

from anpr_stream.cli.options import Config
from anpr_stream.cli.places import StoreFolder, change_store, find_place, record_of
from anpr_stream.errors import UsageError
from anpr_stream.store import audit, corrections


def correct(
    visit_id: Annotated[
        str, typer.Argument(metavar="VISIT", help="As 'search' shows it.", show_default=False)
    ],
    text: Annotated[str, typer.Argument(metavar="TEXT", help="The right text.", show_default=False)] = "",
    no_plate: Annotated[bool, typer.Option("--no-plate", help="There is no plate.")] = False,
    take_back: Annotated[bool, typer.Option("--take-back", help="Forget what was said.")] = False,
    config: Config = None,
    store: StoreFolder = None,
) -> None:
    """Keep what a visit's plate really says.

    The event stays as it is, also where it was right; 'search' finds the visit by both texts, and
    'export --format labels' makes training data of it.
    """
    if [bool(text), no_plate, take_back].count(True) != 1:
        raise UsageError("give the right text, or --no-plate, or --take-back")
    place = find_place(config, store)
    asked = {"visit": visit_id, **({"take_back": True} if take_back else {"text": text or None})}
    record = record_of("correct", asked, 1)
    is_plain = place.settings.privacy.is_plain

    def change(database: sqlite3.Connection) -> str | None:
        audit.add(database, record)
        if take_back:
            corrections.take_back(database, visit_id)
            return None
        right = corrections.checked(text or None)
        corrections.correct(database, visit_id, right, is_plain, record.utc_s)
        return f"{visit_id}: {right.text or 'no plate'}\n"

    try:
        sys.stderr.write(change_store(place.folder, change) or "")
    except (corrections.UnknownVisit, ValueError) as error:
        raise UsageError(str(error)) from error
