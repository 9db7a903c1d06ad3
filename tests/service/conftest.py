from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from anpr_stream.service.writer import Writer
from anpr_stream.store.database import open_database
from tests.service.house import House, serving


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Writer]:
    with Writer(open_database(tmp_path)) as found:
        yield found


@pytest.fixture
def house(tmp_path: Path, writer: Writer) -> Iterator[House]:
    found = House(tmp_path, writer)
    yield found
    found.recorder.close()


@pytest.fixture
def client(house: House) -> Iterator[httpx.Client]:
    with serving(house) as found:
        yield found


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 40 MB of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting needs root")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk: Path) -> None:
    with (disk / "others").open("wb", 0) as file, suppress(OSError):
        while True:
            file.write(b"x" * 4096)
