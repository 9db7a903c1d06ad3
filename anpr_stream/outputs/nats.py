"""Events into a NATS JetStream stream, which itself refuses doubles by their key."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.errors import MaxPayloadError
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError

from anpr_stream.config.delivery import NatsOutput, reveal
from anpr_stream.config.tls import tls_context
from anpr_stream.outputs.transport import DELIVERED, Message, Result, Verdict, away, token

CLOSE_LIMIT_S = 2.0


class NatsTransport:
    """One NATS cluster (a `Transport`); its library's event loop runs in a thread of its own."""

    def __init__(self, settings: NatsOutput) -> None:
        self._settings = settings
        self._client: Client | None = None
        self._stream: JetStreamContext | None = None
        self._why = ""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="anpr-nats", daemon=True)
        self._thread.start()

    def send(self, messages: Sequence[Message]) -> list[Result]:
        """Publish messages one by one and wait for the stream's acknowledgement of each."""
        running = asyncio.run_coroutine_threadsafe(self._send(messages), self._loop)
        return running.result()

    def close(self) -> None:
        """Disconnect and end the thread; may be called twice."""
        if self._loop.is_closed():
            return
        asyncio.run_coroutine_threadsafe(self._drop(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _send(self, messages: Sequence[Message]) -> list[Result]:
        results: list[Result] = []
        try:
            stream = await asyncio.wait_for(self._connected(), self._settings.timeout_s)
            for message in messages:
                results.append(await self._publish(stream, message))
        except (NatsError, OSError, asyncio.TimeoutError) as error:
            await self._drop()
            results.append(away(self._why or _words(error)))
        return results

    async def _publish(self, stream: JetStreamContext, message: Message) -> Result:
        subject = f"{self._settings.subject}.{token(message.document()['camera'])}"
        try:
            await stream.publish(
                subject,
                message.payload.encode(),
                timeout=self._settings.timeout_s,
                headers={"Nats-Msg-Id": message.key},
            )
        except MaxPayloadError as error:
            return Result(Verdict.HOPELESS, str(error))
        return DELIVERED

    async def _connected(self) -> JetStreamContext:
        if self._client is None or self._stream is None or not self._client.is_connected:
            await self._drop()
            self._why = ""
            options = self._options()
            self._client = Client()
            await self._client.connect(**options)
            self._stream = self._client.jetstream()
            await self._make_stream(self._stream)
        return self._stream

    async def _make_stream(self, stream: JetStreamContext) -> None:
        try:
            await stream.stream_info(self._settings.stream)
        except NotFoundError:
            await stream.add_stream(name=self._settings.stream, subjects=[f"{self._settings.subject}.>"])

    def _options(self) -> dict[str, Any]:
        settings = self._settings
        has_tls = any(server.startswith("tls://") for server in settings.servers)
        return {
            "servers": list(settings.servers),
            "user": settings.username,
            "password": reveal(settings.password),
            "tls": tls_context(settings.tls) if has_tls else None,
            "connect_timeout": max(1, int(settings.timeout_s)),
            "allow_reconnect": False,
            "max_reconnect_attempts": 1,  # 0 would be endless
            "reconnect_time_wait": 0,
            "error_cb": self._note,
        }

    async def _drop(self) -> None:
        client, self._client, self._stream = self._client, None, None
        if client is not None:
            # After a failed handshake the library waits for ever for the end of the connection.
            with suppress(asyncio.TimeoutError, OSError, NatsError):
                await asyncio.wait_for(client.close(), CLOSE_LIMIT_S)

    async def _note(self, error: Exception) -> None:
        """Keep why a server was left; what `send` meets says only that there is none."""
        self._why = _words(error)


def _words(error: Exception) -> str:
    """Say what an error means; a server that refuses us may close before its refusal is read."""
    if isinstance(error, ConnectionResetError):
        return "connection reset by the server: it ended, or it refused the authorization or certificate"
    return str(error) or type(error).__name__
