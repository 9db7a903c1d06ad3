from __future__ import annotations

from pathlib import Path

import pytest

from anpr_stream.config.delivery import Service, Store
from anpr_stream.service.paths import known_sockets, known_stores, socket_path, store_folder


@pytest.mark.parametrize(
    ("folder", "environ", "expected"),
    [
        ("/data", {"STATE_DIRECTORY": "/var/lib/x"}, "/data"),
        (None, {"STATE_DIRECTORY": "/var/lib/x:/var/lib/y"}, "/var/lib/x"),
        (None, {"XDG_STATE_HOME": "/home/me/state"}, "/home/me/state/anpr-stream"),
        (None, {}, f"{Path.home()}/.local/state/anpr-stream"),
    ],
)
def test_store_folder(folder: str | None, environ: dict[str, str], expected: str) -> None:
    assert store_folder(Store(folder=folder), environ) == Path(expected)


def test_socket_path() -> None:
    assert socket_path(Service(status_socket="/s"), Path("/data"), {"RUNTIME_DIRECTORY": "/run/x"}) == Path(
        "/s"
    )
    assert socket_path(Service(), Path("/data"), {"RUNTIME_DIRECTORY": "/run/x"}) == Path(
        "/run/x/status.sock"
    )
    assert socket_path(Service(), Path("/data"), {}) == Path("/data/status.sock")


def test_a_user_finds_the_services_things_too() -> None:
    assert list(known_sockets({}))[-1] == Path("/run/anpr-stream/status.sock")
    assert list(known_stores({}))[-1] == Path("/var/lib/anpr-stream")
