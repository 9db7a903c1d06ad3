"""The main loop of `anpr-stream serve`: starts, watches, reloads and ends cameras; tells how it is."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from enum import Enum
from queue import Empty, SimpleQueue
from typing import Any, Protocol

from anpr_stream import __version__
from anpr_stream.config.schema import Camera, Settings
from anpr_stream.errors import AnprError, StoreError
from anpr_stream.interfaces import Clock
from anpr_stream.metrics import CAMERA_UP, LATENCY_P95_S, LATENCY_S
from anpr_stream.outputs.schema import utc_text
from anpr_stream.pipeline.camera import CameraStatus
from anpr_stream.service.depot import Depot
from anpr_stream.service.health import STUCK_AFTER_S, faults, forsaken, stuck_cameras, summary
from anpr_stream.service.latency import RecentQuantile
from anpr_stream.service.notify import Notifier
from anpr_stream.service.reload import Plan, plan
from anpr_stream.service.report import camera_report, outputs_report, queues_report
from anpr_stream.types import SourceState

LOG = logging.getLogger(__name__)
TICK_S = 1.0
SHARE_FOR_CAMERAS = 0.6
"""Part of the time to stop that cameras get; the rest is for events on their way."""


class Cameras(Protocol):
    """What the daemon needs of `pipeline.supervisor.Pipeline`."""

    def start(self, name: str, camera: Camera) -> None:
        """Begin to run a camera."""

    def stop(self, name: str) -> None:
        """End a camera, send its last events and forget it."""

    def stop_all(self) -> None:
        """Let all cameras end soon; does not wait."""

    def wait(self, limit_s: float | None = None) -> bool:
        """Wait for the end of all cameras; tell whether they ended."""

    def statuses(self) -> dict[str, CameraStatus]:
        """Return the state of each camera by name."""


class Leases(Protocol):
    """What the daemon needs of `LeaseHolder`."""

    @property
    def holder(self) -> str:
        """Name of this worker."""

    @property
    def error(self) -> str:
        """Why leases cannot be renewed, empty while they can."""

    def held(self) -> frozenset[str]:
        """Return the cameras that are ours now."""


class Order(Enum):
    """What a signal asks for."""

    RELOAD = "reload"
    STOP = "stop"


class Daemon:
    """Runs the cameras of a configuration until it is told to stop."""

    def __init__(
        self,
        settings: Settings,
        cameras: Cameras,
        depot: Depot,
        load: Callable[[], Settings],
        clock: Clock,
        notifier: Notifier | None = None,
        leases: Leases | None = None,
        networks: Mapping[str, str] | None = None,
    ) -> None:
        """Start nothing yet.

        Args:
            settings: the configuration to begin with.
            cameras: runs them.
            depot: everything behind them.
            load: reads the configuration again.
            clock: the machine's.
            notifier: to systemd.
            leases: where several workers share the cameras.
            networks: engine of each network, and why.
        """
        self._began_with = settings
        self._settings = settings
        self._cameras = cameras
        self._depot = depot
        self._load = load
        self._clock = clock
        self._notifier = notifier or Notifier({})
        self._leases = leases
        self._networks = dict(networks or {})
        self._running: dict[str, Camera] = {}
        self._latency = RecentQuantile(LATENCY_S)
        self._p95_s: dict[str, float] = {}
        self._depths: Mapping[str, Mapping[str, int]] = {}
        self._read_error = ""
        self._began_utc_s = clock.utc_s()
        self._looked_s = clock.monotonic_s()
        self._reload_error = ""
        self._needs_restart: tuple[str, ...] = ()
        self._is_ready = False

    def run(self, orders: SimpleQueue[Order]) -> None:
        """Start the cameras and watch them until `Order.STOP` comes, then end within the set time."""
        self._follow_leases()
        self._read_depths()
        self._is_ready = True
        self._notifier.send("READY=1", f"STATUS={self._line()}")
        LOG.info("ready: %s", self._line())
        while (order := _next(orders)) is not Order.STOP:
            if order is Order.RELOAD:
                self._reload()
            self._tick()
        self._stop()

    def faults(self) -> list[str]:
        """Return what is not well in the process: cameras stuck for no known reason, or what watches them."""
        now_s = self._clock.monotonic_s()
        watch = ["watchdog"] if now_s - self._looked_s > STUCK_AFTER_S else []
        return watch + stuck_cameras(self._cameras.statuses(), now_s)

    def is_ready(self) -> bool:
        """Return whether cameras are started and events can be stored."""
        return self._is_ready and not self._depot.writer.fault

    def camera_names(self) -> list[str]:
        """Return the cameras that this worker would run."""
        return list(self._settings.cameras)

    def status(self) -> dict[str, Any]:
        """Return the state of everything as JSON values; may be called from any thread."""
        statuses = self._cameras.statuses()
        return {
            "version": __version__,
            "pid": os.getpid(),
            "began": utc_text(self._began_utc_s),
            "summary": self._line(),
            "ready": self.is_ready(),
            "faults": self._faults(),
            "cameras": {
                name: camera_report(status, self._p95_s.get(name)) for name, status in statuses.items()
            },
            "networks": self._networks,
            "queues": queues_report(),
            "outputs": outputs_report(self._depot.lanes(), self._depths),
            "lists": self._depot.list_sizes(),
            "store": {
                "folder": str(self._depot.folder),
                "fault": self._depot.writer.fault,
                "stores_pictures": self._depot.has_space,
            },
            "reload_error": self._reload_error,
            "needs_restart": list(self._needs_restart),
            "lease_holder": self._leases.holder if self._leases else None,
        }

    def _tick(self) -> None:
        """Look after everything once a second."""
        self._follow_leases()
        self._depot.refresh_lists()
        statuses = self._cameras.statuses()
        self._depot.publish_camera_states(
            {name: status.source.state.value for name, status in statuses.items()}
        )
        for name, status in statuses.items():
            CAMERA_UP.labels(name).set(status.source.state is SourceState.RUNNING)
        self._tell_latency()
        self._read_depths()
        states = [f"STATUS={self._line()}"]
        if not stuck_cameras(statuses, self._clock.monotonic_s()):
            states.append("WATCHDOG=1")
        self._notifier.send(*states)
        self._looked_s = self._clock.monotonic_s()

    def _tell_latency(self) -> None:
        """Tell how late the events of the last minutes were; a camera without events has no number."""
        before, self._p95_s = self._p95_s, self._latency.update(self._clock.monotonic_s())
        for name, seconds in self._p95_s.items():
            LATENCY_P95_S.labels(name).set(seconds)
        for name in before.keys() - self._p95_s.keys():
            LATENCY_P95_S.remove(name)

    def _read_depths(self) -> None:
        """Count what waits for receivers; where the store cannot be read the last count stands."""
        try:
            self._depths = self._depot.depths()
            self._read_error = ""
        except StoreError as error:
            if not self._read_error:
                LOG.error("the outbox cannot be counted: %s", error.message)
            self._read_error = error.message

    def _faults(self) -> list[str]:
        lanes = {name: status.error for name, status in self._depot.lanes().items()}
        space = "" if self._depot.has_space else "short of disk space, no pictures are stored"
        store = self._depot.writer.fault or self._read_error or space
        dead = {name: states.get("dead", 0) for name, states in self._depths.items()}
        found = list(faults(self._cameras.statuses(), lanes, dead, store, self._clock.monotonic_s()))
        found += forsaken(lanes, self._depths)
        if self._leases is not None and self._leases.error:
            found.insert(0, self._leases.error)
        found += self._depot.file_errors()
        if self._depot.doubt:
            found.append(f"retention: {self._depot.doubt}")
        found += self._depot.list_faults()
        if self._reload_error:
            found.append(f"settings not changed: {self._reload_error.splitlines()[0]}")
        return found

    def _line(self) -> str:
        return summary(self._cameras.statuses(), self._faults())

    def _follow_leases(self) -> None:
        """Start and stop cameras so that those run which are configured and ours."""
        ours = self._settings.cameras.keys()
        held = ours if self._leases is None else self._leases.held() & ours
        for name in list(self._running):
            if name not in held:
                LOG.warning("%s: stopped", name)
                self._stop_camera(name)
        for name, camera in self._settings.cameras.items():
            if name in held and name not in self._running:
                self._cameras.start(name, camera)
                self._running[name] = camera

    def _stop_camera(self, name: str) -> None:
        self._cameras.stop(name)
        del self._running[name]
        with suppress(KeyError):
            CAMERA_UP.remove(name)

    def _reload(self) -> None:
        """Apply the changed file, or keep all as it was and say why."""
        self._notifier.send("RELOADING=1")
        try:
            new = self._load()
            self._depot.check(new)
            changes = plan(self._settings, new)
            if changes.is_delivery_changed:
                self._depot.apply(new)
        except AnprError as error:
            self._reload_error = error.message
            LOG.error("settings not changed:\n%s", error.message)
        else:
            self._reload_error = ""
            LOG.info("settings changed: %s", changes)
            self._change_cameras(new, changes)
        self._notifier.send("READY=1")

    def _change_cameras(self, new: Settings, changes: Plan) -> None:
        self._needs_restart = plan(self._began_with, new).needs_restart
        self._settings = new
        self._depot.publish_cameras(tuple(new.cameras))
        for name in changes.restarted:
            if name in self._running:
                self._stop_camera(name)
        self._follow_leases()

    def _stop(self) -> None:
        """End cameras with their running visits, then everything behind them."""
        self._notifier.send("STOPPING=1")
        LOG.info("stopping")
        within_s = self._settings.service.stop_within_s
        limit_s = self._clock.monotonic_s() + within_s
        self._cameras.stop_all()
        if not self._cameras.wait(within_s * SHARE_FOR_CAMERAS):
            LOG.error("some cameras did not end in time; their running visits may be cut off")
        self._depot.close(max(0.5, limit_s - self._clock.monotonic_s()))


def _next(orders: SimpleQueue[Order]) -> Order | None:
    try:
        return orders.get(timeout=TICK_S)
    except Empty:
        return None
