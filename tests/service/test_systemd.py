"""The unit under a real systemd."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from anpr_stream.service.unit import NAME
from tests.service.systemd_machine import LIMIT_S, CannotBootError, Machine, boot, why_not
from tests.stubs import write_networks

pytestmark = [pytest.mark.skipif(bool(why_not()), reason=why_not()), pytest.mark.timeout(300)]

PROGRAM = str(Path(sys.prefix) / "bin" / "anpr-stream")
SETTINGS = """\
detector: {model: /srv/anpr/stub-detector.onnx}
reader: {model: /srv/anpr/stub-reader.onnx}
inference: {backend: openvino, precision: fp32, threads: 1}
service: {http: {enabled: false}}
cameras:
  test: {url: "test:"}
  gate:
    url: rtsp://127.0.0.1:9/none
    source: {user: me, password: "${gate_password}"}
"""
SECRET = "hunter2hunter2"


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with ExitStack() as stack:
        try:
            found = stack.enter_context(boot(tmp_path_factory.mktemp("machine")))
        except CannotBootError as error:
            pytest.skip(str(error))
        networks = found.root / "srv" / "anpr"
        networks.mkdir(parents=True)
        write_networks(networks)
        (found.root / "etc" / "anpr-stream").mkdir()
        configure(found, SETTINGS)
        (found.root / "root" / "gate").write_text(SECRET)
        asked = ["-c", "/etc/anpr-stream/config.yaml", "--credential", "gate_password=/root/gate"]
        found.run(PROGRAM, "install-service", *asked)
        found.run("systemctl", "daemon-reload")
        yield found


@pytest.fixture
def running(machine: Machine) -> Iterator[Machine]:
    configure(machine, SETTINGS)
    machine.run("systemctl", "reset-failed", NAME, check=False)
    machine.run("systemctl", "start", NAME)
    yield machine
    machine.run("systemctl", "stop", NAME)


def configure(machine: Machine, text: str) -> None:
    (machine.root / "etc" / "anpr-stream" / "config.yaml").write_text(text)


def main_pid(machine: Machine) -> str:
    return machine.show(NAME, "MainPID")


def test_it_runs_without_rights_and_with_its_secret(running: Machine) -> None:
    status = running.run("cat", f"/proc/{main_pid(running)}/status").stdout
    fields = dict(line.split(":", 1) for line in status.splitlines())
    assert "0" not in fields["Uid"].split()
    assert set(fields["CapEff"].strip()) == {"0"}
    assert "cameras running" in running.show(NAME, "StatusText")
    told = running.run(PROGRAM, "status", check=False).stdout
    assert "openvino fp32 cpu" in told
    assert "gate" in told
    journal = running.run("journalctl", "-u", NAME, "-o", "cat").stdout
    assert "ready: " in journal
    assert SECRET not in journal + told


def test_root_changes_a_list_of_the_service(machine: Machine) -> None:
    configure(machine, SETTINGS + "lists: [{name: staff}]\n")
    machine.run("systemctl", "start", NAME)
    add = (PROGRAM, "list", "add", "staff", "AB123", "-c", "/etc/anpr-stream/config.yaml")
    assert "; /var/lib/anpr-stream/lists/staff.csv" in machine.run(*add).stderr
    wait_for_lists(machine, {"staff": 1})
    machine.run("systemctl", "restart", NAME)
    wait_for_lists(machine, {"staff": 1})
    machine.run("systemctl", "stop", NAME)


def wait_for_lists(machine: Machine, wanted: dict[str, int]) -> None:
    ask = (PROGRAM, "status", "--json", "-c", "/etc/anpr-stream/config.yaml")
    found: dict[str, int] = {}
    end_s = time.monotonic() + LIMIT_S
    while found != wanted and time.monotonic() < end_s:
        found = json.loads(machine.run(*ask, check=False).stdout)["lists"]
    assert found == wanted


def test_a_reload_takes_right_settings_and_refuses_wrong_ones(running: Machine) -> None:
    before = main_pid(running)
    configure(running, SETTINGS + "nosuch: 1\n")
    with running.expecting("nosuch: unknown key"):
        running.run("systemctl", "reload", NAME)
    configure(running, SETTINGS.replace("  gate:", "  more: {url: 'test:'}\n  gate:"))
    with running.expecting("more"):
        running.run("systemctl", "reload", NAME)
    assert (main_pid(running), running.show(NAME, "ActiveState")) == (before, "active")


def test_wrong_settings_end_it_for_good(machine: Machine) -> None:
    configure(machine, "nosuch: 1\n")
    assert machine.run("systemctl", "start", NAME, check=False).returncode != 0
    shown = [machine.show(NAME, name) for name in ("ExecMainStatus", "ActiveState", "NRestarts")]
    assert shown == ["78", "failed", "0"]


def test_a_killed_daemon_comes_back(running: Machine) -> None:
    before = main_pid(running)
    with running.expecting("Started "):
        running.run("kill", "-KILL", before)
    assert running.show(NAME, "ActiveState") == "active"
    assert main_pid(running) not in (before, "0")


def test_a_hung_daemon_is_ended_by_the_watchdog(running: Machine) -> None:
    running.run("mkdir", "-p", f"/run/systemd/system/{NAME}.d")
    running.run("sh", "-c", f"printf '[Service]\\nWatchdogSec=2\\n' >/run/systemd/system/{NAME}.d/short.conf")
    running.run("systemctl", "daemon-reload")
    running.run("systemctl", "restart", NAME)
    with running.expecting("Watchdog timeout"):
        running.run("kill", "-STOP", main_pid(running))
    running.run("rm", "-r", f"/run/systemd/system/{NAME}.d")
    running.run("systemctl", "daemon-reload")


def test_it_stops_in_good_order(running: Machine) -> None:
    running.run("systemctl", "stop", NAME)
    assert (running.show(NAME, "Result"), running.show(NAME, "ExecMainStatus")) == ("success", "0")
