"""What goes wrong in a soak, how long, and how the daemon must show it."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tools.soak.house import House

Status = dict[str, Any]


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong and is mended again.

    Attributes:
        name: what it is.
        what: on what.
        length_s: how long it lasts.
        begin: makes it go wrong.
        end: mends it.
        is_seen: whether the daemon's status shows it; None where it must not show anything.
    """

    name: str
    what: str
    length_s: float
    begin: Callable[[], None]
    end: Callable[[], None]
    is_seen: Callable[[Status], bool] | None


def faults(house: House, chance: random.Random, with_kills: bool) -> Iterator[Fault]:
    """Yield faults for ever: each kind once in an order by chance, then again."""
    kinds = [_dead_camera, _hung_camera, _broker, _broker, _webhook, _full_disk, _clock, _reload]
    if with_kills:
        kinds.append(_kill)
    while True:
        chance.shuffle(kinds)
        for kind in kinds:
            yield kind(house, chance)


def _dead_camera(house: House, chance: random.Random) -> Fault:
    name = chance.choice(house.names)
    return Fault(
        "camera dies",
        name,
        chance.uniform(10, 30),
        lambda: house.cameras.dead.add(name),
        lambda: house.cameras.dead.discard(name),
        lambda status: _state(status, name) != "running",
    )


def _hung_camera(house: House, chance: random.Random) -> Fault:
    name = chance.choice(house.names)
    return Fault(
        "camera hangs",
        name,
        chance.uniform(20, 40),
        lambda: house.cameras.hung.add(name),
        lambda: house.cameras.hung.discard(name),
        lambda status: _state(status, name) != "running",
    )


def _broker(house: House, chance: random.Random) -> Fault:
    name = chance.choice(list(house.brokers))
    broker = house.brokers[name]
    return Fault(
        "broker stops",
        name,
        chance.uniform(15, 40),
        broker.stop,
        broker.start,
        lambda status: bool(status["outputs"][name]["error"]),
    )


def _webhook(house: House, chance: random.Random) -> Fault:
    def set_broken(is_broken: bool) -> None:
        house.webhook.is_broken = is_broken

    return Fault(
        "receiver answers 503",
        "webhook",
        chance.uniform(15, 40),
        lambda: set_broken(True),
        lambda: set_broken(False),
        lambda status: "503" in status["outputs"]["webhook"]["error"],
    )


def _full_disk(house: House, chance: random.Random) -> Fault:
    return Fault(
        "disk full",
        "store",
        chance.uniform(15, 30),
        house.fill_disk,
        house.free_disk,
        lambda status: bool(status["store"]["fault"]) or not status["store"]["stores_pictures"],
    )


def _clock(house: House, chance: random.Random) -> Fault:
    return Fault(
        "clock an hour on and back",
        "daemon",
        chance.uniform(10, 20),
        lambda: house.signal(signal.SIGUSR1),
        lambda: house.signal(signal.SIGUSR2),
        None,
    )


def _reload(house: House, chance: random.Random) -> Fault:
    """A wrong settings file, then the right one again."""
    path = house.folder / "config.yaml"
    right = path.read_text()

    def write(text: str) -> None:
        path.write_text(text)
        house.signal(signal.SIGHUP)

    return Fault(
        "wrong settings, reload",
        "daemon",
        5.0,
        lambda: write(right + "colour: red\n"),
        lambda: write(right),
        lambda status: "colour" in status["reload_error"],
    )


def _kill(house: House, chance: random.Random) -> Fault:
    def kill() -> None:
        house.signal(signal.SIGKILL)
        assert house.daemon is not None
        house.daemon.wait()

    return Fault("kill -9", "daemon", 1.0, kill, house.start_daemon, lambda status: not status)


def _state(status: Status, name: str) -> str:
    return str(status.get("cameras", {}).get(name, {}).get("state", ""))
