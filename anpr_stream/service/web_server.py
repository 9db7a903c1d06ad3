"""Runs the web application in a thread of its own."""

from __future__ import annotations

import asyncio
import socket
import threading

import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.h11_impl import H11Protocol

from anpr_stream.config.delivery import Http
from anpr_stream.errors import AddressError, reason_of
from anpr_stream.metrics import HTTP_DROPPED

END_WITHIN_S = 1
"""Time for answers under way at the end; uvicorn takes whole seconds."""
MOST_CONNECTIONS = 256
"""Beyond these a caller is turned away: files, cameras and receivers need descriptors, too."""
ACCEPTED_AT_ONCE = 64
"""So many callers are let in before those beyond the limit are turned away."""
ASK_WITHIN_S = 10.0
"""A caller that has not sent the head of a request in this time is dropped."""
TAKE_WITHIN_S = 60.0
"""So is one that takes nothing of its answer: it would hold its place, and the answer in memory, for ever."""


class WebServer:
    """Serves one application on one address; a context manager."""

    def __init__(self, settings: Http, application: Starlette) -> None:
        """Listen and start the thread.

        Raises:
            AddressError: the address is taken, foreign or forbidden.
        """
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((settings.host, settings.port))
            # Only who listens keeps others off the address.
            self._socket.listen()
        except OSError as error:
            self._socket.close()
            where = f"service.http: cannot listen on {settings.host}:{settings.port}"
            what_to_do = "end what listens there already, or set another host or port"
            raise AddressError(f"{where}: {reason_of(error)}; {what_to_do}", "http-address") from error
        self.port: int = self._socket.getsockname()[1]
        self._server = uvicorn.Server(
            uvicorn.Config(
                application,
                http=_Caller,
                ws="none",
                backlog=ACCEPTED_AT_ONCE,
                log_config=None,
                access_log=False,
                server_header=False,
                lifespan="off",
                timeout_graceful_shutdown=END_WITHIN_S,
            )
        )
        self._thread = threading.Thread(target=self._run, name="anpr-http", daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        """What to type into a browser on this machine, or beyond it with its name in place of `0.0.0.0`."""
        host = self._socket.getsockname()[0]
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}/"

    def is_alive(self) -> bool:
        """Return whether the server's thread runs."""
        return self._thread.is_alive()

    def close(self) -> None:
        """End open answers soon and the thread; may be called twice."""
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()

    def __enter__(self) -> WebServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self) -> None:
        self._server.run(sockets=[self._socket])


class _Caller(H11Protocol):
    """A connection that must neither be silent nor deaf; the library gives it all the time of the world."""

    _patience: asyncio.TimerHandle | None = None
    _stalled: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            self._drop("too_many")
        self._be_patient()

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._patience, self._stalled):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stalled = self.loop.call_later(TAKE_WITHIN_S, self._drop, "stalled")

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._stalled is not None:
            self._stalled.cancel()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._be_patient()

    def _be_patient(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
        self._patience = self.loop.call_later(ASK_WITHIN_S, self._drop_if_silent)

    def _drop_if_silent(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self._drop("silent")

    def _drop(self, reason: str) -> None:
        HTTP_DROPPED.labels(reason).inc()
        self.transport.abort()
