"""The files that settings name: a service may be somebody else than who wrote them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anpr_stream.config.address import is_live
from anpr_stream.config.section import Section

READ = ("tls_ca", "ca_file", "cert_file", "key_file", "file", "model", "characters_model", "url", "command")
WRITTEN = ("path", "folder", "status_socket")


@dataclass(frozen=True, slots=True)
class NamedFile:
    """A file of the settings.

    Attributes:
        key: what it is called there.
        path: where it is.
        is_written: whether the daemon makes it; else it only reads it, or runs it.
    """

    key: str
    path: Path
    is_written: bool


def named_files(settings: Section) -> Iterator[NamedFile]:
    """Yield each file once, in the order of the settings; not those that ship with the program."""
    yield from dict.fromkeys(_within("", settings))


def _within(key: str, value: Any) -> Iterator[NamedFile]:
    if isinstance(value, Section):
        for name, below in value:
            yield from _within(name, below)
    elif isinstance(value, dict):
        for below in value.values():
            yield from _within("", below)
    elif isinstance(value, tuple) and key == "command":
        yield from _within(key, next(iter(value), ""))
    elif isinstance(value, tuple):
        for below in value:
            yield from _within("", below)
    elif key in READ + WRITTEN and _is_path(value):
        yield NamedFile(key, Path(value), key in WRITTEN)


def _is_path(value: Any) -> bool:
    """Tell a path from an address, a device and the name of a network or program."""
    return isinstance(value, Path) or (
        isinstance(value, str) and "/" in value and "://" not in value and not is_live(value)
    )
