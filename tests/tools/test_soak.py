"""The judgement of a soak; the soak itself needs root and minutes (`python -m tools.soak --help`)."""

from __future__ import annotations

import asyncio
import random
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from anpr_stream.config.delivery import NatsOutput
from anpr_stream.outputs.nats import NatsTransport
from tests.brokers import Nats
from tests.outputs.messages import messages
from tools.soak.__main__ import Row, growth, is_good, table
from tools.soak.books import counters, nats_events
from tools.soak.faults import Fault, faults
from tools.soak.house import House, Webhook

GOOD: dict[str, Any] = {
    "events_in_store": 9,
    "visits_without_final": 0,
    "missing_at": {"webhook": 0, "mqtt": 0},
    "other_content_at": {"webhook": 0, "mqtt": 0},
    "content_changed": 0,
    "commands_twice": 0,
    "commands_missing": 0,
    "not_noticed": [],
    "not_mended": [],
}


def test_a_soak_without_a_fault_is_good() -> None:
    assert is_good(GOOD)


@pytest.mark.parametrize(
    "change",
    [
        {"events_in_store": 0},
        {"visits_without_final": 1},
        {"missing_at": {"webhook": 0, "mqtt": 1}},
        {"other_content_at": {"webhook": 1, "mqtt": 0}},
        {"content_changed": 1},
        {"commands_twice": 1},
        {"commands_missing": 1},
        {"not_noticed": ["broker stops redis"]},
        {"not_mended": ["disk full store"]},
    ],
)
def test_whatever_is_lost_is_told(change: dict[str, Any]) -> None:
    assert not is_good({**GOOD, **change})


def test_memory_is_judged_in_the_longest_life_after_its_first_minutes() -> None:
    memory = [(at, 500.0, 0) for at in range(0, 100, 5)]
    memory += [(at, 100.0 + at / 10, 1) for at in range(100, 1100, 5)]
    found = growth(memory)
    assert found["first_mib"] == pytest.approx(136.3, abs=1)
    assert found["last_mib"] == pytest.approx(201.3, abs=1)
    assert found["over_minutes"] == pytest.approx(13.5, abs=0.1)


def fault(name: str) -> Fault:
    return Fault(name, "x", 1.0, lambda: None, lambda: None, None)


def test_the_table_puts_kinds_together() -> None:
    rows = [
        Row(1.0, fault("disk full"), 1.5, 0.5, "store: full"),
        Row(9.0, fault("disk full"), 3.0, None, "other"),
        Row(20.0, fault("clock"), None, 0.0, ""),
    ]
    assert table(rows).splitlines()[2:] == [
        "| disk full | 2 | 1.5 to 3 | 0.5 to 0.5 | store: full |",
        "| clock | 1 | - | 0 to 0 |  |",
    ]


def test_counters_are_summed_over_cameras() -> None:
    text = (
        'anpr_events_total{camera="a",kind="new"} 2.0\nanpr_events_total{camera="b",kind="new"} 3.0\n'
        'anpr_events_dropped_total{camera="a",reason="memory"} 1.0\nanpr_frames_total{camera="a"} 9.0\n'
    )
    assert counters(text) == {"anpr_events_total": 5.0, "anpr_events_dropped_total memory": 1.0}


def test_every_kind_of_fault_comes_and_is_shown_by_the_status(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("")
    with Webhook() as webhook:
        brokers: dict[str, Any] = {"redis": type("Broker", (), {"stop": None, "start": None})()}
        house = House(tmp_path, tmp_path, ["cam"], None, webhook, brokers, 0)  # type: ignore[arg-type]
        found = {one.name: one for one in islice(faults(house, random.Random(1), with_kills=True), 9)}
        webhook.shutdown()
    assert len(found) == 8
    status = {
        "cameras": {"cam": {"state": "waiting"}},
        "outputs": {"redis": {"error": "refused"}, "webhook": {"error": "HTTP 503"}},
        "store": {"fault": "disk is full", "stores_pictures": True},
        "reload_error": "colour",
    }
    seen = {name for name, one in found.items() if one.is_seen is not None and one.is_seen(status)}
    assert seen == found.keys() - {"clock an hour on and back", "kill -9"}


def test_all_events_of_a_long_stream_are_read() -> None:
    sent = messages(*(f"v{number}" for number in range(1100)))
    with Nats() as server:
        output = NatsOutput(type="nats", name="n", servers=[f"nats://127.0.0.1:{server.port}"])
        with closing(NatsTransport(output)) as transport:
            assert len(transport.send(sent)) == len(sent)
        found = asyncio.run(nats_events(server.port))
    assert found == {message.key: message.payload for message in sent}
