"""Events as rows of a PostgreSQL table: `visit_id` and `revision` are its key, so doubles vanish."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from anpr_stream.config.delivery import Postgres, PostgresOutput, reveal
from anpr_stream.outputs.transport import DELIVERED, Message, Result, Verdict, away

_TABLE = """
CREATE TABLE IF NOT EXISTS {table} (
    visit_id text NOT NULL,
    revision integer NOT NULL,
    camera text NOT NULL,
    kind text NOT NULL,
    plate text,
    last_seen timestamptz NOT NULL,
    event jsonb NOT NULL,
    received timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (visit_id, revision)
)
"""
_INSERT = """
INSERT INTO {table} (visit_id, revision, camera, kind, plate, last_seen, event)
VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING
"""


def connect(settings: Postgres, timeout_s: float) -> psycopg.Connection:
    """Connect to a server.

    Args:
        settings: where.
        timeout_s: for connecting, for each statement, and for a network that swallows packets.

    Raises:
        psycopg.OperationalError: it cannot be reached or refuses us.
    """
    given = conninfo_to_dict(settings.dsn)
    ours: dict[str, int | str] = {
        "connect_timeout": max(2, int(timeout_s)),
        "tcp_user_timeout": int(timeout_s * 1000),
        "application_name": "anpr-stream",
    }
    address = make_conninfo(
        settings.dsn,
        **{key: value for key, value in ours.items() if key not in given},
        **verified_tls(settings.dsn),
        password=reveal(settings.password),
        client_encoding="UTF8",  # else a database in SQL_ASCII gives bytes for texts
        # Of two options of one name the last one counts.
        options=f"-c statement_timeout={int(timeout_s * 1000)} {given.get('options', '')}",
    )
    return psycopg.connect(address, autocommit=True)


def make_table(connection: psycopg.Connection, name: str, statement: sql.SQL | sql.Composed) -> None:
    """Make a table where it is missing: a role that may only write may not even ask to create one.

    Raises:
        psycopg.Error: it is missing and cannot be made.
    """
    if connection.execute("SELECT to_regclass(%s)", [name]).fetchone() == (None,):
        connection.execute(statement)


def verified_tls(dsn: str) -> dict[str, str]:
    """Return the keys that make a connection to another machine a verified one, unless the DSN decides.

    The library's own default takes any certificate, and none if there is none.
    """
    keys = conninfo_to_dict(dsn)
    host = str(keys.get("host") or "")
    is_this_machine = not host or host.startswith("/") or host in ("localhost", "127.0.0.1", "::1")
    if "sslmode" in keys or is_this_machine:
        return {}
    return {"sslmode": "verify-full", "sslrootcert": str(keys.get("sslrootcert") or "system")}


class PostgresTransport:
    """One PostgreSQL table (a `Transport`)."""

    def __init__(self, settings: PostgresOutput) -> None:
        self._settings = settings
        self._connection: psycopg.Connection | None = None
        table = sql.Identifier(settings.table)
        self._insert = sql.SQL(_INSERT).format(table=table)
        self._create = sql.SQL(_TABLE).format(table=table)

    def send(self, messages: Sequence[Message]) -> list[Result]:
        """Insert all rows in one transaction; rows that are refused then go one by one."""
        try:
            self._insert_all(messages)
        except (psycopg.DataError, psycopg.IntegrityError) as error:
            if len(messages) == 1:
                return [Result(Verdict.HOPELESS, _first_line(error))]
            return self._send_singly(messages)
        except psycopg.Error as error:
            self.close()
            return [away(error)]
        return [DELIVERED] * len(messages)

    def close(self) -> None:
        """Close the connection; may be called twice."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _send_singly(self, messages: Sequence[Message]) -> list[Result]:
        results: list[Result] = []
        for message in messages:
            results.extend(self.send([message]))
            if results[-1].verdict is Verdict.AWAY:
                break
        return results

    def _insert_all(self, messages: Sequence[Message]) -> None:
        if self._connection is None or self._connection.closed:
            self._connection = connect(self._settings, self._settings.timeout_s)
            make_table(self._connection, self._settings.table, self._create)
        with self._connection.transaction(), self._connection.cursor() as cursor:
            cursor.executemany(self._insert, [_row(message) for message in messages])


def _row(message: Message) -> tuple[object, ...]:
    event = message.document()
    return (
        message.visit_id,
        message.revision,
        event["camera"],
        event["kind"],
        event["text"],
        event["last_seen"]["utc"],
        message.payload,
    )


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
