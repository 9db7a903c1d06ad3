"""The whole daemon in a process of its own: stub networks, a live camera over HTTP, a real notify socket."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import httpx
import pytest

from anpr_stream.config.source import SourceSettings
from anpr_stream.service.status_socket import ask_status
from anpr_stream.sources import probe
from anpr_stream.store import audit, history
from anpr_stream.store.database import read_database
from tests.brokers import PostgreSql
from tests.mjpeg import MjpegServer
from tests.rtsp_camera import Camera as RtspCamera
from tests.stubs import TEXT, scene, write_networks

ROOT = Path(__file__).parents[2]
LIMIT_S = 100.0
pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def camera() -> Iterator[MjpegServer]:
    """A plate that crosses the picture once in eight seconds."""
    pictures = [scene(index) for index in range(0, 130, 4)] + [scene(None)] * 48
    with MjpegServer(pictures, 10.0) as server:
        yield server


@pytest.fixture
def config(tmp_path: Path, camera: MjpegServer) -> Path:
    text = write_networks(tmp_path).read_text()
    path = tmp_path / "config.yaml"
    path.write_text(f"{text}\n{settings(tmp_path)}cameras: {{gate: {{url: '{camera.url('gate')}'}}}}\n")
    return path


def settings(folder: Path) -> str:
    return f"store: {{folder: {folder}/store}}\nservice: {{http: {{port: 0}}}}\n"


class Daemon:
    """`anpr-stream serve` under a systemd of our own."""

    def __init__(self, config: Path) -> None:
        self.folder = config.parent
        self._systemd = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        (self.folder / "notify").unlink(missing_ok=True)
        self._systemd.bind(str(self.folder / "notify"))
        self._systemd.settimeout(LIMIT_S)
        environ = {**os.environ, "NOTIFY_SOCKET": str(self.folder / "notify"), "WATCHDOG_USEC": "60000000"}
        command = [sys.executable, "-m", "anpr_stream", "serve", "-c", str(config)]
        self.log = self.folder / "log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, env=environ, stderr=log)

    def wait_for(self, wanted: str) -> None:
        """Read what systemd is told until something comes."""
        while wanted not in self._systemd.recv(10_000).decode():
            assert self.process.poll() is None, self.log.read_text()

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._systemd.close()


@contextmanager
def running(config: Path) -> Iterator[Daemon]:
    daemon = Daemon(config)
    try:
        daemon.wait_for("READY=1")
        yield daemon
    finally:
        daemon.close()


def payloads(folder: Path) -> list[dict[str, object]]:
    with closing(read_database(folder / "store")) as database:
        rows = database.execute("SELECT payload FROM revisions ORDER BY sequence")
        return [json.loads(payload) for (payload,) in rows]


def wait_for_events(daemon: Daemon) -> None:
    """Return when the first visit was told; systemd's messages are the clock."""
    while not payloads(daemon.folder):
        daemon.wait_for("STATUS=")


def test_a_visit_in_view_at_sigterm_is_ended_within_ten_seconds(config: Path) -> None:
    with running(config) as daemon:
        wait_for_events(daemon)
        daemon.signal(signal.SIGTERM)
        began_s = time.monotonic()
        assert daemon.process.wait(LIMIT_S) == 0
        assert time.monotonic() - began_s < 10
    events = payloads(config.parent)
    assert {event["text"] for event in events} == {TEXT}
    assert [events[0]["kind"], events[-1]["kind"]] == ["new", "final"]
    assert all("interrupted" not in event for event in events)
    images = events[0]["images"]
    assert isinstance(images, dict)
    assert all((config.parent / "store/snapshots" / image["path"]).is_file() for image in images.values())


def test_a_clip_of_a_visit_in_view_at_sigterm_is_stored(tmp_path: Path) -> None:
    with RtspCamera() as camera:
        config = tmp_path / "config.yaml"
        config.write_text(
            f"{write_networks(tmp_path).read_text()}\n{settings(tmp_path)}clips: {{enabled: true}}\n"
            f"cameras: {{gate: {{url: '{camera.url('visit')}'}}}}\n"
        )
        with running(config) as daemon:
            wait_for_events(daemon)
            daemon.signal(signal.SIGTERM)
            assert daemon.process.wait(LIMIT_S) == 0
    with closing(read_database(tmp_path / "store")) as database:
        clip = history.clip(database, str(payloads(tmp_path)[0]["visit_id"]))
    assert clip is not None
    found = probe(str(tmp_path / "store/snapshots" / clip.path), SourceSettings())
    assert (found.codec, found.width) == ("H.264", 640)


def test_a_receiver_that_hangs_does_not_keep_the_end_beyond_ten_seconds(config: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as hung:
        hook = (
            f"{{type: webhook, name: hook, url: 'http://127.0.0.1:{hung.getsockname()[1]}', timeout_s: 99}}"
        )
        config.write_text(f"{config.read_text()}outputs: [{hook}]\n")
        with running(config) as daemon:
            hung.settimeout(LIMIT_S)
            caller, _ = hung.accept()
            daemon.signal(signal.SIGTERM)
            began_s = time.monotonic()
            assert daemon.process.wait(LIMIT_S) == 0
            assert time.monotonic() - began_s < 10
            caller.close()


def test_systemd_and_people_hear_how_it_is(config: Path) -> None:
    with running(config) as daemon:
        wait_for_events(daemon)
        daemon.wait_for("STATUS=1 of 1 cameras running\nWATCHDOG=1")
        status = ask_status(config.parent / "store" / "status.sock")
        assert status["summary"] == "1 of 1 cameras running"
        assert status["cameras"]["gate"]["frames"] > 0
        assert status["cameras"]["gate"]["events"] > 0
        assert status["cameras"]["gate"]["latency_p95_s"] is not None
        assert "onnxruntime" in status["networks"]["stub-reader"]


def test_a_car_that_stands_through_a_restart_is_one_visit(tmp_path: Path) -> None:
    visits = "tracking: {visits: {parked_after_s: 1}}"
    with MjpegServer([scene(60)], 10.0) as camera:
        config = tmp_path / "config.yaml"
        config.write_text(
            f"{write_networks(tmp_path).read_text()}\n{settings(tmp_path)}{visits}\n"
            f"cameras: {{gate: {{url: '{camera.url('gate')}'}}}}\n"
        )
        for _ in range(2):
            with running(config) as daemon:
                while looked_at(tmp_path) < 60:
                    daemon.wait_for("STATUS=")
                daemon.signal(signal.SIGTERM)
                assert daemon.process.wait(LIMIT_S) == 0
    assert [event["kind"] for event in payloads(tmp_path)] == ["new", "final"]


def looked_at(folder: Path) -> int:
    """Return the frames that passed the whole flow: here, four seconds and more."""
    cameras = ask_status(folder / "store" / "status.sock")["cameras"]
    return int(cameras["gate"]["looked_at"]) if cameras else 0


def test_reload_keeps_untouched_cameras_and_refuses_a_wrong_file(config: Path, camera: MjpegServer) -> None:
    text = config.read_text()
    with running(config) as daemon:
        daemon.wait_for("STATUS=1 of 1 cameras running")
        before = ask_status(config.parent / "store" / "status.sock")["cameras"]["gate"]
        config.write_text(text.replace("cameras: {", f"cameras: {{yard: {{url: '{camera.url('yard')}'}}, "))
        daemon.signal(signal.SIGHUP)
        daemon.wait_for("RELOADING=1")
        daemon.wait_for("STATUS=2 of 2 cameras running")
        after = ask_status(config.parent / "store" / "status.sock")["cameras"]["gate"]
        assert after["frames"] >= before["frames"]
        assert after["reconnects"] == 0
        for wrong, why in ((text + "colour: red\n", "colour"), ("", "cameras: there are none")):
            config.write_text(wrong)
            daemon.signal(signal.SIGHUP)
            daemon.wait_for("RELOADING=1")
            daemon.wait_for("STATUS=2 of 2 cameras running; settings not changed")
            assert why in ask_status(config.parent / "store" / "status.sock")["reload_error"]


def test_a_reload_that_is_asked_for_amid_the_start_comes_behind_it(config: Path) -> None:
    text = config.read_text()
    config.unlink()
    os.mkfifo(config)  # what is read and when is in our hands then
    daemon = Daemon(config)
    try:
        with config.open("w") as file:
            daemon.signal(signal.SIGHUP)
            file.write(text)
        daemon.wait_for("READY=1")
        daemon.wait_for("RELOADING=1")
        config.write_text(text + "colour: red\n")
        daemon.wait_for("settings not changed")
    finally:
        daemon.close()


def test_a_camera_that_dies_is_told_and_comes_back(config: Path, camera: MjpegServer) -> None:
    config.write_text(config.read_text().replace(camera.url("gate"), camera.url("mortal")))
    with running(config) as daemon:
        daemon.wait_for("STATUS=1 of 1 cameras running")
        camera.dead.add("mortal")
        daemon.wait_for("STATUS=0 of 1 cameras running; gate: ")
        camera.dead.clear()
        daemon.wait_for("STATUS=1 of 1 cameras running\nWATCHDOG=1")


@pytest.mark.parametrize(
    "fault", ["colour: red", "service: {http: {host: 0.0.0.0}}", "lists: [{name: staff}]"]
)
def test_wrong_settings_end_with_78_so_that_systemd_does_not_try_again(config: Path, fault: str) -> None:
    lists = config.parent / "store" / "lists"
    lists.mkdir(parents=True)
    (lists / "staff.csv").write_text("nonsense")
    config.write_text(config.read_text().replace("service: {http: {port: 0}}", "") + fault)
    daemon = Daemon(config)
    assert daemon.process.wait(LIMIT_S) == 78
    daemon.close()
    assert "Traceback" not in daemon.log.read_text()


def test_a_port_that_is_taken_is_tried_again_by_systemd(config: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        config.write_text(config.read_text().replace("port: 0", f"port: {other.getsockname()[1]}"))
        daemon = Daemon(config)
        assert daemon.process.wait(LIMIT_S) == 71
        daemon.close()
    assert "Traceback" not in daemon.log.read_text()


def statuses(*folders: Path) -> list[int]:
    """Return how many cameras each daemon runs."""
    return [len(ask_status(folder / "store" / "status.sock")["cameras"]) for folder in folders]


def test_two_workers_given_the_same_camera_share_it_by_lease(config: Path, tmp_path: Path) -> None:
    with PostgreSql() as database, ExitStack() as stack:
        lease = f"service: {{http: {{port: 0}}, lease: {{dsn: '{database.dsn}', ttl_s: 3}}}}"
        text = config.read_text().replace("service: {http: {port: 0}}", lease)
        workers = []
        for name in ("one", "two"):
            folder = tmp_path / name
            folder.mkdir()
            (folder / "config.yaml").write_text(text.replace(f"{tmp_path}/store", f"{folder}/store"))
            workers.append(stack.enter_context(running(folder / "config.yaml")))
        one, two = workers
        one.wait_for("STATUS=1 of 1 cameras running")
        wait_for_events(one)
        assert statuses(one.folder, two.folder) == [1, 0]
        assert payloads(two.folder) == []
        one.signal(signal.SIGKILL)
        two.wait_for("STATUS=1 of 1 cameras running")
        wait_for_events(two)


SECRET = "TOP5ECRET"
TOKEN = f"{SECRET}-of-anna"
RECEIVERS = """
outputs:
  - type: webhook
    name: hook
    url: "http://127.0.0.1:9/"
    secret: TOP5ECRET
    bearer: TOP5ECRET
    headers: {X-Key: TOP5ECRET}
  - {type: mqtt, name: mqtt, host: 127.0.0.1, port: 9, username: me, password: TOP5ECRET}
  - {type: redis, name: redis, url: "redis://127.0.0.1:9/0", password: TOP5ECRET}
  - {type: nats, name: nats, servers: ["nats://127.0.0.1:9"], username: me, password: TOP5ECRET}
  - {type: postgres, name: pg, dsn: "postgresql://me@127.0.0.1:9/x", password: TOP5ECRET}
privacy: {unlisted: hash, key: TOP5ECRET-0123456789}
"""


def test_no_secret_is_shown_anywhere(config: Path, camera: MjpegServer) -> None:
    login = camera.url("gone").replace("http://", f"http://admin:{SECRET}@")
    text = config.read_text().replace("cameras: {", f"cameras: {{gone: {{url: '{login}'}}, ")
    text = text.replace("http: {port: 0}", f"http: {{port: 0, tokens: {{anna: {TOKEN}}}}}")
    config.write_text(text + RECEIVERS)
    camera.dead.add("gone")
    with running(config) as daemon:
        wait_for_events(daemon)
        daemon.wait_for("STATUS=1 of 2 cameras running; gone: ")
        store = config.parent / "store"
        status = ask_status(store / "status.sock")
        assert all(output["error"] for output in status["outputs"].values())
        (address,) = re.findall(r"the page is at (http\S+/)", daemon.log.read_text())
        with httpx.Client(base_url=address, timeout=60, trust_env=False) as client:
            client.headers["Authorization"] = f"Bearer {TOKEN}"
            (found, *_) = client.get("/events", params={"text": TEXT}).json()
            metrics = client.get("/metrics").text
        shown = json.dumps(status) + json.dumps(found) + metrics
        daemon.signal(signal.SIGTERM)
        daemon.process.wait(LIMIT_S)
    kept = b"".join(path.read_bytes() for path in store.rglob("*") if path.is_file())
    assert SECRET not in shown + daemon.log.read_text()
    assert SECRET.encode() not in kept
    assert TEXT.encode() not in kept
    with closing(read_database(store)) as database:
        (record,) = audit.records(database)
    assert (record.who, record.asked["text"]) == ("anna@127.0.0.1", found["event"]["text"])
