from pathlib import Path

import pytest

from tests.cli.command import Command
from tests.stubs import write_clip, write_networks


@pytest.fixture
def anpr_stream(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """`anpr-stream` inside this process."""
    return Command(monkeypatch, capsys)


@pytest.fixture(scope="session")
def stubs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Settings that name the hand-made networks."""
    return write_networks(tmp_path_factory.mktemp("networks"))


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip of 45 frames in which one magenta plate crosses the picture."""
    return write_clip(tmp_path_factory.mktemp("clips") / "gate.mp4")


@pytest.fixture(autouse=True)
def caches(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what the program remembers out of the user's folders."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))
