"""Where the commands that look into a running or past daemon find its store and settings.

They run in the shell of somebody who looks after the daemon, most often as root: there are neither its
secrets nor the environment that systemd gives it.
"""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeAlias, TypeVar

import typer
from rich.console import Console

from anpr_stream.config.delivery import reveal
from anpr_stream.config.load import UNKNOWN_SECRET, load_settings
from anpr_stream.config.schema import Settings
from anpr_stream.errors import UsageError
from anpr_stream.service import unit
from anpr_stream.service.depot import hasher
from anpr_stream.service.paths import SYSTEM_STORE, known_stores, store_folder
from anpr_stream.store.database import NAME, open_database, read_database

T = TypeVar("T")

StoreFolder: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--store", help="The daemon's store; default: as in the settings, else where it usually is."
    ),
]
UNIT = Path("/etc/systemd/system") / unit.NAME
"""Where `anpr-stream install-service` puts the unit."""
KEY_UNKNOWN = "privacy.key stands in a variable that is not set here"


@dataclass(frozen=True)
class Place:
    """A store and what is known of it.

    Attributes:
        folder: of the store.
        settings: those of its daemon, defaults where no file was named.
    """

    folder: Path
    settings: Settings

    @property
    def hashed(self) -> Callable[[str], str] | None:
        """The keyed hash of a text, where the settings hold the key and it is known here."""
        return None if self.lacks_key else hasher(self.settings)

    @property
    def lacks_key(self) -> bool:
        """Whether the settings take their key from where only the daemon sees it."""
        return UNKNOWN_SECRET in (reveal(self.settings.privacy.key) or "")


def find_place(config: Path | None, store: Path | None) -> Place:
    """Return the store that the options mean.

    Raises:
        ConfigError: the settings file is wrong.
        UsageError: there is no store where it usually is.
    """
    if config is not None:
        return place_of(config, store)
    if store is not None:
        return Place(store, Settings())
    usual = list(known_stores())
    for folder in filter(_is_store, usual):
        return Place(folder, Settings())
    raise UsageError(f"no store in {_list(usual)}; name its folder with --store or its settings with -c")


def place_of(config: Path, store: Path | None = None) -> Place:
    """Return the settings of a daemon, and its store where `store` does not name it.

    That is the settings' folder, else the service's for the settings that it runs, else where one is,
    else where `anpr-stream serve` would make one.

    Raises:
        ConfigError: the settings file is wrong.
    """
    settings = load_settings(config, needs_secrets=False)
    if store is None and settings.store.folder is None:
        usual = list(known_stores())
        found = filter(_is_store, usual)
        store = SYSTEM_STORE if is_installed(config) else next(found, usual[0])
    return Place(store or store_folder(settings.store), settings)


def change_store(folder: Path, change: Callable[[sqlite3.Connection], T]) -> T:
    """Change a store in one transaction, also while its daemon runs; return what `change` returns.

    Raises:
        StoreError: there is none, or this user may not write to it.
    """
    read_database(folder).close()
    with closing(open_database(folder)) as database:
        database.execute("BEGIN IMMEDIATE")
        result = change(database)
        database.execute("COMMIT")
    return result


def is_installed(config: Path) -> bool:
    """Return whether the installed service runs these settings."""
    try:
        text = UNIT.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    named = {unit.quote(name) for name in (os.path.abspath(config), os.path.realpath(config))}
    starts = [f"{line} " for line in text.splitlines() if line.startswith("ExecStart=")]
    return any(f" -c {name} " in line for line in starts for name in named)


def console() -> Console:
    """Return where tables go; where nobody looks they are wide enough to lose nothing."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else 240)


def _is_store(folder: Path) -> bool:
    return os.path.isfile(folder / NAME)  # False, too, where we may not look


def _list(paths: Sequence[Path]) -> str:
    return " or ".join(str(path) for path in paths)
