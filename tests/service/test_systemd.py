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
from tests.service import sandbox_probe
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
FREE_MAJOR = 511
"""Drivers get numbers from above; this one is the last to be given."""
REFUSED = "/dev/anpr-refused"
NODES = {
    "nvidia0": ("195", 0, "root"),
    "nvidiactl": ("195", 255, "root"),
    "nvidia-modeset": ("195", 254, "root"),
    "nvidia-uvm": ("nvidia-uvm", 0, "root"),
    "nvidia-uvm-tools": ("nvidia-uvm", 1, "root"),
    "nvidia-caps/nvidia-cap1": ("nvidia-caps", 1, "root"),
    "dri/renderD128": ("226", 128, "render"),
    "video0": ("81", 0, "video"),
}
"""What CUDA, VAAPI and USB cameras open: number or name of the driver, number of the device, group."""
PROBED = f"""
[Service]
Type=oneshot
Restart=no
WatchdogSec=0
ExecStart=
ExecStart={sys.executable} {sandbox_probe.__file__} {REFUSED} {" ".join(f"/dev/{name}" for name in NODES)}
"""
LOADED = """
[Unit]
ConditionCapability=
[Service]
ExecStart=
ExecStart=mount --bind /srv/anpr/devices /proc/devices
"""
"""Stands for loading the module: its numbers are known from then on."""


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
        found.run("groupadd", "--force", "--system", "render")
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


def test_its_sandbox_lets_gpus_and_usb_cameras_through(machine: Machine) -> None:
    make_devices(machine)
    add_to_unit(machine, "modprobe@nvidia_uvm.service", LOADED)
    add_to_unit(machine, NAME, PROBED)
    machine.run("systemctl", "start", NAME)
    told = json.loads(machine.run("cat", "/var/lib/anpr-stream/probe.json").stdout)
    add_to_unit(machine, NAME, "")
    assert told == {
        **{f"/dev/{name}": "driver" for name in NODES},
        REFUSED: "EPERM",
        "executable": "done",
        "locked": "done",
    }


def make_devices(machine: Machine) -> None:
    """Make the nodes of drivers, and a list of drivers that has those with changing numbers, too."""
    known = Path("/proc/devices").read_text()
    majors = dict(reversed(line.split()) for line in known.splitlines() if line[:3].strip().isdecimal())
    missing = {name for name, _, _ in NODES.values() if not name.isdecimal()} - majors.keys()
    majors |= {name: str(FREE_MAJOR - index) for index, name in enumerate(sorted(missing))}
    lines = "".join(f"{majors[name]} {name}\n" for name in missing)
    heading = "Character devices:\n"
    (machine.root / "srv/anpr/devices").write_text(known.replace(heading, heading + lines))
    machine.run("mkdir", "-p", "/dev/nvidia-caps", "/dev/dri")
    for name, (driver, minor, group) in NODES.items():
        mode = "0666" if group == "root" else "0660"
        numbers = (majors.get(driver, driver), str(minor))
        machine.run("mknod", f"--mode={mode}", f"/dev/{name}", "c", *numbers)
        machine.run("chgrp", group, f"/dev/{name}")
    machine.run("mknod", "--mode=0666", REFUSED, "c", "10", "200")


def add_to_unit(machine: Machine, unit: str, text: str) -> None:
    folder = f"/run/systemd/system/{unit}.d"
    machine.run("mkdir", "-p", folder)
    machine.run("sh", "-c", f'printf %s "$0" >{folder}/added.conf', text)
    machine.run("systemctl", "daemon-reload")
