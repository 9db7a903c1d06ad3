"""`anpr-stream install-service`: the systemd unit for this installation."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from anpr_stream.cli.places import UNIT
from anpr_stream.config.load import load_settings
from anpr_stream.errors import SinkError, UsageError, reason_of
from anpr_stream.service.unit import CREDENTIAL, NAME, unit_text


def install_service(
    config: Annotated[Path, typer.Option("--config", "-c", help="Settings file of the service.")],
    credential: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=FILE", help="Secret that the settings call ${NAME}; may be repeated."),
    ] = None,
    unit: Annotated[Path, typer.Option(help="Where to write the unit.")] = UNIT,
    show: Annotated[bool, typer.Option("--print", help="Write to standard output instead.")] = False,
) -> None:
    """Write a hardened systemd unit for the daemon.

    The settings are checked first; the last lines say how to start it. Program or settings that
    the service, which runs as a user of its own, cannot reach are told.
    """
    credentials = dict(_credential(text) for text in credential or ())
    _check(config, credentials)
    program = _program()
    try:
        text = unit_text([*program, "serve", "-c", str(config.resolve())], credentials)
    except ValueError as error:
        raise UsageError(str(error)) from error
    for path in (Path(program[0]), config.resolve()):
        if closed := _closed_to_others(path):
            sys.stderr.write(
                f"{path}: the service's user cannot reach it, {closed} is closed to others: "
                f"chmod o+{'r' if closed == path else 'x'} {closed}, or keep it elsewhere\n"
            )
    if show:
        sys.stdout.write(text)
        return
    try:
        unit.write_text(text, encoding="utf-8")
    except OSError as error:
        raise SinkError(
            f"{unit}: cannot be written: {error.strerror}; run it as root, or use --print"
        ) from error
    sys.stderr.write(
        f"{unit} written; start it with:\n  systemctl daemon-reload\n  systemctl enable --now {NAME}\n"
    )


def _credential(text: str) -> tuple[str, Path]:
    name, _, file = text.partition("=")
    path = Path(file).resolve()
    if not CREDENTIAL.fullmatch(name) or not path.is_file():
        raise UsageError(f"--credential: expected NAME=FILE with a file that is there, not {text!r}")
    return name, path


def _check(config: Path, credentials: Mapping[str, Path]) -> None:
    """Read the settings as the service will, with its credentials as values and as files of a folder."""
    secrets = {name: _secret(path) for name, path in credentials.items()}
    with TemporaryDirectory() as folder:
        for name, path in credentials.items():
            Path(folder, name).symlink_to(path)
        load_settings(config, {**os.environ, **secrets, "CREDENTIALS_DIRECTORY": folder})


def _secret(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--credential: {path}: cannot be read: {reason_of(error)}") from error


def _closed_to_others(path: Path) -> Path | None:
    """Return the first folder on the way to a file, or the file, that lets only its owner and group in."""
    for part in (*reversed(path.parents), path):
        if not part.stat().st_mode & (stat.S_IROTH if part == path else stat.S_IXOTH):
            return part
    return None


def _program() -> list[str]:
    """Return the command that runs this very installation."""
    program = shutil.which(sys.argv[0])
    if program is not None and Path(program).name == "anpr-stream":
        return [str(Path(program).absolute())]
    return [sys.executable, "-m", "anpr_stream"]
