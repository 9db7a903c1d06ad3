"""Which engine was chosen for a network on this machine, remembered between starts."""

from __future__ import annotations

import json
import logging
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a way to run a network was not taken.

    Attributes:
        engine: engine, and precision where only that one was refused.
        slug: of the reason, as in `docs/messages.md`.
        reason: one line.
    """

    engine: str
    slug: str
    reason: str


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen and why.

    Attributes:
        engine: e.g. `openvino`.
        precision: e.g. `int8`.
        because: one line for people.
        rejections: ways that were not taken, and why.
    """

    engine: str
    precision: str
    because: str
    rejections: tuple[Rejection, ...] = ()


def cache_folder() -> Path:
    """Return the folder of what can be made again (`ANPR_CACHE`, systemd's, else the XDG base directory)."""
    if named := os.environ.get("ANPR_CACHE") or os.environ.get("CACHE_DIRECTORY"):
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "anpr_stream"


def choices_file() -> Path:
    """Return where choices are kept."""
    return cache_folder() / "engines.json"


def recall(key: str, path: Path) -> Choice | None:
    """Return the choice made under `key`; a file that cannot be read or is damaged holds none."""
    try:
        kept = _load(path)[key]
        rejections = tuple(Rejection(**entry) for entry in kept.pop("rejections"))
        return Choice(**kept, rejections=rejections)
    except (AttributeError, KeyError, TypeError):
        return None


def remember(key: str, choice: Choice, path: Path) -> None:
    """Keep a choice; a folder that cannot be written costs a measurement at the next start, nothing else."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({**_load(path), key: asdict(choice)}, indent=1, sort_keys=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".engines") as folder:
            whole = Path(folder) / path.name
            whole.write_text(text)
            whole.replace(path)
    except OSError as error:
        LOG.info("engine choice not kept: %s: %s", path, error.strerror or error)


def _load(path: Path) -> dict[str, dict[str, Any]]:
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
