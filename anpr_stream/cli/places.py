"""Where the commands that look into a running or past daemon find its store and settings.

They run in the shell of somebody who looks after the daemon, most often as root: there are neither its
secrets nor the environment that systemd gives it.
"""

from __future__ import annotations

import os
import pwd
import sqlite3
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeAlias, TypeVar

import typer
from rich.console import Console

from anpr_stream.config.delivery import reveal
from anpr_stream.config.load import UNKNOWN_SECRET, load_settings
from anpr_stream.config.schema import Settings
from anpr_stream.errors import StoreError, UsageError
from anpr_stream.service import unit
from anpr_stream.service.depot import hasher
from anpr_stream.service.paths import SYSTEM_STORE, known_stores, store_folder
from anpr_stream.sources.clock import SystemClock
from anpr_stream.store import audit
from anpr_stream.store.database import NAME, is_current, open_database
from anpr_stream.store.privacy import keeps_plain

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
        StoreError: there is none, it is of an older version, or this user may not write to it.
    """
    if not is_current(folder):  # a daemon that may yet run could not read it any more
        raise StoreError(f"{folder}: the store of an older anpr-stream; restart its daemon first")
    with closing(open_database(folder)) as database:
        database.execute("BEGIN IMMEDIATE")
        result = change(database)
        database.execute("COMMIT")
    return result


def record_of(action: str, asked: Mapping[str, Any], answers: int | None = None) -> audit.Record:
    """Return a record of what the user of this command asks."""
    return audit.Record(SystemClock().utc_s(), _who(), action, asked, answers)


def note(place: Place, action: str, asked: Callable[[bool], Mapping[str, Any]], answers: int) -> None:
    """Add a record to the audit trail; say so where it cannot be, for who may only read the store.

    Args:
        place: nothing is done where there is no store yet.
        action: see `Record`.
        asked: tells it, given whether texts may be kept as they are.
        answers: see `Record`.
    """

    def add(database: sqlite3.Connection) -> None:
        is_plain = place.settings.privacy.is_plain and keeps_plain(database)
        audit.add(database, record_of(action, asked(is_plain), answers))

    if not _is_store(place.folder):
        return
    try:
        change_store(place.folder, add)
    except (StoreError, sqlite3.Error) as error:
        sys.stderr.write(f"not in the audit trail: {error}\n")


def _who() -> str:
    """Return the user, and who logged in where that was another (sudo)."""
    with suppress(KeyError):
        user = pwd.getpwuid(os.getuid()).pw_name
        with suppress(OSError):  # no login: a unit, a container
            login = os.getlogin()
            return user if login == user else f"{user} (login {login})"
        return user
    return f"uid {os.getuid()}"


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
