from __future__ import annotations

import json
import os
import select
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from anpr_stream.config.load import parse_settings
from anpr_stream.config.schema import Settings
from anpr_stream.errors import ConfigError, StoreError
from anpr_stream.interfaces import ListMatcher
from anpr_stream.metrics import OUTBOX_DEPTH
from anpr_stream.service.depot import Depot
from anpr_stream.sources.clock import SystemClock
from anpr_stream.store import ledger, outbox
from anpr_stream.store.database import open_database, read_database
from anpr_stream.store.history import revisions
from anpr_stream.store.list_file import add_entries, make_entry
from anpr_stream.store.privacy import keyed_hash
from anpr_stream.types import EventKind, Moment
from tests.brokers import Mosquitto, free_port
from tests.outputs.events import PLATE
from tests.outputs.test_mqtt import subscribed
from tests.service.conftest import fill
from tests.service.fakes import event
from tests.store.entries import make_entry as stored_entry

Open = Callable[..., Depot]
STAFF = json.dumps({"text": "AB1", "camera": "gate", "lists": [{"list": "staff", "entry": "AB1"}]})


def settings(text: str = "") -> Settings:
    return parse_settings(text, "test", {})


def dead_end(name: str) -> str:
    return f"{{type: webhook, name: {name}, url: 'http://127.0.0.1:{free_port()}', retry_longest_s: 60}}"


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    with ExitStack() as stack:
        yield lambda text="", **more: stack.enter_context(
            Depot(settings(text), tmp_path, SystemClock(), **more)
        )


def now(**change: Any) -> Any:
    moment = Moment(1.0, SystemClock().utc_s())
    return event(first_seen=moment, last_seen=moment, **change)


def payloads(folder: Path, visit: str) -> list[dict[str, Any]]:
    with closing(read_database(folder)) as database:
        return [json.loads(text) for text in revisions(database, visit)]


def test_events_come_through_to_store_file_and_outbox(opened: Open, tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    depot = opened(f"files: [{{path: {file}}}]\noutputs: [{dead_end('hook')}]")
    depot.write(now())
    depot.close()
    assert payloads(tmp_path, "v1")[0]["text"] == "AB12CDE"
    assert json.loads(file.read_text())["visit_id"] == "v1"
    assert depot.depths()["hook"]["waiting"] == 1
    assert OUTBOX_DEPTH.labels("hook", "waiting")._value.get() == 1


def test_a_second_daemon_is_kept_away(opened: Open, tmp_path: Path) -> None:
    opened()
    with pytest.raises(StoreError, match="another anpr-stream"):
        Depot(settings(), tmp_path, SystemClock())


def test_the_store_is_free_again_after_closing_and_after_a_failed_start(tmp_path: Path) -> None:
    with Depot(settings(), tmp_path, SystemClock()):
        pass
    wrong_list = tmp_path / "wrong.csv"
    wrong_list.write_text("nonsense")
    with pytest.raises(ConfigError, match=r"wrong\.csv"):
        Depot(settings(f"lists: [{{name: a, file: {wrong_list}}}]"), tmp_path, SystemClock())
    with Depot(settings(), tmp_path, SystemClock()):
        pass


def test_a_daemon_starts_on_a_disk_that_others_filled(small_disk: Path) -> None:
    rules = settings("store: {keep: {min_free_gb: 0.001}}")
    Depot(rules, small_disk, SystemClock()).close()
    fill(small_disk)
    with Depot(rules, small_disk, SystemClock()) as depot:
        depot.write(now(visit_id="late"))
    assert payloads(small_disk, "late") != []


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="writable"):
        Depot(settings(), tmp_path / "file" / "store", SystemClock())


def test_what_a_crash_left_is_settled_at_start(opened: Open, tmp_path: Path) -> None:
    now_s = SystemClock().utc_s()
    with closing(open_database(tmp_path)) as database:
        payload = json.dumps({"visit_id": "cut", "revision": 0, "kind": "new", "camera": "gate", "lists": []})
        cut = stored_entry("cut", payload=payload, last_utc_s=now_s, lanes=("command:x",))
        ledger.accept(database, cut, now_s)
        outbox.claim(database, [1])
    depot = opened(f"outputs: [{dead_end('hook')}]")
    assert [found["kind"] for found in payloads(tmp_path, "cut")] == ["new", "final"]
    assert depot.depths() == {"command:x": {"dead": 1}, "hook": {"waiting": 1}}


def test_lists_match_and_are_picked_up(opened: Open, tmp_path: Path) -> None:
    depot = opened("lists: [{name: staff, action: allow}]")
    assert isinstance(depot, ListMatcher)
    assert depot.hits("gate", PLATE, 0.0) == ()
    add_entries(tmp_path / "lists" / "staff.csv", [make_entry({"plate": PLATE.text})])
    assert depot.refresh_lists() == []
    assert [hit.action for hit in depot.hits("gate", PLATE, 0.0)] == ["allow"]
    (tmp_path / "lists" / "staff.csv").write_text("nonsense")
    assert len(depot.refresh_lists()) == 1
    assert depot.list_sizes() == {"staff": 1}


def test_a_list_hit_runs_the_command_once_per_visit(opened: Open, tmp_path: Path) -> None:
    told = tmp_path / "told"
    os.mkfifo(told)
    command = json.dumps(["sh", "-c", f'echo "$ANPR_VISIT_ID" > {told}'])
    done = EventKind.FINAL
    with (
        open(os.open(told, os.O_RDWR)) as visits,
        opened(f"lists: [{{name: staff, command: {command}}}]") as depot,
    ):
        for revision in range(3):
            depot.write(now(visit_id="v1", revision=revision, lists=("staff",)))
        depot.write(now(visit_id="v1", revision=3, lists=("staff",), kind=done))
        depot.write(now(visit_id="v2", lists=("staff",), kind=done))
        assert [visits.readline().strip() for _ in range(2)] == ["v1", "v2"]
        depot.close()
        assert select.select([visits], [], [], 0)[0] == []
        assert depot.depths() == {}


def test_a_command_of_long_ago_does_not_run_after_an_outage(opened: Open, tmp_path: Path) -> None:
    now_s = SystemClock().utc_s()
    for visit, age_s in (("late", 90.0), ("fresh", 30.0)):
        with closing(open_database(tmp_path)) as database:
            lanes = (ledger.OnceLane("command:staff", "AB1"),)
            entry = stored_entry(visit, kind="final", once_lanes=lanes, payload=STAFF)
            ledger.accept(database, entry, now_s - age_s)
    told = tmp_path / "told"
    os.mkfifo(told)
    command = json.dumps(["sh", "-c", f'echo "$ANPR_VISIT_ID" > {told}'])
    with open(os.open(told, os.O_RDWR)) as visits:
        depot = opened(f"lists: [{{name: staff, command: {command}}}]")
        assert visits.readline().strip() == "fresh"
        depot.close()
        assert depot.depths() == {"command:staff": {"dead": 1}}


def test_a_cameras_state_reaches_the_broker_while_no_event_comes(opened: Open) -> None:
    with Mosquitto() as broker, subscribed(broker, "anpr/#") as subscriber:
        output = f"{{type: mqtt, name: m, host: 127.0.0.1, port: {broker.port}}}"
        depot = opened(f"outputs: [{output}]\ncameras: {{gate: {{url: a}}}}")
        depot.publish_camera_states({"gate": "connecting"})
        subscriber.wait_for("anpr/status", "online")
        subscriber.wait_for("anpr/gate/state", "connecting")
        depot.publish_camera_states({"gate": "running"})
        subscriber.wait_for("anpr/gate/state", "running")
        depot.publish_cameras(["yard"])
        subscriber.wait_for("anpr/gate/state", "")


def test_a_broker_forgets_a_camera_that_went_while_the_daemon_was_down(opened: Open) -> None:
    with Mosquitto() as broker, subscribed(broker, "#") as subscriber:
        outputs = f"outputs: [{{type: mqtt, name: m, host: 127.0.0.1, port: {broker.port}}}]\n"
        depot = opened(f"{outputs}cameras: {{gate: {{url: a}}, yard: {{url: b}}}}")
        depot.publish_camera_states({"gate": "running", "yard": "running"})
        subscriber.wait_for("anpr/yard/state", "running")
        depot.close()
        opened(f"{outputs}cameras: {{gate: {{url: a}}}}")
        subscriber.wait_for("anpr/yard/state", "")
        subscriber.wait_for("homeassistant/sensor/anpr_yard/plate/config", "")
        assert subscriber.wait_for("anpr/gate/state") == "running"


def test_settings_change_while_running(opened: Open, tmp_path: Path) -> None:
    first, second = dead_end("first"), dead_end("second")
    depot = opened(f"outputs: [{first}]")
    depot.write(now())
    same_lane = depot._lanes._lanes["first"][1]
    changed = settings(f"outputs: [{first}, {second}]\nlists: [{{name: staff}}]\nprivacy: {{unlisted: drop}}")
    depot.check(changed)
    depot.apply(changed)
    assert depot._lanes._lanes["first"][1] is same_lane
    assert set(depot.lanes()) == {"first", "second"}
    depot.write(now(visit_id="dropped"))
    depot.write(now(visit_id="kept", lists=("staff",)))
    depot.apply(settings(f"outputs: [{second}]"))
    depot.close()
    assert payloads(tmp_path, "dropped") == []
    assert depot.depths()["second"] == {"waiting": 1}
    assert depot.depths()["first"]["waiting"] == 2


def test_a_key_counts_for_searches_as_soon_as_the_settings_are_read_again(opened: Open) -> None:
    depot = opened()
    assert depot.hasher() is None
    depot.apply(settings("privacy: {unlisted: hash, key: 0123456789abcdef}"))
    hashed = depot.hasher()
    assert hashed is not None
    assert hashed("AB1") == keyed_hash(b"0123456789abcdef", "AB1")


def test_an_output_that_is_gone_is_gone_from_the_metrics_too(opened: Open) -> None:
    depot = opened(f"outputs: [{dead_end('leaving')}]")
    depot.write(now())
    depot.writer.submit(lambda db: None).result(60)
    depot.apply(settings())
    while "leaving" not in depot.depths():
        depot.writer.submit(lambda db: None).result(60)
    assert {"sink": "leaving", "state": "waiting"} in labels()
    depot.writer.submit(lambda db: outbox.discard_removed(db, [], None)).result(60)
    assert depot.depths() == {}
    assert all(found["sink"] != "leaving" for found in labels())


def labels() -> list[dict[str, str]]:
    return [sample.labels for metric in OUTBOX_DEPTH.collect() for sample in metric.samples]


def test_a_wrong_change_is_refused_and_changes_nothing(opened: Open, tmp_path: Path) -> None:
    depot = opened()
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "staff.csv").write_text("nonsense")
    with pytest.raises(ConfigError, match=r"staff\.csv:1"):
        depot.check(settings(f"lists: [{{name: staff}}]\noutputs: [{dead_end('hook')}]"))
    assert depot.lanes() == {}


def test_a_missing_library_is_named(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "anpr_stream.outputs.nats", None)
    with pytest.raises(ConfigError, match=r"pip install 'anpr_stream\[nats\]'"):
        opened("outputs: [{type: nats, name: n}]")


class Hung(ExitStack):
    """A web server that takes one request and answers nothing until it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self._socket = self.enter_context(socket.create_server(("127.0.0.1", 0)))
        self._socket.settimeout(60)
        url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.output = f"{{type: webhook, name: hook, url: '{url}', timeout_s: 3600}}"

    def wait(self) -> None:
        """Return when the request has come."""
        self._caller = self.enter_context(self._socket.accept()[0])
        self._caller.settimeout(60)
        assert self._caller.recv(100_000)

    def answer(self) -> None:
        self._caller.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")


def test_a_change_does_not_wait_for_a_receiver_that_hangs(opened: Open) -> None:
    with Hung() as receiver:
        depot = opened(f"outputs: [{receiver.output}]")
        depot.write(now())
        receiver.wait()
        depot.apply(settings())
        assert "anpr-lane-hook" in [thread.name for thread in threading.enumerate()]
        receiver.answer()
        depot.close(within_s=60)
    assert depot.depths() == {}


def test_closing_waits_once_and_not_long_for_a_receiver_that_hangs(opened: Open) -> None:
    with Hung() as receiver:
        depot = opened(f"outputs: [{receiver.output}]")
        depot.write(now())
        receiver.wait()
        depot.close(within_s=0.2)
        depot.close(within_s=3600)
