"""Kill -9 at random points, a hundred times, with real receivers: nothing accepted is lost or changed."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import redis

from anpr_stream.store import outbox
from anpr_stream.store.database import open_database
from tests.brokers import Redis

KILLS = 100
VISITS = 20
LONGEST_WAIT_S = 0.05
CONFIG = """
cameras: {{gate: {{url: unused}}}}
store: {{snapshots: false, keep: {{listed_days: null, unlisted_days: null}}}}
outputs:
  - type: webhook
    name: hook
    url: "http://127.0.0.1:{hook}"
    retry_first_s: 0.01
    retry_longest_s: 0.05
  - type: redis
    name: stream
    url: "redis://127.0.0.1:{redis}/0"
lists:
  - name: gate
    command: [sh, -c, 'echo "$ANPR_VISIT_ID" >> {ran}']
"""


class Hook(ThreadingHTTPServer):
    """Keeps every request's key and body in order; now and then it fails."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), HookHandler)
        self.got: list[tuple[str, str]] = []
        self.chance = random.Random(7)


class HookHandler(BaseHTTPRequestHandler):
    server: Hook

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        body = self.rfile.read(length).decode()
        if len(body.encode()) < length:  # the sender was killed in the middle
            return
        is_failure = self.server.chance.random() < 0.05
        if not is_failure:
            self.server.got.append((self.headers["Idempotency-Key"], body))
        self.send_response(503 if is_failure else 204)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def hook() -> Iterator[Hook]:
    with Hook() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def memory_folder() -> Iterator[Path]:
    """A folder in memory where there is one: what a kill leaves is the same, and commits are quick."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


def forks(folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.service.crash_process", str(folder)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def run_daemon(
    process: subprocess.Popen[str], run: str, count: int, kill_after: int | None, wait_s: float = 0.0
) -> list[str]:
    """Let one daemon run; return what it said is accepted.

    It is killed a moment after so many acceptances; None: it may finish.
    """
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{run} {count}\n")
    process.stdin.flush()
    pid = int(process.stdout.readline().split()[1])
    accepted: list[str] = []
    timer = threading.Timer(wait_s, os.kill, (pid, signal.SIGKILL))
    if kill_after == 0:
        timer.start()
    for line in iter(process.stdout.readline, "end\n"):
        accepted.append(line.split()[1])
        if len(accepted) == kill_after:
            timer.start()
    timer.cancel()
    return accepted


@pytest.mark.timeout(300)
def test_nothing_accepted_is_lost_changed_or_run_twice(memory_folder: Path, hook: Hook) -> None:
    chance = random.Random(20261130)
    ran_file = memory_folder / "ran"
    accepted: list[str] = []
    with Redis() as server:
        ports = {"hook": hook.server_port, "redis": server.port}
        (memory_folder / "config.yaml").write_text(CONFIG.format(ran=ran_file, **ports))
        with forks(memory_folder) as process:
            for number in range(KILLS):
                kill_after, wait_s = chance.choice([0, 1, 2, 5, 12]), chance.uniform(0.0, LONGEST_WAIT_S)
                accepted += run_daemon(process, str(number), VISITS, kill_after, wait_s)
            accepted += run_daemon(process, "last", 1, None)
            assert process.stdin is not None
            process.stdin.close()
        client = redis.Redis(port=server.port)
        stream = [
            (fields[b"key"].decode(), fields[b"event"].decode()) for _, fields in client.xrange("anpr:events")
        ]
        client.close()
    with closing(open_database(memory_folder / "store")) as database:
        stored = {
            f"{visit}/{revision}": payload
            for visit, revision, payload in database.execute(
                "SELECT visit_id, revision, payload FROM revisions ORDER BY sequence"
            )
        }
        dead = outbox.dead_letters(database, None, 10_000)
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert len(accepted) > KILLS
    assert set(accepted) <= set(stored)
    for got in (hook.got, stream):
        assert dict(got).keys() == stored.keys()
        assert {(key, payload) for key, payload in got} == set(stored.items())
        assert list(dict.fromkeys(key for key, _ in got)) == list(stored)
    ran = Counter(ran_file.read_text().split())
    asked = {json.loads(payload)["visit_id"] for payload in stored.values() if json.loads(payload)["lists"]}
    assert max(ran.values()) == 1
    assert {letter.error for letter in dead} <= {outbox.INTERRUPTED}
    assert asked == set(ran) | {letter.visit_id for letter in dead}
    assert len(dead) <= KILLS
    print(f"{len(stored)} events, {len(hook.got)} posts, {len(ran)} commands, {len(dead)} put aside")
