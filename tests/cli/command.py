"""The command line as a user runs it: inside this process, or in one of its own."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from anpr_stream.cli import main

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = (sys.executable, "-m", "anpr_stream")


@dataclass(frozen=True)
class Answer:
    """What a command left."""

    exit_code: int
    out: str
    err: str

    def is_one_line_error(self, exit_code: int, text: str) -> bool:
        """Tell whether the user was told in one line, on standard error, without a traceback."""
        assert "Traceback" not in self.err, self.err
        lines = [line for line in self.err.splitlines() if line.startswith("anpr-stream: ")]
        assert len(lines) == 1, self.err
        assert text in lines[0], lines[0]
        assert self.exit_code == exit_code
        return True


class Command:
    """Runs `anpr-stream` inside this process, from its `main` on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def __call__(self, *arguments: str | Path) -> Answer:
        self._monkeypatch.setattr(sys, "argv", ["anpr-stream", *map(str, arguments)])
        self._capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        captured = self._capsys.readouterr()
        code = ended.value.code
        return Answer(code if isinstance(code, int) else 0, captured.out, captured.err)


def in_own_process(
    *arguments: str | Path,
    timeout_s: float = 110,
    stdout: int = subprocess.PIPE,
    before: Callable[[], None] | None = None,
) -> Answer:
    """Run `anpr-stream` in a process of its own, to its end; `before` is called in it first."""
    done = subprocess.run(
        [*PROGRAM, *map(str, arguments)],
        cwd=ROOT,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        timeout=timeout_s,
        check=False,
        preexec_fn=before,
    )
    return Answer(done.returncode, done.stdout or "", done.stderr)
