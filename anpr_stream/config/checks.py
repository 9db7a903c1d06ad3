"""What a settings file names outside itself: addresses of cameras, and plate formats.

The values are looked at as they stand in the file, whatever else is wrong with it, so that all faults
are told at once.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from functools import cache
from typing import Any, TypeAlias

from anpr_stream.config.address import address_fault, is_live
from anpr_stream.config.document import KeyPath
from anpr_stream.config.formats import format_names
from anpr_stream.config.packaged import packaged

Located: TypeAlias = "tuple[KeyPath, str]"
"""Where a fault stands, and what is wrong there."""


def outside_faults(data: Any) -> Iterator[Located]:
    """Yield what cannot be opened or found, by the values of a settings file."""
    yield from _format_faults((), data)
    cameras = _at(data, ("cameras",))
    for name in cameras if isinstance(cameras, dict) else ():
        camera: KeyPath = ("cameras", name)
        yield from _format_faults(camera, data)
        yield from _address_faults(camera, data)


def _format_faults(section: KeyPath, data: Any) -> Iterator[Located]:
    path = (*section, "formats")
    names = _at(data, path)
    for number, name in enumerate(names if isinstance(names, list) else ()):
        if isinstance(name, str) and name not in _known_formats():
            near = difflib.get_close_matches(name, _known_formats(), n=1, cutoff=0.6)
            known = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(_known_formats())}"
            yield (*path, number), f"no plate format called {name}; {known}"


@cache
def _known_formats() -> tuple[str, ...]:
    return tuple(sorted(format_names(packaged("configs") / "formats")))


def _address_faults(camera: KeyPath, data: Any) -> Iterator[Located]:
    url = _at(data, (*camera, "url"))
    if not isinstance(url, str):
        return
    if fault := address_fault(url):
        yield (*camera, "url"), fault
        return
    path = _main_url_path(camera, data)
    main_url = _at(data, path)
    if not isinstance(main_url, str):
        return
    if not is_live(url):
        yield path, f"{camera[-1]!r} is a recording, and only a live camera has a main_url"
    elif fault := address_fault(main_url):
        yield path, fault
    elif not is_live(main_url):
        yield path, "is no live camera"


def _main_url_path(camera: KeyPath, data: Any) -> KeyPath:
    """Return where the camera's `main_url` stands: its own, or the one above the cameras."""
    source = _at(data, (*camera, "source"))
    is_own = isinstance(source, dict) and "main_url" in source
    return (*(camera if is_own else ()), "source", "main_url")


def _at(data: Any, path: KeyPath) -> Any:
    for key in path:
        data = data.get(key) if isinstance(data, dict) else None
    return data
