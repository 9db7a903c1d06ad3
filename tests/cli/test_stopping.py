"""A signal ends a run whatever the main thread is doing when it comes."""

import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType

import pytest

from anpr_stream import sources
from anpr_stream.cli import session
from anpr_stream.config.source import SourceSettings
from anpr_stream.pipeline import supervisor
from anpr_stream.types import SourceInfo
from tests.cli.command import ROOT, Command


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the run believe that somebody looks, so that it finds out how long recordings are."""
    monkeypatch.setenv("FORCE_COLOR", "1")


@pytest.mark.usefixtures("terminal")
def test_a_signal_while_a_recording_is_measured_ends_the_run(
    anpr_stream: Command, clip: Path, stubs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def interrupted(url: str, settings: SourceSettings) -> SourceInfo:
        asked.append(url)
        signal.raise_signal(signal.SIGTERM)
        return sources.probe(url, settings)

    monkeypatch.setattr(session, "probe", interrupted)
    answer = anpr_stream("run", clip, clip, "-c", stubs)
    assert answer.exit_code == 128 + signal.SIGTERM
    assert asked == [str(clip)]
    assert answer.out == ""
    assert "45 frames" not in answer.err


@pytest.mark.usefixtures("terminal")
def test_errors_before_a_signal_are_still_told(
    anpr_stream: Command, clip: Path, stubs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(url: str, settings: SourceSettings) -> SourceInfo:
        if url == str(clip):
            signal.raise_signal(signal.SIGINT)
        return sources.probe(url, settings)

    monkeypatch.setattr(session, "probe", interrupted)
    answer = anpr_stream("run", tmp_path / "none.mp4", clip, "-c", stubs)
    assert answer.exit_code == 128 + signal.SIGINT
    assert "none.mp4 does not exist" in answer.err


class InterruptedLock:
    """A lock of the main thread's that a signal meets while it is held."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entered = 0

    def __enter__(self) -> None:
        self._lock.acquire()
        if threading.current_thread() is threading.main_thread():
            self._entered += 1
            if self._entered == 2:  # the first time is the camera's start
                signal.raise_signal(signal.SIGINT)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()


def test_a_signal_finds_no_lock_that_its_handler_waits_for(
    anpr_stream: Command, stubs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "Lock", InterruptedLock)
    answer = anpr_stream("run", "test:", "-c", stubs)
    assert answer.exit_code == 128 + signal.SIGINT


INTERRUPTED_WHILE_LOADING = """
import signal, sys
class Finder:
    def find_spec(self, name, path, target=None):
        if name == "anpr_stream.cli.run":
            signal.raise_signal(signal.SIGINT)
sys.meta_path.insert(0, Finder())
from anpr_stream.__main__ import main
main()
"""


def test_ctrl_c_while_the_program_loads_ends_it_without_a_word() -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_WHILE_LOADING], cwd=ROOT, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (-signal.SIGINT, b"")
