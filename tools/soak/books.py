"""After a soak: does every receiver have every event, once in content, and do the metrics agree?"""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections import Counter, defaultdict
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import nats
import paho.mqtt.client as mqtt
import psycopg
import redis
from nats.js.api import AckPolicy, ConsumerConfig
from paho.mqtt.enums import CallbackAPIVersion

from anpr_stream.store import outbox
from anpr_stream.store.database import read_database
from tests.brokers import PostgreSql
from tools.soak.house import House

Events = dict[str, str]
"""Content by `visit_id/revision`."""


@dataclass
class MqttListener:
    """Subscribes with a session that the broker keeps, so that it misses nothing while it is away."""

    port: int
    events: Events = field(default_factory=dict)
    changed: int = 0

    def __post_init__(self) -> None:
        self._subscribed = threading.Event()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, "soak", clean_session=False)
        self._client.on_message = self._on_message
        self._client.on_connect = lambda client, *_: client.subscribe("anpr/+/event", 1)
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.reconnect_delay_set(1, 2)
        self._client.connect("127.0.0.1", self.port)
        self._client.loop_start()
        self._subscribed.wait(30)

    def close(self) -> None:
        """Leave."""
        self._client.disconnect()
        self._client.loop_stop()

    def _on_message(self, client: Any, data: Any, message: mqtt.MQTTMessage) -> None:
        payload = message.payload.decode()
        known = self.events.setdefault(_key(payload), payload)
        self.changed += known != payload


def stored(house: House) -> tuple[Events, int, int]:
    """Return the events in the store, the visits without a final, and the number of dead letters."""
    with closing(read_database(house.disk / "store")) as database:
        payloads = [payload for (payload,) in database.execute("SELECT payload FROM revisions")]
        running = database.execute("SELECT count(*) FROM visits WHERE kind != 'final'").fetchone()[0]
        dead = len(outbox.dead_letters(database, None, 10_000))
    return {_key(payload): payload for payload in payloads}, running, dead


def received(house: House, listener: MqttListener) -> dict[str, Events]:
    """Return what each receiver has."""
    return {
        "webhook": house.webhook.events,
        "mqtt": listener.events,
        "redis": _redis(house.brokers["redis"].port),
        "nats": asyncio.run(nats_events(house.brokers["nats"].port)),
        "postgres": _postgres(house),
    }


def commands(house: House) -> Counter[str]:
    """Return how often the list's command ran for each visit."""
    path = house.folder / "commands"
    return Counter(path.read_text().split() if path.exists() else [])


def counters(metrics: str) -> dict[str, float]:
    """Return the sum over all cameras of each of the daemon's counters of events."""
    found: defaultdict[str, float] = defaultdict(float)
    for name, labels, value in re.findall(r"^(anpr_events\w*_total)\{(.*)\} (\S+)$", metrics, re.MULTILINE):
        reason = re.search(r'reason="(\w+)"', labels)
        found[f"{name} {reason[1]}" if reason else name] += float(value)
    return dict(found)


def _key(payload: str) -> str:
    event = json.loads(payload)
    return f"{event['visit_id']}/{event['revision']}"


def _redis(port: int) -> Events:
    with redis.Redis(port=port) as client:
        rows: Any = client.xrange("anpr:events")
    return {fields[b"key"].decode(): fields[b"event"].decode() for _, fields in rows}


async def nats_events(port: int) -> Events:
    """Return the events in a server's stream."""
    client = await nats.connect(f"nats://127.0.0.1:{port}")
    context = client.jetstream()
    count = (await context.stream_info("ANPR")).state.messages
    # With acknowledgements a consumer gets the first thousand only, until it gives some.
    config = ConsumerConfig(ack_policy=AckPolicy.NONE)
    subscription = await context.subscribe("anpr.events.>", stream="ANPR", config=config)
    payloads = [(await subscription.next_msg(timeout=30)).data.decode() for _ in range(count)]
    await client.close()
    return {_key(payload): payload for payload in payloads}


def _postgres(house: House) -> Events:
    server = house.brokers["postgres"]
    assert isinstance(server, PostgreSql)
    with psycopg.connect(server.dsn) as connection:
        rows = connection.execute("SELECT visit_id, revision, event FROM anpr_events").fetchall()
    return {f"{visit}/{revision}": json.dumps(event) for visit, revision, event in rows}
