"""Which engine was chosen for a network on this machine, remembered between starts."""

from __future__ import annotations

import json
import logging
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen and why.

    Attributes:
        engine: e.g. `openvino`.
        precision: e.g. `int8`.
        because: one line for people.
    """

    engine: str
    precision: str
    because: str


def choices_file() -> Path:
    """Return where choices are kept (`ANPR_CACHE`, systemd's cache folder, else the XDG base directory)."""
    named = os.environ.get("ANPR_CACHE") or os.environ.get("CACHE_DIRECTORY")
    if named:
        return Path(named) / "engines.json"
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "anpr_stream" / "engines.json"


def recall(key: str, path: Path) -> Choice | None:
    """Return the choice made under `key`; a file that cannot be read or is damaged holds none."""
    try:
        return Choice(**_load(path)[key])
    except (KeyError, TypeError):
        return None


def remember(key: str, choice: Choice, path: Path) -> None:
    """Keep a choice; a folder that cannot be written costs a measurement at the next start, nothing else."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({**_load(path), key: asdict(choice)}, indent=1, sort_keys=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
        with os.fdopen(handle, "w") as file:
            file.write(text)
        Path(name).replace(path)
    except OSError as error:
        LOG.info("engine choice not kept: %s: %s", path, error.strerror or error)


def _load(path: Path) -> dict[str, dict[str, str]]:
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
