from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from anpr_stream.config.delivery import Lease
from anpr_stream.service.leases import GIVE_UP_AT, LeaseHolder
from tests.brokers import PostgreSql, free_port
from tests.service.fakes import FakeClock


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSql]:
    with PostgreSql() as found:
        yield found  # type: ignore[misc]


@contextmanager
def holder(dsn: str, name: str, clock: FakeClock | None = None, ttl_s: float = 600) -> Iterator[LeaseHolder]:
    found = LeaseHolder(Lease(dsn=dsn, holder=name, ttl_s=ttl_s), clock or FakeClock())
    yield found
    found.close()
    found.close()


def run_out(dsn: str, camera: str) -> None:
    with psycopg.connect(dsn) as connection:
        connection.execute(
            "UPDATE anpr_leases SET runs_out = now() - interval '1s' WHERE camera = %s", (camera,)
        )


def test_one_camera_has_one_worker(server: PostgreSql) -> None:
    with holder(server.dsn, "one") as one, holder(server.dsn, "two") as two:
        one.renew(["a1", "a2"])
        two.renew(["a2", "a3"])
        assert (one.held(), two.held()) == ({"a1", "a2"}, {"a3"})
        one.renew(["a1", "a2"])
        two.renew(["a2", "a3"])
        assert (one.held(), two.held()) == ({"a1", "a2"}, {"a3"})


def test_a_database_that_knows_no_characters_gives_leases(server: PostgreSql) -> None:
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute("CREATE DATABASE plain ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0")
    with holder(f"{server.dsn.rpartition('/')[0]}/plain", "one") as one:
        one.renew(["höf"])
        assert one.held() == {"höf"}


def test_a_camera_that_is_given_back_is_taken_at_once(server: PostgreSql) -> None:
    with holder(server.dsn, "two") as two:
        with holder(server.dsn, "one") as one:
            one.renew(["b"])
            two.renew(["b"])
            assert two.held() == frozenset()
        two.renew(["b"])
        assert two.held() == {"b"}


def test_a_dead_workers_camera_is_taken_when_its_lease_runs_out(server: PostgreSql) -> None:
    with holder(server.dsn, "one") as one, holder(server.dsn, "two") as two:
        one.renew(["c"])
        run_out(server.dsn, "c")
        two.renew(["c"])
        one.renew(["c"])
        assert (one.held(), two.held()) == (frozenset(), {"c"})


def test_a_camera_no_longer_configured_is_not_held(server: PostgreSql) -> None:
    with holder(server.dsn, "one") as one:
        one.renew(["d1", "d2"])
        one.renew(["d2"])
        assert one.held() == {"d2"}


def test_a_worker_cut_off_gives_up_before_others_may_take_over() -> None:
    clock = FakeClock()
    with PostgreSql() as own, holder(own.dsn, "one", clock, ttl_s=100) as one:
        one.renew(["gate"])
        own.stop()
        clock.now_s += 100 * GIVE_UP_AT - 1
        one.renew(["gate"])
        assert one.error.startswith("leases: ")
        assert one.held() == {"gate"}
        clock.now_s += 2
        assert one.held() == frozenset()
        own.start()
        one.renew(["gate"])
        assert (one.held(), one.error) == ({"gate"}, "")


def test_without_a_database_nobody_holds_anything_and_no_password_is_told() -> None:
    dsn = f"postgresql://anpr@127.0.0.1:{free_port()}/postgres"
    found = LeaseHolder(Lease(dsn=dsn, password="s3cret"), FakeClock())
    found.renew(["gate"])
    assert found.held() == frozenset()
    assert found.error
    assert "s3cret" not in found.error
    found.close()


def test_workers_have_names_of_their_own() -> None:
    assert LeaseHolder(Lease(), FakeClock()).holder != LeaseHolder(Lease(), FakeClock()).holder
