from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis

from anpr_stream.config.delivery import RedisOutput
from anpr_stream.outputs.redis import RedisTransport
from anpr_stream.outputs.transport import Verdict
from tests.brokers import Redis, free_port
from tests.certificates import encrypt, make_both_certificates, make_certificate
from tests.outputs.messages import ALL_GOOD, check_names_authority_that_is_gone, messages, verdicts


@pytest.fixture(scope="module")
def server() -> Iterator[Redis]:
    with Redis(password="right") as found:
        yield found  # type: ignore[misc]


@contextmanager
def transport_to(port: int, **change: Any) -> Iterator[RedisTransport]:
    values = {"type": "redis", "name": "redis", "url": f"redis://127.0.0.1:{port}/0", "password": "right"}
    transport = RedisTransport(RedisOutput(**{**values, **change}))
    yield transport
    transport.close()
    transport.close()


def entries(transport: RedisTransport, stream: str) -> list[dict[str, str]]:
    found: Any = transport._client.xrange(stream)
    return [{key.decode(): value.decode() for key, value in fields.items()} for _, fields in found]


def test_events_stand_in_the_stream_in_order(server: Redis) -> None:
    with transport_to(server.port, stream="s1") as transport:
        sent = messages("a", "b")
        assert verdicts(transport.send(sent)) == ALL_GOOD
        assert entries(transport, "s1") == [
            {"key": message.key, "event": message.payload} for message in sent
        ]


def test_the_stream_is_kept_short(server: Redis) -> None:
    with transport_to(server.port, stream="s2", max_length=100) as transport:
        for _ in range(10):
            transport.send(messages(*"abcdefghijklmnopqrstuvwxyz0123456789"))
        assert len(entries(transport, "s2")) < 250


def test_a_key_of_another_kind_holds_the_events_back(server: Redis) -> None:
    with transport_to(server.port, stream="s3") as transport:
        transport._client.set("s3", "taken")
        (result,) = transport.send(messages("a", "b"))
    assert (result.verdict, "WRONGTYPE" in result.error) == (Verdict.AWAY, True)


def test_a_server_that_became_a_replica_is_left() -> None:
    with Redis(password="right") as own, transport_to(own.port) as transport:
        assert verdicts(transport.send(messages("a"))) == [Verdict.DELIVERED]
        with closing(redis.Redis(port=own.port, password="right")) as other:
            other.execute_command("REPLICAOF", "127.0.0.1", free_port())
            (result,) = transport.send(messages("b"))
            assert (result.verdict, "read only" in result.error) == (Verdict.AWAY, True)
            assert len(other.client_list(_type="normal")) == 1


def test_a_wrong_password_is_told_and_never_shown(server: Redis) -> None:
    with transport_to(server.port, password="s3cret") as transport:
        (result,) = transport.send(messages("a"))
    assert result.verdict is Verdict.AWAY
    assert "password" in result.error
    assert "s3cret" not in result.error


def test_a_server_that_stops_and_starts() -> None:
    with Redis(password="right") as own, transport_to(own.port) as transport:
        transport.send(messages("a", "b"))
        own.stop()
        assert verdicts(transport.send(messages("c"))) == [Verdict.AWAY]
        own.start()
        assert verdicts(transport.send(messages("c", "d"))) == ALL_GOOD
        assert [entry["key"] for entry in entries(transport, "anpr:events")] == ["a/2", "b/2", "c/2", "d/2"]


def test_a_server_that_is_not_there_is_away() -> None:
    with transport_to(free_port()) as transport:
        (result,) = transport.send(messages("a"))
    assert (result.verdict, "refused" in result.error) == (Verdict.AWAY, True)


def test_tls_is_verified(tmp_path: Path) -> None:
    files = make_certificate(tmp_path)
    with Redis(password="right", tls=files) as own:
        url = f"rediss://127.0.0.1:{own.port}/0"
        with transport_to(0, url=url) as transport:
            (result,) = transport.send(messages("a"))
            assert (result.verdict, "CERTIFICATE_VERIFY_FAILED" in result.error) == (Verdict.AWAY, True)
        for tls in ({"ca_file": files[0]}, {"verify": False}):
            with transport_to(0, url=url, tls=tls) as transport:
                assert verdicts(transport.send(messages("a", "b"))) == ALL_GOOD


def test_an_authority_whose_file_is_gone_is_named(tmp_path: Path) -> None:
    files = make_certificate(tmp_path)
    with (
        Redis(tls=files) as own,
        transport_to(0, url=f"rediss://127.0.0.1:{own.port}/0", tls={"ca_file": files[0]}) as transport,
    ):
        check_names_authority_that_is_gone(transport, files[0])


def test_a_server_may_ask_for_a_certificate(tmp_path: Path) -> None:
    server_files, (certificate, key) = make_both_certificates(tmp_path)
    tls = {"ca_file": server_files[0]}
    with Redis(tls=server_files, clients=certificate) as own:
        url = f"rediss://127.0.0.1:{own.port}/0"
        with transport_to(0, url=url, password=None, tls=tls) as transport:
            for _ in range(5):  # it hangs up before or after its reason is read
                (result,) = transport.send(messages("a"))
                assert (result.verdict, "certificate" in result.error) == (Verdict.AWAY, True)
        tls |= {"cert_file": certificate, "key_file": key}
        with transport_to(0, url=url, password=None, tls=tls) as transport:
            assert verdicts(transport.send(messages("a", "b"))) == ALL_GOOD
            transport.close()
            encrypt(key)
            (result,) = transport.send(messages("c"))
            assert (result.verdict, "passphrase" in result.error) == (Verdict.AWAY, True)
