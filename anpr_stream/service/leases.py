"""One worker per camera over many machines: a row per camera in PostgreSQL that runs out by itself.

The database's clock decides, so that the workers' clocks need not agree. A worker that cannot renew
gives its cameras up before its leases run out: for a while nobody watches, but nobody watches twice.
"""

from __future__ import annotations

import logging
import secrets
import socket
import threading
from collections.abc import Iterable
from contextlib import suppress

import psycopg
from psycopg import sql

from anpr_stream.config.delivery import Lease
from anpr_stream.interfaces import Clock
from anpr_stream.outputs.postgres import connect, make_table

LOG = logging.getLogger(__name__)
RENEWALS = 3
"""Renewals in the life of a lease, so that two may fail."""
GIVE_UP_AT = 0.8
"""Share of a lease's life after which its cameras are stopped: the stop itself takes time."""

_TABLE = """
CREATE TABLE IF NOT EXISTS anpr_leases (
    camera text PRIMARY KEY,
    holder text NOT NULL,
    runs_out timestamptz NOT NULL
)
"""
_TAKE = """
INSERT INTO anpr_leases (camera, holder, runs_out)
SELECT camera, %(holder)s, clock_timestamp() + make_interval(secs => %(ttl_s)s)
FROM unnest(%(cameras)s::text[]) AS camera
ON CONFLICT (camera) DO UPDATE SET holder = excluded.holder, runs_out = excluded.runs_out
WHERE anpr_leases.holder = excluded.holder OR anpr_leases.runs_out < clock_timestamp()
RETURNING camera
"""


class LeaseHolder:
    """Takes and renews leases; `renew` is called by one thread, `held` by any."""

    def __init__(self, settings: Lease, clock: Clock) -> None:
        """Remember where the leases are; nothing is connected yet."""
        self.holder = settings.holder or f"{socket.gethostname()}-{secrets.token_hex(3)}"
        self.every_s = settings.ttl_s / RENEWALS
        self.error = ""
        self._settings = settings
        self._clock = clock
        self._lock = threading.Lock()
        self._held: frozenset[str] = frozenset()
        self._give_up_s = 0.0
        self._connection: psycopg.Connection | None = None

    def held(self) -> frozenset[str]:
        """Return the cameras that are ours now."""
        with self._lock:
            is_valid = self._clock.monotonic_s() < self._give_up_s
            return self._held if is_valid else frozenset()

    def renew(self, cameras: Iterable[str]) -> None:
        """Renew what we hold of these cameras and take what is free.

        A database out of reach is told in `error`.
        """
        asked_s = self._clock.monotonic_s()
        try:
            taken = self._take(sorted(cameras))
        except psycopg.Error as error:
            self._connection = None
            if not self.error:
                LOG.error("leases cannot be renewed: %s", str(error).splitlines()[0])
            self.error = f"leases: {str(error).splitlines()[0]}"
            return
        self.error = ""
        with self._lock:
            self._held = taken
            self._give_up_s = asked_s + GIVE_UP_AT * self._settings.ttl_s

    def close(self) -> None:
        """Give all leases back, so that others need not wait; may be called twice."""
        with self._lock:
            self._held = frozenset()
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(psycopg.Error), connection:
                connection.execute("DELETE FROM anpr_leases WHERE holder = %s", (self.holder,))

    def _take(self, cameras: list[str]) -> frozenset[str]:
        if self._connection is None or self._connection.closed:
            self._connection = connect(self._settings, self.every_s)
            make_table(self._connection, "anpr_leases", sql.SQL(_TABLE))
        values = {"holder": self.holder, "ttl_s": self._settings.ttl_s, "cameras": cameras}
        return frozenset(camera for (camera,) in self._connection.execute(_TAKE, values))
