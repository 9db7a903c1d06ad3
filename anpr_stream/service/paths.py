"""Where the daemon keeps and finds its things: as systemd says, else in the user's own folders."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from anpr_stream.config.delivery import Service, Store

SYSTEM_STORE = Path("/var/lib/anpr-stream")
SYSTEM_SOCKET = Path("/run/anpr-stream/status.sock")
SOCKET = "status.sock"


def store_folder(store: Store, environ: Mapping[str, str] = os.environ) -> Path:
    """Return the store's folder: as set, else systemd's, else `~/.local/state/anpr-stream`."""
    if store.folder is not None:
        return store.folder
    if "STATE_DIRECTORY" in environ:
        return Path(environ["STATE_DIRECTORY"].split(":")[0])
    state = environ.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local/state") / "anpr-stream"


def socket_path(service: Service, folder: Path, environ: Mapping[str, str] = os.environ) -> Path:
    """Return where the status socket is made: as set, else in systemd's run-time directory or the store."""
    if service.status_socket is not None:
        return service.status_socket
    if "RUNTIME_DIRECTORY" in environ:
        return Path(environ["RUNTIME_DIRECTORY"].split(":")[0]) / SOCKET
    return folder / SOCKET


def known_sockets(environ: Mapping[str, str] = os.environ) -> Iterator[Path]:
    """Yield where a running daemon's status socket may be, the user's own first."""
    yield socket_path(Service(), store_folder(Store(), environ), environ)
    yield SYSTEM_SOCKET


def known_stores(environ: Mapping[str, str] = os.environ) -> Iterator[Path]:
    """Yield where a store may be, the user's own first."""
    yield store_folder(Store(), environ)
    yield SYSTEM_STORE
