"""From settings to lanes: which receivers there are and how to reach them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from anpr_stream.config.delivery import (
    MqttOutput,
    NatsOutput,
    Output,
    PlateList,
    Remote,
    WebhookOutput,
    WebhookTarget,
)
from anpr_stream.config.schema import Settings
from anpr_stream.interfaces import Clock
from anpr_stream.outputs.command import CommandTransport
from anpr_stream.outputs.mqtt import MqttTransport
from anpr_stream.outputs.transport import Transport
from anpr_stream.outputs.webhook import WebhookTransport
from anpr_stream.service.extras import load_with_extra
from anpr_stream.service.lane import LanePolicy

_OPTIONAL = {"redis": "RedisTransport", "nats": "NatsTransport", "postgres": "PostgresTransport"}
"""Kinds of output whose library is an extra of the same name, and the class in their module."""


@dataclass(frozen=True)
class LanePlan:
    """A lane that the settings ask for; `wish` is what tells it from others."""

    policy: LanePolicy
    wish: tuple[object, ...]
    build: Callable[[], Transport]

    def is_as(self, other: LanePlan) -> bool:
        """Return whether another plan asks for the same lane."""
        return (self.policy, self.wish) == (other.policy, other.wish)


def lane_plans(settings: Settings, clock: Clock) -> list[LanePlan]:
    """Return the lanes of a configuration, outputs first.

    Raises:
        ConfigError: an output's library is not installed.
    """
    plans = [_output_plan(output, tuple(settings.cameras), clock) for output in settings.outputs]
    return plans + [plan for plate_list in settings.lists for plan in _list_plans(plate_list, clock)]


def _output_plan(output: Output, cameras: tuple[str, ...], clock: Clock) -> LanePlan:
    if isinstance(output, WebhookOutput):
        return LanePlan(_policy(output), (output,), lambda: WebhookTransport(output, output.timeout_s, clock))
    if isinstance(output, MqttOutput):
        return LanePlan(_policy(output), (output,), lambda: MqttTransport(output, cameras))
    module = load_with_extra(f"anpr_stream.outputs.{output.type}", output.type, f"output {output.name}")
    make: Callable[[Output], Transport] = getattr(module, _OPTIONAL[output.type])
    return LanePlan(_policy(output), (output,), lambda: make(output))


def _list_plans(plate_list: PlateList, clock: Clock) -> Iterator[LanePlan]:
    name, timeout_s = plate_list.name, plate_list.command_timeout_s
    if plate_list.command:
        command: Sequence[str] = plate_list.command
        yield LanePlan(
            LanePolicy(
                f"command:{name}",
                retry_longest_s=5.0,
                at_most_once=True,
                max_age_s=plate_list.command_max_age_s,
            ),
            (command, timeout_s),
            lambda: CommandTransport(command, name, timeout_s),
        )
    if plate_list.webhook is not None:
        target: WebhookTarget = plate_list.webhook
        yield LanePlan(
            LanePolicy(f"webhook:{name}", singly=True),
            (target, timeout_s),
            lambda: WebhookTransport(target, timeout_s, clock),
        )


def _policy(output: Remote) -> LanePolicy:
    return LanePolicy(
        output.name,
        output.batch,
        output.retry_first_s,
        output.retry_longest_s,
        output.tries,
        singly=isinstance(output, WebhookOutput | NatsOutput),
    )
