from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nats
import pytest

from anpr_stream.config.delivery import NatsOutput
from anpr_stream.outputs.nats import NatsTransport
from anpr_stream.outputs.transport import Message, Verdict
from tests.brokers import Nats, free_port
from tests.certificates import make_both_certificates, make_certificate
from tests.outputs.messages import ALL_GOOD, check_names_authority_that_is_gone, messages, verdicts


@pytest.fixture(scope="module")
def server() -> Iterator[Nats]:
    with Nats() as found:
        yield found  # type: ignore[misc]


@contextmanager
def transport_to(port: int, **change: Any) -> Iterator[NatsTransport]:
    values = {"type": "nats", "name": "nats", "servers": [f"nats://127.0.0.1:{port}"], "timeout_s": 20.0}
    transport = NatsTransport(NatsOutput(**{**values, **change}))
    yield transport
    transport.close()
    transport.close()


def stored(port: int, stream: str, subject: str) -> list[str]:
    """Return the payloads of a stream in order."""

    async def read() -> list[str]:
        client = await nats.connect(f"nats://127.0.0.1:{port}")
        context = client.jetstream()
        count = (await context.stream_info(stream)).state.messages
        subscription = await context.subscribe(subject, stream=stream)
        got = [(await subscription.next_msg(timeout=30)).data.decode() for _ in range(count)]
        await client.close()
        return got

    return asyncio.run(read())


def test_events_stand_in_the_stream_in_order_and_once(server: Nats) -> None:
    with transport_to(server.port, stream="S1", subject="s1") as transport:
        sent = messages("a", "b")
        assert verdicts(transport.send(sent)) == ALL_GOOD
        assert verdicts(transport.send(sent)) == ALL_GOOD
    assert stored(server.port, "S1", "s1.gate") == [message.payload for message in sent]


@pytest.mark.parametrize("camera", ["a.b", "*", ">", "with blank", "前"])
def test_a_cameras_name_stays_one_token(server: Nats, camera: str) -> None:
    with transport_to(server.port, stream="S2", subject="s2") as transport:
        assert verdicts(transport.send(messages(camera, camera=camera))) == [Verdict.DELIVERED]


def test_an_event_that_is_too_large_is_put_aside(server: Nats) -> None:
    huge = Message("h", 0, messages("h")[0].payload.replace("approaching", "x" * 2_000_000))
    with transport_to(server.port, stream="S3", subject="s3") as transport:
        results = transport.send([huge, *messages("a")])
    assert verdicts(results) == [Verdict.HOPELESS, Verdict.DELIVERED]


def test_a_server_that_stops_and_starts() -> None:
    with Nats() as own, transport_to(own.port) as transport:
        transport.send(messages("a", "b"))
        own.stop()
        assert verdicts(transport.send(messages("c"))) == [Verdict.AWAY]
        own.start()
        assert verdicts(transport.send(messages("c", "d"))) == ALL_GOOD
        assert len(stored(own.port, "ANPR", "anpr.events.gate")) == 4


def test_a_server_that_is_not_there_is_away() -> None:
    with transport_to(free_port()) as transport:
        (result,) = transport.send(messages("a"))
    assert result.verdict is Verdict.AWAY
    assert "refused" in result.error.lower() or "connect call failed" in result.error.lower()


def test_a_wrong_password_is_told_and_never_shown() -> None:
    with Nats(password="right") as own:
        with transport_to(own.port, username="anpr", password="s3cret") as transport:
            (result,) = transport.send(messages("a"))
        assert (result.verdict, "uthorization" in result.error) == (Verdict.AWAY, True)
        assert "s3cret" not in result.error
        with transport_to(own.port, username="anpr", password="right") as transport:
            assert verdicts(transport.send(messages("a", "b"))) == ALL_GOOD


def test_tls_is_verified(tmp_path: Path) -> None:
    files = make_certificate(tmp_path)
    with Nats(tls=files) as own:
        servers = [f"tls://127.0.0.1:{own.port}"]
        with transport_to(0, servers=servers) as transport:
            (result,) = transport.send(messages("a"))
            assert (result.verdict, "CERTIFICATE_VERIFY_FAILED" in result.error) == (Verdict.AWAY, True)
        with transport_to(0, servers=servers, tls={"ca_file": files[0]}) as transport:
            assert verdicts(transport.send(messages("a", "b"))) == ALL_GOOD


def test_an_authority_whose_file_is_gone_is_named(tmp_path: Path) -> None:
    files = make_certificate(tmp_path)
    with (
        Nats(tls=files) as own,
        transport_to(0, servers=[f"tls://127.0.0.1:{own.port}"], tls={"ca_file": files[0]}) as transport,
    ):
        check_names_authority_that_is_gone(transport, files[0])


def test_a_server_may_ask_for_a_certificate(tmp_path: Path) -> None:
    server_files, (certificate, key) = make_both_certificates(tmp_path)
    tls = {"ca_file": server_files[0]}
    with Nats(tls=server_files, clients=certificate) as own:
        servers = [f"tls://127.0.0.1:{own.port}"]
        with transport_to(0, servers=servers, tls=tls) as transport:
            assert verdicts(transport.send(messages("a"))) == [Verdict.AWAY]
        tls |= {"cert_file": certificate, "key_file": key}
        with transport_to(0, servers=servers, tls=tls) as transport:
            assert verdicts(transport.send(messages("a", "b"))) == ALL_GOOD
