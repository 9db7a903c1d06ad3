"""Events over MQTT 5: QoS 1, last will, each camera's state, Home Assistant's discovery."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Callable, Mapping, Sequence, Set
from contextlib import suppress
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from anpr_stream.config.delivery import MqttOutput, reveal
from anpr_stream.config.tls import tls_context
from anpr_stream.outputs.transport import DELIVERED, WANTS_CERTIFICATE, Message, Result, away, token

QOS = 1
QUOTA_EXCEEDED = 0x80
"""MQTT 5 reason codes from here on are failures."""


class MqttTransport:
    """One broker (a `Transport`); only what begins with `note_` may be called from another thread."""

    def __init__(self, settings: MqttOutput, cameras: Sequence[str]) -> None:
        self._settings = settings
        self._cameras = tuple(cameras)
        self._gone: Set[str] = frozenset()
        self._are_cameras_told = False
        self._states: Mapping[str, str] = {}
        self._told: Mapping[str, str] = {}
        self._client: _Connection | None = None
        self.exchange: Callable[[Sequence[str]], Set[str]] = lambda cameras: frozenset()
        """Writes down the cameras that the broker is told of; returns those of last time."""

    def send(self, messages: Sequence[Message]) -> list[Result]:
        """Publish all messages, then wait for the broker's acknowledgements in order."""
        try:
            client = self._connected()
            self.publish_changes()
            sent = [client.publish(self._topic(message), message.payload) for message in messages]
            return [self._result(client, number) for number in sent]
        except (OSError, ValueError, RuntimeError) as error:
            self._drop()
            return [away(error)]

    def tend(self) -> str:
        """Connect where that is lost and publish what changed, also while no event comes.

        Returns:
            Why the broker cannot be reached, empty where it can.
        """
        try:
            self._connected()
            self.publish_changes()
        except (OSError, ValueError, RuntimeError) as error:
            self._drop()
            return away(error).error
        return ""

    def note_cameras(self, cameras: Sequence[str]) -> bool:
        """Keep the cameras' names for `publish_changes`; tell whether they changed. Never waits."""
        if tuple(cameras) == self._cameras:
            return False
        self._gone = (self._gone | set(self._cameras)) - set(cameras)
        self._cameras = tuple(cameras)
        self._are_cameras_told = False
        return True

    def note_states(self, states: Mapping[str, str]) -> bool:
        """Keep each camera's state for `publish_changes`; tell whether one changed. Never waits."""
        is_changed = self._states != states
        self._states = dict(states)
        return is_changed

    def publish_changes(self) -> None:
        """Where connected, publish what changed of cameras and states (retained); all on a new connection."""
        if self._client is None:
            return
        if not self._are_cameras_told:
            self._are_cameras_told = True
            self._publish_cameras(self._client)
        states = {name: state for name, state in self._states.items() if name in self._cameras}
        for name, state in states.items():
            if self._told.get(name) != state:
                self._client.announce(self._state_topic(name), state)
        self._told = states

    def close(self) -> None:
        """Say goodbye and disconnect; may be called twice."""
        client, self._client = self._client, None
        if client is not None:
            client.leave(f"{self._settings.topic}/status")

    def _connected(self) -> _Connection:
        if self._client is None or not self._client.is_alive():
            self._drop()
            self._client = _Connection(self._settings)
            self._told, self._are_cameras_told = {}, False
            self._client.announce(f"{self._settings.topic}/status", "online")
        return self._client

    def _publish_cameras(self, client: _Connection) -> None:
        """Publish discovery, and take back what the broker keeps of cameras that went."""
        gone = (self._gone | self.exchange(self._cameras)) - set(self._cameras)
        self._gone = frozenset()
        for camera in gone:
            for topic in (self._state_topic(camera), *self._discovery(camera)):
                client.announce(topic, "")
        for camera in self._cameras:
            for topic, document in self._discovery(camera).items():
                client.announce(topic, json.dumps(document))

    def _drop(self) -> None:
        """Forget the connection with what it holds: it must not send old messages out of order later."""
        client, self._client = self._client, None
        if client is not None:
            client.stop()

    def _result(self, client: _Connection, number: int) -> Result:
        code = client.acknowledged(number, self._settings.timeout_s)
        # Rights and quotas are the broker's, not the message's: others after it would fare no better.
        return DELIVERED if code < QUOTA_EXCEEDED else away(f"broker answers 0x{code:02x}")

    def _topic(self, message: Message) -> str:
        return f"{self._settings.topic}/{token(message.document()['camera'])}/event"

    def _state_topic(self, camera: str) -> str:
        return f"{self._settings.topic}/{token(camera)}/state"

    def _discovery(self, camera: str) -> dict[str, dict[str, Any]]:
        """Return Home Assistant's configuration messages by topic."""
        prefix, base, level = self._settings.discovery_prefix, self._settings.topic, token(camera)
        if not prefix:
            return {}
        # Home Assistant passes over topics whose names hold anything else.
        unique = re.sub(r"[^A-Za-z0-9_-]", "_", f"{base}_{level}")
        shared = {
            "availability_topic": f"{base}/status",
            "device": {"identifiers": [unique], "name": f"Number plates {camera}"},
        }
        plate = {
            **shared,
            "name": "Last plate",
            "unique_id": f"{unique}_plate",
            "state_topic": f"{base}/{level}/event",
            "value_template": "{{ value_json.text or '' }}",
            "json_attributes_topic": f"{base}/{level}/event",
            "icon": "mdi:car",
        }
        connectivity = {
            **shared,
            "name": "Camera",
            "unique_id": f"{unique}_camera",
            "state_topic": f"{base}/{level}/state",
            "payload_on": "running",
            "value_template": "{{ 'running' if value == 'running' else 'OFF' }}",
            "payload_off": "OFF",
            "device_class": "connectivity",
        }
        return {
            f"{prefix}/sensor/{unique}/plate/config": plate,
            f"{prefix}/binary_sensor/{unique}/camera/config": connectivity,
        }


class _Connection:
    """A connection that is made once and never by itself again."""

    def __init__(self, settings: MqttOutput) -> None:
        self._acknowledged: dict[int, int] = {}
        self._unasked: set[int] = set()
        self._changed = threading.Condition()
        self._is_connected = False
        self._fault = ""
        client_id = settings.client_id or f"anpr-{socket.gethostname()}-{settings.name}"
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id, protocol=mqtt.MQTTv5, reconnect_on_failure=False
        )
        self._client.max_inflight_messages_set(1000)
        self._client.connect_timeout = settings.timeout_s
        self._client.will_set(f"{settings.topic}/status", "offline", QOS, retain=True)
        if settings.username is not None:
            self._client.username_pw_set(settings.username, reveal(settings.password))
        if settings.tls is not None:
            self._client.tls_set_context(tls_context(settings.tls))
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_publish = self._on_publish
        port = settings.port or (1883 if settings.tls is None else 8883)
        self._open(settings.host, port, settings.timeout_s)

    def publish(self, topic: str, payload: str) -> int:
        """Hand a message to the connection; return its number, for `acknowledged`."""
        return self._client.publish(topic, payload, QOS).mid

    def announce(self, topic: str, payload: str) -> None:
        """Hand a retained message to the connection that nobody waits for."""
        number = self._client.publish(topic, payload, QOS, retain=True).mid
        with self._changed:
            # Numbers come again: what is kept here would count as the answer to a later message.
            if self._acknowledged.pop(number, None) is None:
                self._unasked.add(number)

    def acknowledged(self, number: int, timeout_s: float) -> int:
        """Wait for the broker's acknowledgement of a message; return its reason code.

        Raises:
            OSError: the connection was lost first, or nothing came in time.
        """
        with self._changed:
            self._changed.wait_for(lambda: number in self._acknowledged or not self._is_connected, timeout_s)
            if number not in self._acknowledged:
                raise OSError(self._fault or f"no acknowledgement within {timeout_s:g} s")
            return self._acknowledged.pop(number)

    def is_alive(self) -> bool:
        """Return whether the connection still stands."""
        return self._is_connected

    def leave(self, status_topic: str) -> None:
        """Say that we go, since a broker sends no will after a clean end, and disconnect."""
        with suppress(ValueError, RuntimeError):  # the connection is lost, the broker sends the will
            self._client.publish(status_topic, "offline", QOS, retain=True).wait_for_publish(2.0)
        self.stop()

    def stop(self) -> None:
        """Drop the connection with all that waits in it."""
        self._client.disconnect()
        self._client.loop_stop()
        # The client holds us by these and we hold it: its sockets would stay open until Python finds out.
        self._client.on_connect = self._client.on_disconnect = self._client.on_publish = None

    def _open(self, host: str, port: int, timeout_s: float) -> None:
        self._client.connect(host, port, keepalive=30, clean_start=True)
        self._client.loop_start()
        with self._changed:
            self._changed.wait_for(lambda: self._is_connected or self._fault, timeout_s)
        if not self._is_connected:
            self.stop()
            raise OSError(self._fault or f"no answer within {timeout_s:g} s")

    def _on_connect(
        self, client: mqtt.Client, data: Any, flags: Any, code: ReasonCode, properties: Properties | None
    ) -> None:
        with self._changed:
            self._is_connected = not code.is_failure
            self._fault = f"broker answers: {code}" if code.is_failure else ""
            self._changed.notify_all()

    def _on_disconnect(
        self, client: mqtt.Client, data: Any, flags: Any, code: ReasonCode, properties: Properties | None
    ) -> None:
        early = f"broken off before the broker answered (wrong port, or it {WANTS_CERTIFICATE})"
        with self._changed:
            lost = "connection lost" if self._is_connected else early
            self._is_connected = False
            self._fault = self._fault or f"{lost}: {code}"
            self._changed.notify_all()

    def _on_publish(
        self, client: mqtt.Client, data: Any, number: int, code: ReasonCode, properties: Properties | None
    ) -> None:
        with self._changed:
            if number in self._unasked:
                self._unasked.remove(number)
                return
            self._acknowledged[number] = code.value
            self._changed.notify_all()
