from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from anpr_stream.config.load import parse_settings
from anpr_stream.config.schema import Camera, Settings
from anpr_stream.errors import ConfigError
from anpr_stream.metrics import LATENCY_S, REGISTRY
from anpr_stream.pipeline.camera import CameraStatus
from anpr_stream.service import daemon as module
from anpr_stream.service.daemon import Daemon, Order
from anpr_stream.service.depot import Depot
from anpr_stream.service.health import STUCK_AFTER_S
from anpr_stream.service.latency import WINDOW_S
from anpr_stream.service.notify import Notifier
from anpr_stream.sources.clock import SystemClock
from anpr_stream.store import ledger, outbox
from anpr_stream.types import EventKind, Moment, SourceState, SourceStatus
from tests.brokers import Mosquitto
from tests.outputs.test_mqtt import subscribed
from tests.service.fakes import FakeClock, event
from tests.store.entries import make_entry

TWO = "cameras: {gate: {url: a}, yard: {url: b}}"


class FakeCameras:
    """Cameras that do as the test says; a running one sends the end of a visit when it is stopped."""

    def __init__(self, clock: FakeClock) -> None:
        self.send: Callable[[Any], None] = lambda event: None
        self.log: list[str] = []
        self.states: dict[str, SourceState] = {}
        self.progress_s: dict[str, float] = {}
        self.can_end = True
        self._clock = clock
        self._changed = threading.Condition()

    def start(self, name: str, camera: Camera) -> None:
        self._note(f"start {name} {camera.url}")
        self.states[name] = SourceState.RUNNING
        self.progress_s[name] = self._clock.monotonic_s()

    def stop(self, name: str) -> None:
        del self.states[name]
        self._end(name)
        self._note(f"stop {name}")

    def stop_all(self) -> None:
        for name in self.states:
            self._end(name)
        self._note("stop all")

    def wait(self, limit_s: float | None = None) -> bool:
        return self.can_end

    def statuses(self) -> dict[str, CameraStatus]:
        return {
            name: CameraStatus(SourceStatus(state), progress_s=self.progress_s[name])
            for name, state in self.states.items()
        }

    def wait_for(self, line: str) -> list[str]:
        with self._changed:
            assert self._changed.wait_for(lambda: line in self.log, 60), self.log
            return self.log

    def _end(self, name: str) -> None:
        moment = Moment(1.0, SystemClock().utc_s())
        last = event(f"{name}-visit", kind=EventKind.FINAL, camera=name, first_seen=moment, last_seen=moment)
        self.send(last)

    def _note(self, line: str) -> None:
        with self._changed:
            self.log.append(line)
            self._changed.notify_all()


class Systemd(Notifier):
    """Keeps what it is told; tests wait for it."""

    def __init__(self) -> None:
        super().__init__({})
        self.told: list[str] = []
        self._changed = threading.Condition()

    def send(self, *states: str) -> None:
        with self._changed:
            self.told += states
            self._changed.notify_all()

    def wait_for(self, state: str, count: int = 1) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self.told.count(state) >= count, 60), self.told


class Leases:
    holder = "me"
    error = ""

    def __init__(self, *cameras: str) -> None:
        self.cameras = frozenset(cameras)

    def held(self) -> frozenset[str]:
        return self.cameras


class Running:
    """A daemon that runs in a thread."""

    def __init__(self, folder: Path, text: str, leases: Leases | None = None) -> None:
        self.clock = FakeClock()
        self.cameras = FakeCameras(self.clock)
        self.systemd = Systemd()
        self.text = text
        self.depot = Depot(self.load(), folder, SystemClock())
        self.cameras.send = self.depot.write
        self.daemon = Daemon(
            self.load(),
            self.cameras,
            self.depot,
            self.load,
            self.clock,
            self.systemd,
            leases,
            {"net": "fast"},
        )
        self.orders: SimpleQueue[Order] = SimpleQueue()
        self.thread = threading.Thread(target=self.daemon.run, args=(self.orders,))
        self.thread.start()
        self.systemd.wait_for("READY=1")

    def load(self) -> Settings:
        return parse_settings(self.text, "config", {})

    def reload(self, text: str) -> None:
        ready = self.systemd.told.count("READY=1")
        self.text = text
        self.orders.put(Order.RELOAD)
        self.systemd.wait_for("READY=1", ready + 1)

    def stop(self) -> None:
        self.orders.put(Order.STOP)
        self.thread.join(60)
        assert not self.thread.is_alive()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TICK_S", 0.01)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    with ExitStack() as stack:

        def begin(text: str = TWO, leases: Leases | None = None) -> Running:
            running = Running(tmp_path, text, leases)
            stack.callback(running.stop)
            return running

        yield begin


Start = Callable[..., Running]


def test_cameras_run_from_start_to_stop_and_running_visits_are_kept(start: Start, tmp_path: Path) -> None:
    running = start()
    assert running.cameras.log == ["start gate a", "start yard b"]
    running.stop()
    assert running.cameras.log[-1] == "stop all"
    assert "STOPPING=1" in running.systemd.told
    with Depot(running.load(), tmp_path, SystemClock()) as again:
        count = again.writer.submit(lambda db: db.execute("SELECT count(*) FROM visits").fetchone()[0])
        assert count.result(60) == 2


def test_a_camera_that_does_not_end_does_not_keep_the_daemon(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    running = start()
    running.cameras.can_end = False
    running.stop()
    assert "did not end in time" in caplog.text


def test_systemd_hears_that_all_is_well(start: Start) -> None:
    running = start()
    running.systemd.wait_for("WATCHDOG=1", 3)
    assert "STATUS=2 of 2 cameras running" in running.systemd.told


def test_the_watchdog_is_not_fed_while_a_camera_is_stuck(start: Start) -> None:
    running = start()
    running.cameras.progress_s["yard"] = running.clock.now_s - STUCK_AFTER_S - 1
    line = f"STATUS=2 of 2 cameras running; yard: no frame for {STUCK_AFTER_S + 1:.0f} s and no reason why"
    running.systemd.wait_for(line)
    running.systemd.told.clear()
    running.systemd.wait_for(line, 3)
    assert "WATCHDOG=1" not in running.systemd.told
    assert running.daemon.faults() == ["yard"]
    running.cameras.states["yard"] = SourceState.WAITING
    running.systemd.wait_for("WATCHDOG=1")


def test_a_daemon_that_looks_after_nothing_any_more_is_not_well(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin, go_on = threading.Event(), threading.Event()
    running = start()
    monkeypatch.setattr(running.depot, "refresh_lists", lambda: (begin.set(), go_on.wait(60)))
    assert begin.wait(60)
    assert running.daemon.faults() == []
    running.cameras.states = dict.fromkeys(running.cameras.states, SourceState.WAITING)
    running.clock.now_s += STUCK_AFTER_S + 1
    assert running.daemon.faults() == ["watchdog"]
    go_on.set()
    running.systemd.wait_for("WATCHDOG=1", running.systemd.told.count("WATCHDOG=1") + 2)
    assert running.daemon.faults() == []


def test_a_camera_without_events_for_minutes_has_no_latency(start: Start) -> None:
    def told() -> float | None:
        return REGISTRY.get_sample_value("anpr_event_latency_p95_seconds", {"camera": "late"})

    running = start()
    LATENCY_S.labels("late").observe(0.25)
    running.systemd.wait_for("WATCHDOG=1", running.systemd.told.count("WATCHDOG=1") + 2)
    assert told() is not None
    running.cameras.states = dict.fromkeys(running.cameras.states, SourceState.WAITING)
    running.clock.now_s += 2 * WINDOW_S
    running.systemd.wait_for("WATCHDOG=1", running.systemd.told.count("WATCHDOG=1") + 2)
    assert told() is None


def test_a_reload_touches_only_what_changed(start: Start) -> None:
    running = start()
    running.reload("cameras: {gate: {url: a}, exit: {url: c}}")
    assert running.cameras.log[2:] == ["stop yard", "start exit c"]
    running.reload("cameras: {gate: {url: z}, exit: {url: c}}")
    assert running.cameras.log[4:] == ["stop gate", "start gate z"]


def test_a_wrong_file_is_refused_whole_and_told(start: Start) -> None:
    running = start()
    running.reload("cameras: {gate: {url: z}, exit: {url: c}}\ncolour: red")
    assert running.cameras.log == ["start gate a", "start yard b"]
    status = running.daemon.status()
    assert "colour" in status["reload_error"]
    assert status["faults"][0].startswith("settings not changed: config:2")
    running.reload(TWO)
    assert running.daemon.status()["reload_error"] == ""


def test_a_file_whose_lists_are_wrong_is_refused_too(start: Start, tmp_path: Path) -> None:
    running = start()
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "staff.csv").write_text("nonsense")
    running.reload("cameras: {gate: {url: z}}\nlists: [{name: staff}]")
    assert running.cameras.log == ["start gate a", "start yard b"]
    assert "staff.csv" in running.daemon.status()["reload_error"]


def test_a_list_that_went_wrong_is_told_until_it_is_right(start: Start, tmp_path: Path) -> None:
    running = start(f"{TWO}\nlists: [{{name: staff}}]")
    path = tmp_path / "lists" / "staff.csv"
    path.parent.mkdir()
    path.write_text("plate,expires\nAB1,31.12.2027\nAB2,soon\n")
    fault = f"list not changed: {path}:2: expires: expected a date like 2027-12-31, not '31.12.2027'"
    line = f"STATUS=2 of 2 cameras running; {fault}"
    running.systemd.wait_for(line, 3)
    assert running.daemon.status()["faults"] == [fault]
    path.write_text("plate,expires\nAB1,2027-12-31\n")
    running.systemd.told.clear()
    running.systemd.wait_for("STATUS=2 of 2 cameras running", 2)
    assert running.daemon.status()["lists"] == {"staff": 1}


def test_a_named_list_whose_file_is_missing_is_told_until_it_is_there(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "stolen.csv"
    running = start(f"{TWO}\nlists: [{{name: stolen, file: {path}}}, {{name: staff}}]")
    fault = f"list stolen is empty: {path} does not exist"
    running.systemd.wait_for(f"STATUS=2 of 2 cameras running; {fault}", 3)
    path.write_text("plate\nAB1\n")
    running.systemd.told.clear()
    running.systemd.wait_for("STATUS=2 of 2 cameras running", 2)
    assert running.daemon.status()["faults"] == []


def test_a_file_with_an_output_that_cannot_be_built_is_refused_too(start: Start) -> None:
    hook = "{type: webhook, name: hook, url: 'http://127.0.0.1:9'}"
    running = start(f"{TWO}\noutputs: [{hook}]")
    url = "redis://127.0.0.1:9/0?socket_timeout=soon"
    running.reload(f"cameras: {{gate: {{url: z}}}}\noutputs: [{{type: redis, name: r, url: '{url}'}}]")
    assert running.cameras.log == ["start gate a", "start yard b"]
    status = running.daemon.status()
    assert list(status["outputs"]) == ["hook"]
    assert status["reload_error"].startswith("output r: Invalid value for 'socket_timeout'")


def test_outputs_change_while_running(start: Start) -> None:
    running = start()
    running.reload(TWO + "\noutputs: [{type: webhook, name: hook, url: 'http://127.0.0.1:9'}]")
    assert list(running.daemon.status()["outputs"]) == ["hook"]
    assert len(running.cameras.log) == 2


def test_a_broker_hears_which_cameras_a_reload_took_and_brought(start: Start) -> None:
    with Mosquitto() as broker, subscribed(broker, "anpr/#") as subscriber:
        output = f"outputs: [{{type: mqtt, name: m, host: 127.0.0.1, port: {broker.port}}}]"
        running = start(f"{TWO}\n{output}")
        running.depot.write(event())
        subscriber.wait_for("anpr/gate/state", "running")
        running.reload(f"cameras: {{exit: {{url: c}}, yard: {{url: b}}}}\n{output}")
        subscriber.wait_for("anpr/gate/state", "")
        subscriber.wait_for("anpr/exit/state", "running")
        with subscribed(broker, "homeassistant/#") as discovery:
            discovery.wait_for("homeassistant/sensor/anpr_exit/plate/config")
        running.stop()


def test_events_that_were_put_aside_are_told(start: Start) -> None:
    running = start()
    entry = make_entry(lanes=("old",), kind="final")
    running.depot.writer.submit(lambda db: ledger.accept(db, entry, 1.0)).result(60)
    running.depot.writer.submit(lambda db: outbox.refused(db, 1, "no", is_dead=True)).result(60)
    line = "2 of 2 cameras running; output old: 1 events put aside, see 'anpr-stream outbox list'"
    running.systemd.wait_for(f"STATUS={line}")
    assert running.daemon.status()["outputs"]["old"]["dead"] == 1


def test_events_that_wait_for_an_output_that_is_gone_are_told(start: Start) -> None:
    running = start()
    entry = make_entry(lanes=("old",), kind="final")
    running.depot.writer.submit(lambda db: ledger.accept(db, entry, 1.0)).result(60)
    line = "2 of 2 cameras running; output old: 1 events wait, but it is not in the settings any more"
    running.systemd.wait_for(f"STATUS={line}, see 'anpr-stream outbox discard --removed'")
    running.systemd.told.clear()
    running.depot.writer.submit(lambda db: outbox.discard_removed(db, [], None)).result(60)
    running.systemd.wait_for("STATUS=2 of 2 cameras running")


def test_a_store_that_cannot_be_read_for_a_while_does_not_end_the_daemon(
    start: Start, tmp_path: Path
) -> None:
    running = start()
    store, aside = tmp_path / "anpr-stream.sqlite", tmp_path / "aside"
    store.rename(aside)
    line = f"2 of 2 cameras running; store: {store}: no such store; name its folder"
    running.systemd.wait_for(f"STATUS={line}, or run 'anpr-stream serve' first")
    running.systemd.told.clear()
    aside.rename(store)
    running.systemd.wait_for("STATUS=2 of 2 cameras running")


def test_an_event_file_that_takes_nothing_is_told(start: Start) -> None:
    running = start(f"{TWO}\nfiles: [{{path: /dev/full}}]")
    running.depot.write(event())
    running.systemd.wait_for(
        "STATUS=2 of 2 cameras running; /dev/full: cannot write events: No space left on device"
    )


def test_what_needs_a_restart_is_told_until_then(start: Start) -> None:
    running = start()
    running.reload(TWO + "\nservice: {http: {port: 99}}")
    running.reload(TWO + "\nservice: {http: {port: 99}}")
    assert running.daemon.status()["needs_restart"] == ["service"]
    running.reload(TWO)
    assert running.daemon.status()["needs_restart"] == []


def test_only_cameras_whose_lease_is_ours_run(start: Start) -> None:
    leases = Leases("yard", "somewhere else")
    running = start(leases=leases)
    assert running.cameras.log == ["start yard b"]
    leases.cameras = frozenset(["gate"])
    assert running.cameras.wait_for("start gate a")[1:] == ["stop yard", "start gate a"]
    leases.error = "leases: database is away"
    assert running.daemon.status()["faults"][0] == "leases: database is away"


def test_a_clock_that_jumped_is_told(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    running = start()
    entry = make_entry(kind="final", last_utc_s=SystemClock().utc_s())
    running.depot.writer.submit(lambda db: ledger.accept(db, entry, 1.0)).result(60)
    later_s = SystemClock().utc_s() + 1e9
    monkeypatch.setattr(SystemClock, "utc_s", lambda self: later_s)
    running.depot.reap()
    (fault,) = running.daemon.status()["faults"]
    assert fault.startswith("retention: the clock is 11574 days on")


def test_the_status_tells_everything(start: Start) -> None:
    status = start().daemon.status()
    assert status["ready"]
    assert status["summary"] == "2 of 2 cameras running"
    assert status["networks"] == {"net": "fast"}
    assert status["cameras"]["gate"]["state"] == "running"
    assert status["store"]["stores_pictures"]


def test_a_file_without_cameras_is_refused_at_start(tmp_path: Path) -> None:
    from anpr_stream.service.serve import serve

    config = tmp_path / "config.yaml"
    config.write_text("store: {snapshots: false}")
    with pytest.raises(ConfigError, match="there are none"):
        serve(config)
