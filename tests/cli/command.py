"""The command line as a user runs it: in a process of its own."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def anpr_stream(*arguments: str | Path, timeout_s: float = 100) -> subprocess.CompletedProcess[str]:
    """Run `anpr-stream` to its end."""
    return subprocess.run(
        [sys.executable, "-m", "anpr_stream", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


def assert_one_line_error(answer: subprocess.CompletedProcess[str], exit_code: int, text: str) -> None:
    """The user is told in one line, on standard error, without a traceback."""
    assert answer.returncode == exit_code, answer.stderr
    assert "Traceback" not in answer.stderr
    assert text in answer.stderr
    (line,) = [line for line in answer.stderr.splitlines() if line.startswith("anpr-stream: ")]
    assert text in line
