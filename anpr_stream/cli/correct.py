"""`anpr-stream correct`: what a person says that a visit's plate says."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from anpr_stream.cli.options import Config
from anpr_stream.cli.places import StoreFolder, change_store, find_place
from anpr_stream.errors import UsageError
from anpr_stream.sources.clock import SystemClock
from anpr_stream.store import corrections


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
    is_plain, utc_s = place.settings.privacy.is_plain, SystemClock().utc_s()
    try:
        if take_back:
            change_store(place.folder, lambda database: corrections.take_back(database, visit_id))
            return
        right = corrections.checked(None if no_plate else text)
        change_store(
            place.folder,
            lambda database: corrections.correct(database, visit_id, right, is_plain, utc_s),
        )
    except (corrections.UnknownVisit, ValueError) as error:
        raise UsageError(str(error)) from error
    sys.stderr.write(f"{visit_id}: {right.text or 'no plate'}\n")
