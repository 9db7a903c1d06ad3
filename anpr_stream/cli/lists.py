"""`anpr-stream list`: plate lists, changed while the daemon runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer

from anpr_stream.cli.places import KEY_UNKNOWN, Place, StoreFolder, note, place_of
from anpr_stream.config.delivery import PlateList
from anpr_stream.errors import UsageError
from anpr_stream.plates.text import normalise
from anpr_stream.store.audit import kept_text
from anpr_stream.store.list_file import (
    ListEntry,
    add_entries,
    format_list,
    make_entry,
    read_list,
    remove_plate,
)
from anpr_stream.store.lists import list_path

app = typer.Typer(no_args_is_help=True, help="Show and change plate lists. The daemon sees changes at once.")

ServiceConfig: TypeAlias = Annotated[Path, typer.Option("--config", "-c", help="Settings file (YAML).")]
Name: TypeAlias = Annotated[str, typer.Argument(metavar="LIST", help="Name of the list.", show_default=False)]
Plates: TypeAlias = Annotated[list[str], typer.Argument(metavar="PLATE", help="Plates.", show_default=False)]
Hashed: TypeAlias = Annotated[
    bool, typer.Option("--hashed", help="Keep only the keyed hash of the plate (exact hits only).")
]


@app.command()
def show(name: Name, config: ServiceConfig, store: StoreFolder = None) -> None:
    """Write a list as CSV."""
    _, path = _find(name, config, store)
    sys.stdout.write(format_list(read_list(path)))


@app.command()
def add(
    name: Name,
    plates: Plates,
    config: ServiceConfig,
    note: Annotated[str, typer.Option(help="Free text.")] = "",
    cameras: Annotated[str, typer.Option(help="Only at these cameras, separated by blanks.")] = "",
    zones: Annotated[
        str, typer.Option("--zones", "--zone", help="Only in these zones of the picture, likewise.")
    ] = "",
    days: Annotated[str, typer.Option(help="Only on these days: mon tue wed thu fri sat sun.")] = "",
    begins: Annotated[str, typer.Option("--from", help="Only from this time of day on, e.g. 22:00.")] = "",
    ends: Annotated[str, typer.Option("--to", help="Only before this time of day.")] = "",
    expires: Annotated[str, typer.Option(help="Last day, e.g. 2027-12-31.")] = "",
    hashed: Hashed = False,
    store: StoreFolder = None,
) -> None:
    """Put plates on a list.

    An entry of the same plate, cameras, zones, days and hours is replaced.
    """
    place, path = _find(name, config, store)
    _check_zones(zones, cameras, place)
    rest = {
        "note": note,
        "cameras": cameras,
        "zones": zones,
        "days": days,
        "from": begins,
        "to": ends,
        "expires": expires,
    }
    add_entries(path, [_entry({"plate": _plate(plate, hashed, place), **rest}) for plate in plates])
    _note(place, name, "add", plates)
    sys.stderr.write(f"{name}: {len(plates)} added; {path}\n")


@app.command()
def remove(name: Name, plates: Plates, config: ServiceConfig, store: StoreFolder = None) -> None:
    """Take plates off a list, with all their entries.

    Exit code 1 if one was not on it.
    """
    place, path = _find(name, config, store)
    missing = [plate for plate in plates if not _remove(path, plate, place)]
    _note(place, name, "remove", [plate for plate in plates if plate not in missing])
    sys.stderr.write(f"{name}: {len(plates) - len(missing)} removed\n")
    if missing:
        but = f" (hashed entries were not looked at: {KEY_UNKNOWN})" if place.lacks_key else ""
        sys.stderr.write(f"{name}: not on the list: {', '.join(missing)}{but}\n")
        raise SystemExit(1)


@app.command("import")
def import_file(
    name: Name,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="CSV file with the column 'plate'.", show_default=False)
    ],
    config: ServiceConfig,
    replace: Annotated[bool, typer.Option("--replace", help="Empty the list first.")] = False,
    store: StoreFolder = None,
) -> None:
    """Put the entries of a CSV file on a list.

    A wrong file changes nothing.
    """
    place, path = _find(name, config, store)
    if not file.is_file():
        raise UsageError(f"{file}: no such file")
    entries = read_list(file)
    add_entries(path, entries, replace_all=replace)
    _note(place, name, "replace" if replace else "add", [entry.plate for entry in entries])
    sys.stderr.write(f"{name}: {len(entries)} imported\n")


def _note(place: Place, name: str, change: str, plates: list[str]) -> None:
    """Note a change in the audit trail."""

    def asked(is_plain: bool) -> dict[str, Any]:
        texts = [kept_text(plate, is_plain, place.hashed) for plate in plates]
        return {"list": name, "change": change, "plates": texts}

    note(place, "list", asked, len(plates))


def _find(name: str, config: Path, store: Path | None) -> tuple[Place, Path]:
    place = place_of(config, store)
    known: dict[str, PlateList] = {found.name: found for found in place.settings.lists}
    if name not in known:
        names = ", ".join(known) or "none"
        raise UsageError(f"{config} has no list {name!r}; it has: {names}")
    return place, list_path(known[name], place.folder)


def _check_zones(zones: str, cameras: str, place: Place) -> None:
    """Refuse a zone that no camera has: the entry would never count."""
    known = place.settings.zones(cameras.split())
    if unknown := set(zones.split()) - known:
        names = ", ".join(sorted(known)) or "none"
        raise UsageError(f"--zone: there is no zone {min(unknown)!r}; there are: {names}")


def _plate(plate: str, hashed: bool, place: Place) -> str:
    if not hashed:
        return plate
    if place.lacks_key:
        raise UsageError(f"--hashed: {KEY_UNKNOWN}")
    if place.hashed is None:
        raise UsageError("--hashed: the settings have no privacy.key")
    return place.hashed(plate)


def _entry(values: dict[str, str]) -> ListEntry:
    try:
        return make_entry(values)
    except ValueError as error:
        raise UsageError(str(error)) from error


def _remove(path: Path, plate: str, place: Place) -> bool:
    forms = {normalise(plate), plate} | ({place.hashed(plate)} if place.hashed else set())
    return sum(remove_plate(path, form) for form in forms) > 0
