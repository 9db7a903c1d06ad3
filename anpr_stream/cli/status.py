"""`anpr-stream status`: how the daemon is."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from anpr_stream.cli.options import Config
from anpr_stream.cli.places import console, is_installed, place_of
from anpr_stream.errors import UsageError
from anpr_stream.service.paths import SYSTEM_SOCKET, known_sockets, socket_path
from anpr_stream.service.status_socket import ask_status

CAMERA_COLUMNS = (
    "camera",
    "state",
    "fps",
    "frames",
    "dropped",
    "events",
    "last event",
    "p95",
    "decoder",
    "why",
)
OUTPUT_COLUMNS = ("output", "waiting", "dead", "why")


def status(
    config: Config = None,
    socket: Annotated[Path | None, typer.Option(help="The daemon's status socket.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="All of it as JSON.")] = False,
) -> None:
    """Tell how the daemon is and what is wrong.

    Its cameras, engines, queues and receivers.
    Exit code 1 if something is wrong.
    """
    found = ask_status(_socket(config, socket))
    if as_json:
        json.dump(found, sys.stdout, indent=1, ensure_ascii=False)
        sys.stdout.write("\n")
    else:
        _show(found, console())
    if found["faults"]:
        raise SystemExit(1)


def _socket(config: Path | None, socket: Path | None) -> Path:
    if socket is not None:
        return socket
    if config is not None:
        place = place_of(config)
        is_services = place.settings.service.status_socket is None and is_installed(config)
        return SYSTEM_SOCKET if is_services else socket_path(place.settings.service, place.folder)
    usual = list(known_sockets())
    for path in usual:
        if path.is_socket():
            return path
    places = " or ".join(map(str, usual))
    raise UsageError(f"no daemon at {places}; is 'anpr-stream serve' running? Name its socket with --socket")


def _show(found: Mapping[str, Any], screen: Console) -> None:
    screen.print(
        f"anpr-stream {found['version']}, pid {found['pid']}, since {found['began']}", soft_wrap=True
    )
    screen.print(Text(found["summary"], "bold red" if found["faults"] else "bold green"), soft_wrap=True)
    for fault in found["faults"]:
        screen.print(Text(f"  {fault}", "red"), soft_wrap=True)
    screen.print(_table(CAMERA_COLUMNS, (_camera_row(*item) for item in found["cameras"].items())))
    if found["outputs"]:
        screen.print(_table(OUTPUT_COLUMNS, (_output_row(*item) for item in found["outputs"].items())))
    for title in ("networks", "queues", "lists"):
        if found[title]:
            values = ", ".join(f"{name} {value}" for name, value in found[title].items())
            screen.print(Text(f"{title}: {values}"), soft_wrap=True)
    screen.print(Text(f"store: {found['store']['folder']}"), soft_wrap=True)
    if found["needs_restart"]:
        screen.print(Text(f"needs a restart: {', '.join(found['needs_restart'])}", "yellow"))


def _table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> Table:
    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table


def _camera_row(name: str, camera: Mapping[str, Any]) -> tuple[str, ...]:
    p95_s = camera["latency_p95_s"]
    return (
        name,
        camera["state"],
        f"{camera['fps']:g}",
        str(camera["frames"]),
        ", ".join(f"{count} {reason}" for reason, count in camera["dropped"].items()) or "0",
        str(camera["events"]),
        camera["last_event"] or "",
        "" if p95_s is None else f"{p95_s:.2f} s",
        camera["decoder"],
        camera["reason"],
    )


def _output_row(name: str, output: Mapping[str, Any]) -> tuple[str, ...]:
    return (name, str(output["waiting"]), str(output["dead"]), output["error"])
