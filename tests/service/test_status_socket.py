from __future__ import annotations

import socket
import stat
from pathlib import Path

import pytest

from anpr_stream.errors import AddressError, UsageError
from anpr_stream.service.status_socket import StatusSocket, ask_status


def test_every_caller_gets_the_present_state(tmp_path: Path) -> None:
    path = tmp_path / "run" / "status.sock"
    state = {"summary": "1 of 1 cameras running", "long": "x" * 200_000}
    with StatusSocket(path, lambda: state):
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        assert ask_status(path) == state
        state["summary"] = "0 of 1"
        assert ask_status(path)["summary"] == "0 of 1"
    assert not path.exists()


def test_a_caller_that_goes_away_or_a_status_that_fails_ends_nothing(tmp_path: Path) -> None:
    answers = [RuntimeError("no status"), {"fine": True}]

    def status() -> dict[str, bool]:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    path = tmp_path / "status.sock"
    with StatusSocket(path, status):
        with pytest.raises(UsageError, match="no daemon answers"):
            ask_status(path)
        assert ask_status(path) == {"fine": True}


def test_a_socket_left_over_by_a_killed_daemon_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "status.sock"
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(path))
    with pytest.raises(UsageError, match="is 'anpr-stream serve' running"):
        ask_status(path)
    with StatusSocket(path, lambda: {"new": True}):
        assert ask_status(path) == {"new": True}


def test_a_path_that_cannot_be_is_named(tmp_path: Path) -> None:
    with pytest.raises(AddressError, match="status_socket"):
        StatusSocket(tmp_path / ("x" * 200), dict)
