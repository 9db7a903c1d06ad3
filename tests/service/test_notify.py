from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from anpr_stream.service import notify as module
from anpr_stream.service.notify import Notifier


@pytest.mark.parametrize("kind", ["file", "abstract"])
def test_states_come_in_one_datagram(tmp_path: Path, kind: str) -> None:
    address = str(tmp_path / "notify") if kind == "file" else f"\0anpr-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(address)
        Notifier({"NOTIFY_SOCKET": address.replace("\0", "@")}).send("READY=1", "STATUS=all well")
        assert systemd.recv(1000) == b"READY=1\nSTATUS=all well"


def test_without_systemd_nothing_happens() -> None:
    Notifier({}).send("READY=1")


def test_a_socket_that_is_gone_is_only_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).send("READY=1")
    assert "systemd cannot be told READY=1" in caplog.text


def test_a_socket_that_nobody_reads_is_only_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TAKE_WITHIN_S", 0.01)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "notify")})
        while "cannot be told WATCHDOG=1: timed out" not in caplog.text:
            notifier.send("WATCHDOG=1")
