"""No output may be what is read: opening it would empty a recording, or put a drawing in a photo's place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from pathlib import Path

from anpr_stream.config.source import SourceSettings
from anpr_stream.errors import SourceError, UsageError
from anpr_stream.sources.locate import CLIPS, PICTURES, Address, Kind, locate

SUFFIXES = {Kind.CLIPS: CLIPS, Kind.PICTURES: PICTURES}

Identity = tuple[int, int]
"""Device and inode: the same for every name and link of a file."""


def refuse_overwriting(
    outputs: Iterable[tuple[str, Path]],
    sources: Iterable[tuple[str, SourceSettings]],
    rather: Kind = Kind.CLIPS,
) -> None:
    """Compare the files that will be written with those that will be read.

    Args:
        outputs: the option that names it, and the file; it need not be there yet.
        sources: as the user wrote them, and how they are opened; one that cannot be found is passed over.
        rather: what counts in a folder or pattern that holds both clips and pictures.

    Raises:
        UsageError: an output is a source's file, or would become one of its folder or pattern.
    """
    addresses = list(_addresses(sources, rather))
    read = {_identity(path) for address in addresses for path in address.paths} - {None}
    for option, path in outputs:
        if _identity(path) in read:
            raise UsageError(f"{option}: {path} is read itself and would be lost; name another place")
        for address in addresses:
            if _would_join(path, address):
                raise UsageError(
                    f"{option}: {path} would be read as part of {address.shown}; name another place"
                )


def _addresses(sources: Iterable[tuple[str, SourceSettings]], rather: Kind) -> Iterator[Address]:
    for text, settings in sources:
        try:
            yield locate(text, settings, rather)
        except SourceError:
            continue


def _identity(path: Path) -> Identity | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _would_join(path: Path, address: Address) -> bool:
    """Tell whether a new file would be played as one of a folder's or pattern's."""
    place = Path(address.shown).expanduser()
    if place.is_file() or path.suffix.lower() not in SUFFIXES.get(address.kind, ()):
        return False
    folders = {known.parent.resolve() for known in address.paths}
    return path.parent.resolve() in folders and fnmatch(path.name, "*" if place.is_dir() else place.name)
