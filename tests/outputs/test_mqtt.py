from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from anpr_stream.config.delivery import MqttOutput
from anpr_stream.config.tls import Tls
from anpr_stream.outputs.mqtt import MqttTransport
from anpr_stream.outputs.transport import Verdict
from tests.brokers import Mosquitto, free_port
from tests.certificates import make_both_certificates, make_certificate
from tests.outputs.messages import ALL_GOOD, messages, verdicts


@pytest.fixture(scope="module")
def broker() -> Iterator[Mosquitto]:
    with Mosquitto() as server:
        yield server  # type: ignore[misc]


def settings(port: int, **change: Any) -> MqttOutput:
    values = {"type": "mqtt", "name": "mqtt", "host": "127.0.0.1", "port": port, "timeout_s": 20.0}
    return MqttOutput(**{**values, **change})


@contextmanager
def transport_to(port: int, **change: Any) -> Iterator[MqttTransport]:
    transport = MqttTransport(settings(port, **change), ["gate", "yard/2"])
    yield transport
    transport.close()
    transport.close()


class Subscriber:
    """Keeps all messages below a topic; tests wait for what they expect."""

    def __init__(self, port: int, topic: str) -> None:
        self.got: list[tuple[str, str, bool]] = []
        self._changed = threading.Condition()
        self._is_subscribed = False
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2)
        self._client.on_message = self._on_message
        self._client.on_subscribe = self._on_subscribe
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        self._client.subscribe(topic, 1)
        self._wait(lambda: self._is_subscribed)

    def wait_for(self, topic: str, payload: str | None = None) -> str:
        def found() -> list[str]:
            return [text for name, text, _ in self.got if name == topic and payload in (None, text)]

        self._wait(lambda: bool(found()))
        return found()[-1]

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _wait(self, condition: Any) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, 60), self.got

    def _on_subscribe(self, *_: Any) -> None:
        with self._changed:
            self._is_subscribed = True
            self._changed.notify_all()

    def _on_message(self, client: Any, data: Any, message: mqtt.MQTTMessage) -> None:
        with self._changed:
            self.got.append((message.topic, message.payload.decode(), message.retain))
            self._changed.notify_all()


@contextmanager
def subscribed(broker: Mosquitto, topic: str) -> Iterator[Subscriber]:
    subscriber = Subscriber(broker.port, topic)
    yield subscriber
    subscriber.close()


def test_events_come_to_the_cameras_topic_in_order(broker: Mosquitto) -> None:
    with subscribed(broker, "t1/#") as subscriber, transport_to(broker.port, topic="t1") as transport:
        sent = messages(*"abcdefghij")
        assert verdicts(transport.send(sent)) == [Verdict.DELIVERED] * 10
        subscriber.wait_for("t1/gate/event", sent[-1].payload)
        got = [payload for topic, payload, _ in subscriber.got if topic == "t1/gate/event"]
    assert got == [message.payload for message in sent]


@pytest.mark.parametrize(
    ("camera", "level"), [("yard/2", "yard%2f2"), ("+", "%2b"), ("#", "%23"), ("前", "%524d")]
)
def test_a_cameras_name_stays_one_level_of_the_topic(broker: Mosquitto, camera: str, level: str) -> None:
    with subscribed(broker, "t2/#") as subscriber, transport_to(broker.port, topic="t2") as transport:
        transport.send(messages("a", camera=camera))
        assert json.loads(subscriber.wait_for(f"t2/{level}/event"))["camera"] == camera


def test_states_and_discovery_are_retained(broker: Mosquitto) -> None:
    with transport_to(broker.port, topic="t3") as transport:
        assert transport.note_states({"gate": "connecting"})
        assert not transport.note_states({"gate": "connecting"})
        transport.publish_changes()
        transport.send(messages("a"))
        transport.note_states({"gate": "running", "yard/2": "waiting"})
        transport.publish_changes()
        with subscribed(broker, "#") as subscriber:
            assert subscriber.wait_for("t3/status") == "online"
            assert subscriber.wait_for("t3/gate/state", "running")
            assert subscriber.wait_for("t3/yard%2f2/state", "waiting")
            found = json.loads(subscriber.wait_for("homeassistant/sensor/t3_gate/plate/config"))
            assert (found["state_topic"], found["unique_id"]) == ("t3/gate/event", "t3_gate_plate")
            subscriber.wait_for("homeassistant/binary_sensor/t3_yard_2f2/camera/config")
            assert all(is_retained for _, _, is_retained in subscriber.got)


def test_cameras_may_come_and_go(broker: Mosquitto) -> None:
    with (
        transport_to(broker.port, topic="t8") as transport,
        subscribed(broker, "t8/+/state") as states,
        subscribed(broker, "homeassistant/sensor/#") as sensors,
    ):
        transport.note_states({"gate": "running"})
        transport.send(messages("a"))
        sensors.wait_for("homeassistant/sensor/t8_yard_2f2/plate/config")
        assert transport.note_cameras(["gate", "exit"])
        assert not transport.note_cameras(["gate", "exit"])
        transport.publish_changes()
        sensors.wait_for("homeassistant/sensor/t8_yard_2f2/plate/config", "")
        assert json.loads(sensors.wait_for("homeassistant/sensor/t8_exit/plate/config"))
        transport.note_cameras(["exit"])
        transport.note_states({"exit": "running"})
        transport.publish_changes()
        states.wait_for("t8/exit/state", "running")
    assert [text for topic, text, _ in states.got if topic == "t8/gate/state"] == ["running", ""]


def test_discovery_can_be_left_out(broker: Mosquitto) -> None:
    with transport_to(broker.port, topic="t4", discovery_prefix=None) as transport:
        transport.send(messages("a"))
    with subscribed(broker, "homeassistant/#") as subscriber, transport_to(broker.port, topic="t5") as other:
        other.send(messages("a"))
        subscriber.wait_for("homeassistant/sensor/t5_gate/plate/config")
        assert not [topic for topic, _, _ in subscriber.got if "t4" in topic]


def test_home_assistant_knows_the_topics_of_discovery_whatever_the_events_topic(broker: Mosquitto) -> None:
    with (
        subscribed(broker, "homeassistant/#") as sensors,
        transport_to(broker.port, topic="tür.9/a") as other,
    ):
        other.send(messages("a"))
        found = json.loads(sensors.wait_for("homeassistant/sensor/t_r_9_a_gate/plate/config"))
    assert (found["state_topic"], found["unique_id"]) == ("tür.9/a/gate/event", "t_r_9_a_gate_plate")


def test_a_clean_end_says_offline(broker: Mosquitto) -> None:
    with subscribed(broker, "t6/status") as subscriber:
        with transport_to(broker.port, topic="t6") as transport:
            transport.send(messages("a"))
            subscriber.wait_for("t6/status", "online")
        subscriber.wait_for("t6/status", "offline")


VANISH = """
import sys
from anpr_stream.outputs.mqtt import MqttTransport
from tests.outputs.messages import messages
from tests.outputs.test_mqtt import settings
transport = MqttTransport(settings(int(sys.argv[1]), topic="t7"), [])
transport.send(messages("a"))
print("sent", flush=True)
sys.stdin.read()
"""


def test_the_last_will_says_offline_when_we_are_killed(broker: Mosquitto) -> None:
    with subscribed(broker, "t7/status") as subscriber:
        command = [sys.executable, "-c", VANISH, str(broker.port)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"sent\n"
            subscriber.wait_for("t7/status", "online")
            process.kill()
        subscriber.wait_for("t7/status", "offline")


def test_a_broker_that_stops_and_starts(broker: Mosquitto) -> None:
    with Mosquitto() as own, transport_to(own.port) as transport:
        assert verdicts(transport.send(messages("a", "b"))) == ALL_GOOD
        own.stop()
        assert verdicts(transport.send(messages("c"))) == [Verdict.AWAY]
        own.start()
        assert verdicts(transport.send(messages("c", "d"))) == ALL_GOOD


def test_a_broker_hears_of_cameras_while_no_event_comes() -> None:
    with Mosquitto() as own, transport_to(own.port) as transport:
        transport.note_states({"gate": "running"})
        assert transport.tend() == ""
        client = transport._client
        assert client is not None
        own.stop()
        with client._changed:
            assert client._changed.wait_for(lambda: not client.is_alive(), 60)
        assert "refused" in transport.tend()
        own.start()
        assert transport.tend() == ""
        with subscribed(own, "anpr/#") as subscriber:
            subscriber.wait_for("anpr/status", "online")
            subscriber.wait_for("anpr/gate/state", "running")


def test_an_old_acknowledgement_does_not_count_for_a_message_whose_number_comes_again() -> None:
    with Mosquitto() as own, transport_to(own.port, timeout_s=1.0, discovery_prefix=None) as transport:
        transport.note_states({"gate": "running"})
        assert verdicts(transport.send(messages("a"))) == [Verdict.DELIVERED]
        with frozen(own):
            # As after 65,535 messages on this connection.
            transport._client._client._last_mid = 0
            assert verdicts(transport.send(messages("b"))) == [Verdict.AWAY]


@contextmanager
def frozen(broker: Mosquitto) -> Iterator[None]:
    """Let a broker hang: it keeps its connections and answers nothing."""
    broker.signal(signal.SIGSTOP)
    try:
        yield
    finally:
        broker.signal(signal.SIGCONT)


def test_a_broker_that_is_not_there_is_away() -> None:
    with transport_to(free_port()) as transport:
        transport.note_states({"gate": "running"})
        (result,) = transport.send(messages("a", "b"))
    assert (result.verdict, "refused" in result.error) == (Verdict.AWAY, True)


def test_a_broker_that_hangs_keeps_nobody_waiting_who_notes_a_state() -> None:
    with socket.socket() as broker, transport_to(hung(broker), timeout_s=3.0) as transport:
        sender = threading.Thread(target=transport.send, args=(messages("a"),))
        sender.start()
        connection, _ = broker.accept()
        assert transport.note_states({"gate": "running"})
        assert sender.is_alive()
        sender.join()
        connection.close()


def hung(broker: socket.socket) -> int:
    """Let a socket listen and answer nothing; return its port."""
    broker.bind(("127.0.0.1", 0))
    broker.listen()
    return int(broker.getsockname()[1])


def test_a_wrong_password_is_told_and_never_shown() -> None:
    with Mosquitto(password="right") as own:
        with transport_to(own.port, username="anpr", password="s3cret") as transport:
            (result,) = transport.send(messages("a"))
            assert result.verdict is Verdict.AWAY
            assert "authori" in result.error.lower()
            assert "s3cret" not in result.error
        with transport_to(own.port, username="anpr", password="right") as transport:
            assert verdicts(transport.send(messages("a", "b"))) == ALL_GOOD


# The library leaves the socket of a failed handshake to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_tls_is_verified(tmp_path: Path) -> None:
    files = make_certificate(tmp_path)
    with Mosquitto(tls=files) as own:
        with transport_to(own.port, tls=Tls()) as transport:
            (result,) = transport.send(messages("a"))
            assert (result.verdict, "CERTIFICATE_VERIFY_FAILED" in result.error) == (Verdict.AWAY, True)
        with transport_to(own.port, tls=Tls(ca_file=files[0])) as transport:
            assert verdicts(transport.send(messages("a", "b"))) == ALL_GOOD


def test_a_broker_may_ask_for_a_certificate(tmp_path: Path) -> None:
    server_files, (certificate, key) = make_both_certificates(tmp_path)
    both = tmp_path / "both.pem"
    both.write_bytes(certificate.read_bytes() + key.read_bytes())
    with Mosquitto(tls=server_files, clients=certificate) as own:
        with transport_to(own.port, tls=Tls(ca_file=server_files[0])) as transport:
            (result,) = transport.send(messages("a"))
            assert (result.verdict, "certificate" in result.error) == (Verdict.AWAY, True)
        with transport_to(own.port, tls=Tls(ca_file=server_files[0], cert_file=both)) as transport:
            assert verdicts(transport.send(messages("a", "b"))) == ALL_GOOD
