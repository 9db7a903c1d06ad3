"""The audit trail of the web server: nobody is shown plates before it is written down who it was."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request

from anpr_stream.interfaces import Clock
from anpr_stream.store.audit import Record, add

WITHIN_S = 10.0
"""How long a caller waits for a disk that is full or busy."""
NOT_NOTED = "the disk is full or busy: it cannot be written down who asked, so no plate is shown"

Change = Callable[[Callable[[sqlite3.Connection], Any]], "Future[Any]"]


async def commit(change: Change, job: Callable[[sqlite3.Connection], Any], told: str) -> None:
    """Wait until the store has taken something; else raises `HTTPException` 503 that says `told`."""
    # No thread waits: while the disk is full, callers would take all of them. Shielded, since a caller that
    # hangs up would cancel the writer's future.
    try:
        await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(change(job))), WITHIN_S)
    except asyncio.TimeoutError as error:
        raise HTTPException(503, told) from error


class Trail:
    """Adds records of what callers ask."""

    def __init__(self, change: Change, clock: Clock) -> None:
        """Take what queues a change of the store, and the clock that dates records."""
        self._change = change
        self._clock = clock

    async def note(
        self, request: Request, action: str, asked: dict[str, Any], answers: int | None = None
    ) -> None:
        """Add a record; raises `HTTPException` where the store does not take it."""
        record = self.record(request, action, asked, answers)
        await commit(self._change, lambda database: add(database, record), NOT_NOTED)

    def record(
        self, request: Request, action: str, asked: dict[str, Any], answers: int | None = None
    ) -> Record:
        """Return a record, for a change that it is committed with."""
        return Record(self._clock.utc_s(), _who(request), action, asked, answers)


def _who(request: Request) -> str:
    """Return the name of the caller's token and the address, which a proxy on this machine may tell."""
    host = request.client.host if request.client else "unknown"
    name = f"{getattr(request.state, 'caller', 'http')}@{host}"
    return "".join(letter for letter in name[:100] if letter.isprintable())
