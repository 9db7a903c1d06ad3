"""The systemd unit, filled in for this installation."""

from __future__ import annotations

import grp
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from anpr_stream.config.packaged import packaged

NAME = "anpr-stream.service"
CREDENTIAL = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def unit_text(command: Sequence[str], credentials: Mapping[str, Path], files: Sequence[Path] = ()) -> str:
    """Return the unit's text.

    Args:
        command: what systemd runs, with absolute paths.
        credentials: by the name that the settings use (`${NAME}`), the file that holds the secret; only
            root and the service can read it.
        files: what the service reads besides.
    """
    template = (packaged("configs") / NAME).read_text(encoding="utf-8")
    start = " ".join(quote(word) for word in command)
    lines = [f"ExecStart={start}"]
    lines += [f"LoadCredential={name}:{quote(str(path))}" for name, path in credentials.items()]
    text = re.sub(r"^ExecStart=.*$", lambda _: "\n".join(lines), template, flags=re.MULTILINE)
    text = re.sub(r"^SupplementaryGroups=(.*)$", _known_groups, text, flags=re.MULTILINE)
    if any(word.startswith(("/home/", "/root/")) for word in (*command, *map(str, files))):
        text = text.replace("ProtectHome=yes", "ProtectHome=read-only")
    return text


def _known_groups(line: re.Match[str]) -> str:
    """Leave out the groups that this machine lacks: systemd refuses to start a unit that names one."""
    known = {entry.gr_name for entry in grp.getgrall()}
    return "SupplementaryGroups=" + " ".join(group for group in line[1].split() if group in known)


def quote(word: str) -> str:
    """Return a word as systemd reads it: specifiers, variables and blanks mean themselves.

    Raises:
        ValueError: a word with a line break cannot stand in a unit.
    """
    if "\n" in word or "\r" in word:
        raise ValueError(f"{word!r} holds a line break")
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return escaped if re.fullmatch(r"[A-Za-z0-9_./:@%+=,-]+", escaped) else f'"{escaped}"'
