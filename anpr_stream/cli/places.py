"""Where the commands that look into a running or past daemon find its store and settings."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeAlias

import typer
from rich.console import Console

from anpr_stream.config.load import load_settings
from anpr_stream.config.schema import Settings
from anpr_stream.errors import UsageError
from anpr_stream.service.depot import hasher
from anpr_stream.service.paths import known_stores, store_folder
from anpr_stream.store.database import NAME

StoreFolder: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--store", help="The daemon's store; default: as in the settings, else where it usually is."
    ),
]


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
        """The keyed hash of a text, where the settings hold the key."""
        return hasher(self.settings)


def find_place(config: Path | None, store: Path | None) -> Place:
    """Return the store that the options mean.

    Raises:
        ConfigError: the settings file is wrong.
        UsageError: there is no store where it usually is.
    """
    settings = load_settings(config) if config else Settings()
    if store is not None:
        return Place(store, settings)
    if config is not None:
        return Place(store_folder(settings.store), settings)
    usual = list(known_stores())
    for folder in usual:
        if (folder / NAME).is_file():
            return Place(folder, settings)
    raise UsageError(f"no store in {_list(usual)}; name its folder with --store or its settings with -c")


def console() -> Console:
    """Return where tables go; where nobody looks they are wide enough to lose nothing."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else 240)


def _list(paths: Sequence[Path]) -> str:
    return " or ".join(str(path) for path in paths)
