"""`/visits/{visit_id}/correction`: what a person says that a plate says, asked, kept and taken back."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from anpr_stream.interfaces import Clock
from anpr_stream.service.trail import Change, Trail, commit
from anpr_stream.store.audit import Record, add
from anpr_stream.store.corrections import (
    Correction,
    HiddenPlate,
    UnknownVisit,
    checked,
    correct,
    correction_of,
    take_back,
)

MOST_BYTES = 1000
"""Of a request's body."""

Ask = Callable[[Callable[[sqlite3.Connection], Any]], Any]


class CorrectionPages:
    """One path, asked by three verbs."""

    VERBS = ("GET", "PUT", "DELETE")

    def __init__(self, ask: Ask, change: Change, is_plain: Callable[[], bool], clock: Clock) -> None:
        """Serve one store.

        Args:
            ask: runs something that reads the store.
            change: queues something that writes to it; its future comes with the commit.
            is_plain: whether the settings let texts be kept as they are.
            clock: dates corrections.
        """
        self._ask = ask
        self._change = change
        self._is_plain = is_plain
        self._clock = clock
        self._trail = Trail(change, clock)

    async def serve(self, request: Request) -> Response:
        """Answer a request by its verb."""
        by_verb = {"PUT": self._put, "DELETE": self._delete}
        return await by_verb.get(request.method, self._get)(request)

    async def _get(self, request: Request) -> Response:
        visit_id = request.path_params["visit_id"]
        correction = await run_in_threadpool(self._ask, lambda database: correction_of(database, visit_id))
        if correction is not None:
            await self._trail.note(request, "visit", {"visit": visit_id}, 1)
        return _answer(correction)

    async def _put(self, request: Request) -> Response:
        visit_id, correction = request.path_params["visit_id"], await _wanted(request)
        is_plain, utc_s = self._is_plain(), self._clock.utc_s()
        record = self._trail.record(request, "correct", {"visit": visit_id, "text": correction.text}, 1)
        await self._commit(lambda database: correct(database, visit_id, correction, is_plain, utc_s), record)
        return _answer(correction)

    async def _delete(self, request: Request) -> Response:
        visit_id = request.path_params["visit_id"]
        record = self._trail.record(request, "correct", {"visit": visit_id, "take_back": True})
        await self._commit(lambda database: take_back(database, visit_id), record)
        return Response(status_code=204)

    async def _commit(self, change: Callable[[sqlite3.Connection], None], record: Record) -> None:
        """Commit a change and the record of it together."""

        def job(database: sqlite3.Connection) -> None:
            change(database)
            add(database, record)

        try:
            await commit(self._change, job, "the store does not take it now; it may yet be kept")
        except UnknownVisit as error:
            raise HTTPException(404, str(error)) from error
        except HiddenPlate as error:
            raise HTTPException(409, str(error)) from error


def _answer(correction: Correction | None) -> Response:
    return JSONResponse(as_json(correction))


def as_json(correction: Correction | None) -> dict[str, str | None] | None:
    """Return what callers are told of a correction."""
    return None if correction is None else {"text": correction.text}


async def _wanted(request: Request) -> Correction:
    """Return the correction in a request's body: `{"text": "AB12CDE"}`, or null for the text."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        # Forms of foreign pages cannot send this type.
        raise HTTPException(415, "expected Content-Type: application/json")
    try:
        body = json.loads(await _body(request))
        if not isinstance(body, dict) or body.keys() != {"text"} or not isinstance(body["text"], str | None):
            raise ValueError('expected {"text": "AB12CDE"}, or null for the text where there is no plate')
        return checked(body["text"])
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, str(error)) from error


async def _body(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            raise HTTPException(413, f"expected at most {MOST_BYTES} bytes")
    return body
