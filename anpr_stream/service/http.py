"""The daemon's web server: a page, health, metrics, search, a stream of events, pictures, corrections."""

from __future__ import annotations

import asyncio
import hmac
import json
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from anpr_stream.config.delivery import is_loopback
from anpr_stream.config.packaged import packaged
from anpr_stream.errors import StoreError
from anpr_stream.interfaces import Clock
from anpr_stream.metrics import REGISTRY
from anpr_stream.plates.matching import Confusions
from anpr_stream.service.corrections import CorrectionPages, as_json
from anpr_stream.service.queries import parse_query
from anpr_stream.service.trail import Change, Trail
from anpr_stream.store import history
from anpr_stream.store.audit import asked_of
from anpr_stream.store.database import read_database
from anpr_stream.store.history import Query
from anpr_stream.store.ledger import ImageRow
from anpr_stream.store.snapshots import MEDIA_TYPES, SnapshotFolder

STORED_HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "private"}
"""Of pictures and clips."""
CROP = "-crop.jpg"
"""How the path of a plate's own picture ends. It cannot be guessed: whoever has it was told of the plate, by
a search or stream that is in the audit trail. A page left open would add thousands of records a day."""

PAGE = {
    "/": ("index.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
    "/daemon.js": ("daemon.js", "text/javascript"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
"""File and media type of each part of the page for people."""
PAGE_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src blob:;"
        " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}
OPEN = {"/healthz", "/readyz", *PAGE}
"""Paths that are answered without the token: they tell nothing but yes or no, or are the same everywhere."""
SIGN_OF_LIFE_S = 15.0
STREAM_BATCH = 100


class News:
    """Wakes the streams of events when something was accepted; `tell` may be called from any thread."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._condition = asyncio.Condition()
        self.is_over = False

    def tell(self) -> None:
        """Wake all streams."""
        loop = self._loop
        if loop is not None:
            # The server may have ended its loop just now; then nobody waits any more.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(lambda: loop.create_task(self._notify()))

    def end(self) -> None:
        """Let all streams end."""
        self.is_over = True
        self.tell()

    async def wait(self, limit_s: float) -> None:
        """Wait for news, but not longer than this."""
        self._loop = asyncio.get_running_loop()
        async with self._condition:
            if not self.is_over:
                with suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self._condition.wait(), limit_s)

    async def _notify(self) -> None:
        async with self._condition:
            self._condition.notify_all()


@dataclass(frozen=True)
class Site:
    """What the web server shows.

    Attributes:
        folder: the store's.
        snapshots: the pictures.
        status: the state of everything.
        faults: why the process is not well; empty while it is.
        is_ready: whether cameras are started and events can be stored.
        news: wakes the streams.
        hashed: returns the keyed hash of a text as the settings are now, None without a key.
        confusions: the reader's, for searches by likeness.
        change: queues a change of the store; its future comes with the commit.
        is_plain: whether the settings let texts be kept as they are.
        clock: dates corrections and records of who asked.
        tokens: bearer tokens by the name of who has it; empty on loopback only.
    """

    folder: Path
    snapshots: SnapshotFolder
    status: Callable[[], dict[str, Any]]
    faults: Callable[[], list[str]]
    is_ready: Callable[[], bool]
    news: News
    hashed: Callable[[], Callable[[str], str] | None]
    confusions: Confusions
    change: Change
    is_plain: Callable[[], bool]
    clock: Clock
    tokens: Mapping[str, str]


def web_application(site: Site) -> Starlette:
    """Return the application; `configs/openapi.json` describes it."""
    pages = _Pages(site)
    corrections = CorrectionPages(pages.read, site.change, site.is_plain, site.clock)
    guard = _bearer(site.tokens) if site.tokens else _loopback_only
    return Starlette(
        routes=[
            *(Route(path, pages.page) for path in PAGE),
            Route("/healthz", pages.health),
            Route("/readyz", pages.ready),
            Route("/metrics", pages.metrics),
            Route("/status", pages.status),
            Route("/events", pages.events),
            Route("/visits/{visit_id}", pages.visit),
            Route("/visits/{visit_id}/clip", pages.clip),
            Route("/visits/{visit_id}/correction", corrections.serve, methods=CorrectionPages.VERBS),
            Route("/snapshots/{path:path}", pages.snapshot),
            Route("/openapi.json", pages.openapi),
        ],
        middleware=[Middleware(BaseHTTPMiddleware, dispatch=guard)],
        exception_handlers={
            HTTPException: _http_error,
            StoreError: _store_error,
            sqlite3.Error: _store_error,
        },
    )


class _Pages:
    """One method per path."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._trail = Trail(site.change, site.clock)

    async def page(self, request: Request) -> Response:
        name, media_type = PAGE[request.scope["path"]]
        file = Path(__file__).parent / "page" / name
        return FileResponse(file, media_type=media_type, headers=PAGE_HEADERS)

    async def health(self, request: Request) -> Response:
        return _yes_or_no(not self._site.faults())

    async def ready(self, request: Request) -> Response:
        return _yes_or_no(self._site.is_ready())

    async def metrics(self, request: Request) -> Response:
        return Response(generate_latest(REGISTRY), media_type=CONTENT_TYPE_LATEST)

    async def status(self, request: Request) -> Response:
        return JSONResponse(await run_in_threadpool(self._site.status))

    async def openapi(self, request: Request) -> Response:
        return FileResponse(packaged("configs") / "openapi.json", media_type="application/json")

    async def events(self, request: Request) -> Response:
        try:
            query = parse_query(request.query_params, self._site.hashed())
            last = _last_event(request)
        except ValueError as error:
            return _error(400, str(error))
        asked = asked_of(query, self._site.is_plain())
        if "text/event-stream" in request.headers.get("accept", ""):
            await self._trail.note(request, "stream", {**asked, "after": last})
            return self._stream(last, query)
        answers, text = await run_in_threadpool(self._search, query)
        await self._trail.note(request, "search", asked, answers)
        return Response(text, media_type="application/json")

    async def visit(self, request: Request) -> Response:
        visit_id = request.path_params["visit_id"]
        payloads = await run_in_threadpool(self.read, lambda db: history.revisions(db, visit_id))
        if not payloads:
            return _error(404, "no such visit, or not any more")
        await self._trail.note(request, "visit", {"visit": visit_id}, 1)
        return Response(f"[{','.join(payloads)}]", media_type="application/json")

    async def snapshot(self, request: Request) -> Response:
        path = request.path_params["path"]
        content = await run_in_threadpool(self._site.snapshots.read, path)
        if content is None:
            return _error(404, "no such picture, or not any more")
        if not path.endswith(CROP):
            await self._trail.note(request, "picture", {"picture": path}, 1)
        return Response(content, media_type=MEDIA_TYPES[Path(path).suffix], headers=STORED_HEADERS)

    async def clip(self, request: Request) -> Response:
        visit_id = request.path_params["visit_id"]
        row = await run_in_threadpool(self.read, lambda db: history.clip(db, visit_id))
        if row is not None:
            await self._trail.note(request, "clip", {"visit": visit_id}, 1)
        # Only now: retention may take it meanwhile.
        path = None if row is None else self._site.snapshots.resolve(row.path)
        if row is None or path is None:
            return _error(404, "no clip of this visit, not yet or not any more")
        # A file and not its bytes: browsers ask for parts of it (`Range`).
        headers = {**STORED_HEADERS, "ETag": f'"{row.sha256}"'}
        return FileResponse(path, media_type=MEDIA_TYPES[path.suffix], headers=headers)

    def _search(self, query: Query) -> tuple[int, str]:
        visits = self.read(lambda db: list(history.search(db, query, self._site.confusions)))
        rows = [
            f'{{"event":{visit.payload},"class":"{visit.plate_class}","distance":{json.dumps(visit.distance)},'
            f'"correction":{json.dumps(as_json(visit.correction))},"clip":{_clip_as_json(visit.clip)}}}'
            for visit in visits
        ]
        return len(rows), f"[{','.join(rows)}]"

    def _stream(self, last: int | None, query: Query) -> Response:
        return StreamingResponse(
            self._follow(last, query.cameras),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )

    async def _follow(self, since: int | None, cameras: tuple[str, ...]) -> AsyncIterator[str]:
        """Yield the accepted events after one, for ever; the store is the queue, so none is lost."""
        newest: int = await run_in_threadpool(self.read, history.newest)
        # A store that began anew, or came back from a backup, counts on from less than the caller has.
        last = newest if since is None else min(since, newest)
        # A caller that is cut off before the first event must know, too, where to go on.
        yield f": welcome\nid: {last}\n\n"
        while not self._site.news.is_over:
            rows = await run_in_threadpool(
                self.read, partial(history.after, sequence=last, limit=STREAM_BATCH)
            )
            for sequence, payload in rows:
                last = sequence
                if not cameras or json.loads(payload)["camera"] in cameras:
                    yield f"id: {sequence}\nevent: visit\ndata: {payload}\n\n"
            if not rows:
                await self._site.news.wait(SIGN_OF_LIFE_S)
                yield ": still here\n\n"

    def read(self, ask: Callable[[sqlite3.Connection], Any]) -> Any:
        """Ask the store something."""
        with closing(read_database(self._site.folder)) as database:
            return ask(database)


def _last_event(request: Request) -> int | None:
    """Return the number of the last event that a stream's client has.

    Raises:
        ValueError: it is none.
    """
    text = request.headers.get("last-event-id")
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise ValueError("Last-Event-ID: expected the number of an event")
    return int(text)


async def _loopback_only(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    """Refuse other names: a foreign page can make a browser ask loopback under its own (DNS rebinding)."""
    if not is_loopback(_host_of(request)):
        return _error(400, "without a token only localhost and loopback addresses are answered")
    return await call_next(request)


def _host_of(request: Request) -> str:
    try:
        return urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
    except ValueError:
        return ""


def _bearer(
    tokens: Mapping[str, str],
) -> Callable[[Request, Callable[[Request], Awaitable[Response]]], Awaitable[Response]]:
    known = {name: token.encode() for name, token in tokens.items()}

    async def check(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        scheme, _, given = request.headers.get("authorization", "").encode("latin-1").partition(b" ")
        # All of them are compared, so that the time tells nothing.
        named = [name for name, token in known.items() if hmac.compare_digest(given.strip(), token)]
        is_known = scheme.lower() == b"bearer" and bool(named)
        # Not request.url: older versions of Starlette make its path of the Host header, too.
        if request.scope["path"] not in OPEN and not is_known:
            return _error(401, "the bearer token is missing or wrong", {"WWW-Authenticate": "Bearer"})
        if is_known:
            request.state.caller = named[0]
        return await call_next(request)

    return check


def _clip_as_json(clip: ImageRow | None) -> str:
    return json.dumps(clip and {"path": clip.path, "sha256": clip.sha256})


def _yes_or_no(is_well: bool) -> Response:
    return JSONResponse({"ok": is_well}, 200 if is_well else 503)


def _error(status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"error": message}, status, headers)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _error(error.status_code, error.detail, dict(error.headers or {}))


async def _store_error(request: Request, error: Exception) -> Response:
    return _error(503, "the store cannot be read")
