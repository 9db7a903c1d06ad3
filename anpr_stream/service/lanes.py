"""The lanes of all receivers: changed while running, ended together; nothing here waits for a receiver."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from anpr_stream.errors import ConfigError, reason_of
from anpr_stream.interfaces import Clock
from anpr_stream.outputs.mqtt import MqttTransport
from anpr_stream.outputs.transport import Transport
from anpr_stream.service.lane import Lane, LaneStatus
from anpr_stream.service.transports import LanePlan
from anpr_stream.service.writer import Writer
from anpr_stream.store.announced import exchange_announced


@dataclass(frozen=True)
class LaneChange:
    """The names of lanes to end, and what is needed to start the new ones."""

    ended: Set[str]
    added: list[tuple[LanePlan, Transport]]


class Lanes:
    """One lane per receiver; all but `statuses` and `wake` are called by one thread."""

    def __init__(self, writer: Writer, folder: Path, clock: Clock) -> None:
        """Start without lanes; the arguments are those of `Lane`."""
        self._writer = writer
        self._folder = folder
        self._clock = clock
        self._lanes: dict[str, tuple[LanePlan, Lane]] = {}
        self._ending: dict[str, Lane] = {}
        self._mqtt: dict[str, MqttTransport] = {}
        self._camera_states: Mapping[str, str] = {}

    def prepare(self, plans: list[LanePlan]) -> LaneChange:
        """Find what differs from the lanes that run, and build what is new.

        Raises:
            ConfigError: an output cannot be built; nothing has changed.
        """
        wanted = {plan.policy.name: plan for plan in plans}
        running = {name: plan for name, (plan, _) in self._lanes.items()}
        kept = {name for name, plan in running.items() if name in wanted and wanted[name].is_as(plan)}
        with ExitStack() as unused:
            added = [(plan, _build(plan, unused)) for name, plan in wanted.items() if name not in kept]
            unused.pop_all()
        return LaneChange(running.keys() - kept, added)

    def change(self, change: LaneChange) -> None:
        """Let the lanes end that are not wanted any more and start the new ones; the others go on.

        A new lane begins when the one whose name it has took its last answer.
        """
        for name in change.ended:
            _, self._ending[name] = self._lanes.pop(name)
            self._ending[name].begin_close()
            self._mqtt.pop(name, None)
        for plan, transport in change.added:
            self._lanes[plan.policy.name] = (plan, self._start(plan, transport))

    def wake(self, names: Iterable[str]) -> None:
        """Tell lanes that there is something to send; never waits."""
        for name in names:
            if (found := self._lanes.get(name)) is not None:
                found[1].wake()

    def note_cameras(self, cameras: Sequence[str]) -> None:
        """Let MQTT brokers be told which cameras there are; never waits."""
        self.wake([name for name, transport in self._mqtt.items() if transport.note_cameras(cameras)])

    def note_states(self, states: Mapping[str, str]) -> None:
        """Let MQTT brokers be told how each camera is; never waits."""
        self._camera_states = states
        self.wake([name for name, transport in self._mqtt.items() if transport.note_states(states)])

    def statuses(self) -> dict[str, LaneStatus]:
        """Return how each receiver is, by name."""
        return {name: lane.status for name, (_, lane) in list(self._lanes.items())}

    def close(self, limit_s: float) -> None:
        """End all lanes, but wait no longer than until this time of the monotonic clock."""
        lanes = [*self._ending.values(), *(lane for _, lane in self._lanes.values())]
        for lane in lanes:
            lane.begin_close()
        for lane in lanes:
            lane.close(max(0.0, limit_s - self._clock.monotonic_s()))

    def _start(self, plan: LanePlan, transport: Transport) -> Lane:
        before = self._ending.get(plan.policy.name)
        start = partial(Lane, plan.policy, transport, self._writer, self._folder, self._clock, before)
        if not isinstance(transport, MqttTransport):
            return start()
        transport.note_states(self._camera_states)
        transport.exchange = partial(self._exchange, plan.policy.name)
        self._mqtt[plan.policy.name] = transport
        return start(tend=transport.tend)

    def _exchange(self, lane: str, cameras: Sequence[str]) -> Set[str]:
        """Note the cameras that a broker is told of; waits for the store, so called by the lane."""
        return self._writer.submit(partial(exchange_announced, lane=lane, cameras=cameras)).result()


def _build(plan: LanePlan, unused: ExitStack) -> Transport:
    """Return a lane's transport; `unused` closes it.

    Raises:
        ConfigError: it cannot be built.
    """
    try:
        return unused.enter_context(closing(plan.build()))
    except Exception as error:
        # Each library raises what it likes about an address that it does not take.
        raise ConfigError(f"output {plan.policy.name}: {reason_of(error)}", "output-settings") from error
