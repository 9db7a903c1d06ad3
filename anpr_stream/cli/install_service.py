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
from anpr_stream.config.named import NamedFile, named_files
from anpr_stream.errors import SinkError, UsageError, reason_of
from anpr_stream.service.paths import SYSTEM_SOCKET, SYSTEM_STORE
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

    The settings are checked first; the last lines say how to start it. Program, settings and files named
    in them that the service, which runs as a user of its own, cannot reach are told.
    """
    credentials = dict(_credential(text) for text in credential or ())
    files = _check(config, credentials)
    program = _program()
    settings = Path(os.path.abspath(config))
    try:
        text = unit_text([*program, "serve", "-c", str(settings)], credentials, [file.path for file in files])
    except ValueError as error:
        raise UsageError(str(error)) from error
    own = (NamedFile("program", Path(program[0]), False), NamedFile("settings", settings, False))
    sys.stderr.writelines(f"{told}\n" for file in (*own, *files) if (told := _out_of_reach(file)))
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


def _check(config: Path, credentials: Mapping[str, Path]) -> list[NamedFile]:
    """Read the settings as the service will, with its credentials as values and as files of a folder.

    Returns the files that they name besides.
    """
    secrets = {name: _secret(path) for name, path in credentials.items()}
    with TemporaryDirectory() as folder:
        for name, path in credentials.items():
            Path(folder, name).symlink_to(path)
        environ = {**os.environ, **secrets, "CREDENTIALS_DIRECTORY": folder}
        named = named_files(load_settings(config.absolute(), environ))
        return [file for file in named if not file.path.is_relative_to(folder)]


def _secret(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--credential: {path}: cannot be read: {reason_of(error)}") from error


def _out_of_reach(file: NamedFile) -> str | None:
    """Return why the service's user cannot use a file, None where it can."""
    path = file.path
    if file.is_written:
        is_own = any(path.is_relative_to(folder) for folder in (SYSTEM_STORE, SYSTEM_SOCKET.parent))
        return None if is_own else f"{path}: the service's user can only write below {SYSTEM_STORE}"
    try:
        closed = _closed_to_others(path, stat.S_IXOTH if file.key == "command" else stat.S_IROTH)
    except OSError as error:
        # A list begins without a file, and a recording may be told by a pattern.
        return None if file.key in ("file", "url") else f"{path}: {file.key}: {reason_of(error)}"
    if closed is None:
        return None
    other = (
        f"chmod o+{'x' if closed != path or file.key == 'command' else 'r'} {closed}, or keep it elsewhere"
    )
    if file.key == "key_file":
        other = f'--credential {path.name}={path} and key_file: "${{CREDENTIALS_DIRECTORY}}/{path.name}"'
    return f"{path}: the service's user cannot reach it, {closed} is closed to others: {other}"


def _closed_to_others(path: Path, wanted: int) -> Path | None:
    """Return the first folder on the way to a file, or the file, that lets only its owner and group in."""
    for part in (*reversed(path.parents), path):
        if not part.stat().st_mode & (wanted if part == path else stat.S_IXOTH):
            return part
    return None


def _program() -> list[str]:
    """Return the command that runs this very installation."""
    program = shutil.which(sys.argv[0])
    if program is not None and Path(program).name == "anpr-stream":
        return [str(Path(program).absolute())]
    return [sys.executable, "-m", "anpr_stream"]
