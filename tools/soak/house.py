"""Everything around the daemon: cameras, receivers, a small disk, the daemon's own process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

from anpr_stream.errors import UsageError
from anpr_stream.service.status_socket import ask_status
from anpr_stream.store.list_file import add_entries, make_entry
from tests.brokers import Mosquitto, Nats, PostgreSql, Redis, Server, free_port
from tests.mjpeg import MjpegServer
from tests.stubs import TEXT, scene, write_networks
from tools.refusal import ToolError

ROOT = Path(__file__).parents[2]
AS_IN_UNIT = {"MALLOC_ARENA_MAX": "2"}
"""Environment of the daemon that configs/anpr-stream.service sets, as far as memory depends on it."""
FPS = 4.0
CROSSING = [scene(index) for index in range(0, 130, 4)]
EMPTY = [scene(None)] * 47
"""One plate in 20 seconds per camera."""

SETTINGS = """
{networks}
tracking: {{visits: {{revisit_s: 0}}}}
source: {{retry_min_s: 0.5, retry_max_s: 5}}
cameras:
{cameras}
store:
  folder: {disk}/store
  keep: {{max_gb: 0.01, min_free_gb: 0.004, every_s: 5}}
service: {{http: {{port: {http}}}, status_socket: {folder}/status.sock}}
lists:
  - name: staff
    action: allow
    command: [sh, -c, 'echo "$ANPR_VISIT_ID" >> {folder}/commands']
outputs:
  - {{type: webhook, name: webhook, url: "http://127.0.0.1:{webhook}/", retry_longest_s: 5}}
  - {{type: mqtt, name: mqtt, host: 127.0.0.1, port: {mqtt}, retry_longest_s: 5}}
  - {{type: redis, name: redis, url: "redis://127.0.0.1:{redis}/0", retry_longest_s: 5}}
  - {{type: nats, name: nats, servers: ["nats://127.0.0.1:{nats}"], retry_longest_s: 5}}
  - {{type: postgres, name: postgres, dsn: "{postgres}", retry_longest_s: 5}}
"""


class Webhook(ThreadingHTTPServer):
    """Keeps the content of each event by its key, and counts other content under a known key."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _WebhookHandler)
        self.events: dict[str, str] = {}
        self.changed = 0
        self.is_broken = False
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _WebhookHandler(BaseHTTPRequestHandler):
    server: Webhook

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        body = self.rfile.read(length).decode()
        if self.server.is_broken or len(body.encode()) < length:
            self.send_error(503)
            return
        known = self.server.events.setdefault(self.headers["Idempotency-Key"], body)
        self.server.changed += known != body
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@dataclass
class House:
    """What a soak plays with.

    Attributes:
        folder: of settings, log and command results, on the real disk.
        disk: a small file system of its own, which can be filled.
        names: of the cameras.
        cameras: serves their pictures.
        webhook: our own receiver.
        brokers: real ones by name.
        http: the daemon's port.
    """

    folder: Path
    disk: Path
    names: list[str]
    cameras: MjpegServer
    webhook: Webhook
    brokers: dict[str, Server]
    http: int
    daemon: subprocess.Popen[bytes] | None = None
    _is_full: threading.Event = field(default_factory=threading.Event)

    def start_daemon(self) -> None:
        """Start the daemon; `status` tells when it is there."""
        command = [sys.executable, "-m", "tools.soak.daemon", str(self.folder / "config.yaml")]
        with (self.folder / "log").open("ab") as log:
            self.daemon = subprocess.Popen(command, cwd=ROOT, stderr=log, env=os.environ | AS_IN_UNIT)

    def signal(self, number: signal.Signals) -> None:
        """Send the daemon a signal."""
        assert self.daemon is not None
        self.daemon.send_signal(number)

    def status(self) -> dict[str, Any] | None:
        """Return what the daemon says of itself; None while it does not answer."""
        try:
            return ask_status(self.folder / "status.sock")
        except UsageError:
            return None

    def metrics(self) -> str:
        """Return the daemon's metrics."""
        return httpx.get(f"http://127.0.0.1:{self.http}/metrics", timeout=30, trust_env=False).text

    def memory_mib(self) -> float:
        """Return the daemon's resident memory."""
        assert self.daemon is not None
        text = Path(f"/proc/{self.daemon.pid}/smaps_rollup").read_text()
        return int(text.split("Rss:")[1].split()[0]) / 1024

    def fill_disk(self) -> None:
        """Leave no byte free where the store is, whatever it deletes, until `free_disk`."""
        self._is_full.set()
        threading.Thread(target=self._keep_full, daemon=True).start()

    def free_disk(self) -> None:
        """Take the filler away."""
        self._is_full.clear()

    def _keep_full(self) -> None:
        path = self.disk / "filler"
        with path.open("wb", buffering=0) as filler:
            while self._is_full.is_set():
                try:
                    filler.write(bytes(65536))
                except OSError:
                    time.sleep(0.1)
        path.unlink()


@contextmanager
def house(folder: Path, cameras: int, disk_mb: int) -> Iterator[House]:
    """Build everything but the daemon; take it down in the end. Mounts a file system, so it needs root.

    Raises:
        OSError: the folder is there already, or cannot be made.
        ToolError: nothing can be mounted here.
    """
    disk = folder / "disk"
    folder.mkdir(parents=True)
    disk.mkdir()
    with ExitStack() as stack:
        _mount(disk, disk_mb)
        stack.callback(subprocess.run, ["umount", "-l", str(disk)], check=False)
        server = stack.enter_context(MjpegServer(CROSSING + EMPTY, FPS))
        webhook = stack.enter_context(Webhook())
        stack.callback(webhook.shutdown)
        brokers: dict[str, Server] = {
            "mqtt": Mosquitto(is_durable=True),
            "redis": Redis(),
            "nats": Nats(),
            "postgres": PostgreSql(),
        }
        for broker in brokers.values():
            stack.enter_context(broker)
        names = [f"cam{number:02}" for number in range(cameras)]
        found = House(folder, disk, names, server, webhook, brokers, free_port())
        (folder / "config.yaml").write_text(_settings(found))
        add_entries(disk / "store/lists/staff.csv", [make_entry({"plate": TEXT})])
        yield found
        if found.daemon is not None and found.daemon.poll() is None:
            found.daemon.kill()
            found.daemon.wait()


def _mount(disk: Path, size_mb: int) -> None:
    command = ["mount", "-t", "tmpfs", "-o", f"size={size_mb}m", "soak", str(disk)]
    try:
        subprocess.run(command, check=True)
    except subprocess.CalledProcessError as error:
        raise ToolError(f"{disk}: no disk can be mounted, as told above; run it as root") from error


def _settings(found: House) -> str:
    postgres = found.brokers["postgres"]
    assert isinstance(postgres, PostgreSql)
    return SETTINGS.format(
        networks=write_networks(found.folder).read_text(),
        cameras="\n".join(
            f"  {name}: {{url: {json.dumps(found.cameras.url(name))}}}" for name in found.names
        ),
        disk=found.disk,
        folder=found.folder,
        http=found.http,
        webhook=found.webhook.server_port,
        postgres=postgres.dsn,
        **{name: found.brokers[name].port for name in ("mqtt", "redis", "nats")},
    )
