from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from anpr_stream.config.delivery import PostgresOutput
from anpr_stream.outputs.postgres import PostgresTransport, verified_tls
from anpr_stream.outputs.transport import Message, Verdict
from tests.brokers import PostgreSql, free_port
from tests.certificates import make_certificate
from tests.outputs.messages import ALL_GOOD, messages, verdicts


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSql]:
    with PostgreSql() as found:
        yield found  # type: ignore[misc]


@contextmanager
def transport_to(dsn: str, **change: Any) -> Iterator[PostgresTransport]:
    values = {"type": "postgres", "name": "pg", "dsn": dsn, **change}
    transport = PostgresTransport(PostgresOutput(**values))
    yield transport
    transport.close()
    transport.close()


def rows(dsn: str, table: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(dsn) as connection:
        query = f"SELECT visit_id, revision, camera, plate, event->>'kind' FROM {table} ORDER BY received"
        return connection.execute(query).fetchall()  # type: ignore[arg-type]


def test_events_are_rows_once(server: PostgreSql) -> None:
    with transport_to(server.dsn, table="t1") as transport:
        assert verdicts(transport.send(messages("a", "b"))) == ALL_GOOD
        assert verdicts(transport.send(messages("a", "b"))) == ALL_GOOD
    assert rows(server.dsn, "t1") == [
        ("a", 2, "gate", "AB12CDE", "final"),
        ("b", 2, "gate", "AB12CDE", "final"),
    ]


def test_a_role_that_may_only_write_needs_no_right_to_make_tables(server: PostgreSql) -> None:
    with transport_to(server.dsn, table="t9") as transport:
        transport.send(messages("a"))
    with psycopg.connect(server.dsn, autocommit=True) as owner:
        owner.execute("CREATE ROLE writer LOGIN")
        owner.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        owner.execute("GRANT INSERT ON t9 TO writer")
    dsn = server.dsn.replace("anpr@", "writer@")
    with transport_to(dsn, table="t9") as transport:
        assert verdicts(transport.send(messages("b", "c"))) == ALL_GOOD
    with transport_to(dsn, table="t10") as transport:
        (result,) = transport.send(messages("b"))
    assert "permission denied" in result.error


def test_the_addresss_own_keys_count(server: PostgreSql) -> None:
    with psycopg.connect(server.dsn, autocommit=True) as owner:
        owner.execute("CREATE SCHEMA traffic")
    dsn = f"{server.dsn}?options=-csearch_path%3Dtraffic&application_name=gate"
    with transport_to(dsn, table="t11") as transport:
        assert verdicts(transport.send(messages("a"))) == [Verdict.DELIVERED]
        assert transport._connection is not None
        assert transport._connection.info.get_parameters()["application_name"] == "gate"
    assert [row[0] for row in rows(server.dsn, "traffic.t11")] == ["a"]


def test_a_row_that_is_refused_does_not_hold_up_the_others(server: PostgreSql) -> None:
    bad = Message("bad", 0, messages("bad")[0].payload.replace("approaching", "\\u0000"))
    with transport_to(server.dsn, table="t2") as transport:
        results = transport.send([*messages("a"), bad, *messages("b")])
    assert verdicts(results) == [Verdict.DELIVERED, Verdict.HOPELESS, Verdict.DELIVERED]
    assert [row[0] for row in rows(server.dsn, "t2")] == ["a", "b"]


def test_no_text_is_ever_taken_for_sql(server: PostgreSql) -> None:
    name = "'); DROP TABLE t3; --"
    with transport_to(server.dsn, table="t3") as transport:
        assert verdicts(transport.send(messages(name, camera=name))) == [Verdict.DELIVERED]
    assert rows(server.dsn, "t3")[0][0] == name


def test_a_server_that_stops_and_starts() -> None:
    with PostgreSql() as own, transport_to(own.dsn) as transport:
        transport.send(messages("a", "b"))
        own.stop()
        assert verdicts(transport.send(messages("c"))) == [Verdict.AWAY]
        own.start()
        assert verdicts(transport.send(messages("c", "d"))) == ALL_GOOD
        assert [row[0] for row in rows(own.dsn, "anpr_events")] == ["a", "b", "c", "d"]


def test_a_server_that_is_not_there_is_away_and_no_password_is_shown() -> None:
    dsn = f"postgresql://anpr@127.0.0.1:{free_port()}/postgres"
    with transport_to(dsn, password="s3cret") as transport:
        (result,) = transport.send(messages("a"))
    assert result.verdict is Verdict.AWAY
    assert "s3cret" not in result.error


@pytest.mark.parametrize(
    ("dsn", "expected"),
    [
        ("postgresql://127.0.0.1/a", {}),
        ("postgresql:///a?host=/run/postgresql", {}),
        ("postgresql://db.example/a?sslmode=disable", {}),
        ("postgresql://db.example/a", {"sslmode": "verify-full", "sslrootcert": "system"}),
        ("postgresql://db.example/a?sslrootcert=/ca", {"sslmode": "verify-full", "sslrootcert": "/ca"}),
    ],
)
def test_another_machine_is_verified_unless_the_address_says_otherwise(
    dsn: str, expected: dict[str, str]
) -> None:
    assert verified_tls(dsn) == expected


def test_tls_is_verified(tmp_path: Path) -> None:
    files = make_certificate(tmp_path)
    with PostgreSql(tls=files) as own:
        # A name that is not this machine's by its letters, so that the default counts.
        dsn = own.dsn.replace("127.0.0.1", "127.0.0.2").replace("/postgres", "/postgres?hostaddr=127.0.0.1")
        with transport_to(dsn) as transport:
            (result,) = transport.send(messages("a"))
            assert (result.verdict, "certificate verify failed" in result.error) == (Verdict.AWAY, True)
        with transport_to(f"{own.dsn}?sslmode=verify-full&sslrootcert={files[0]}") as transport:
            assert verdicts(transport.send(messages("a", "b"))) == ALL_GOOD
