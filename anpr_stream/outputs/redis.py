"""Events into a Redis stream."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from typing import Any

import redis

from anpr_stream.config.delivery import RedisOutput, reveal
from anpr_stream.config.tls import Tls, tls_context
from anpr_stream.outputs.transport import DELIVERED, WANTS_CERTIFICATE, Message, Result, away


class RedisTransport:
    """One Redis server (a `Transport`)."""

    def __init__(self, settings: RedisOutput) -> None:
        self._settings = settings
        self._client = redis.Redis.from_url(
            settings.url,
            username=settings.username,
            password=reveal(settings.password),
            socket_timeout=settings.timeout_s,
            socket_connect_timeout=settings.timeout_s,
            **(_tls_options(settings.tls) if settings.url.startswith("rediss://") else {}),
        )

    def send(self, messages: Sequence[Message]) -> list[Result]:
        """Add all messages in one transaction: all of them or none are in the stream."""
        pipeline = self._client.pipeline(transaction=True)
        for message in messages:
            pipeline.xadd(
                self._settings.stream,
                {"key": message.key, "event": message.payload},
                maxlen=self._settings.max_length,
                approximate=True,
            )
        try:
            pipeline.execute()
        except (redis.RedisError, OSError) as error:
            # After a failover the address leads elsewhere; a connection stays with the old server.
            self.close()
            return [away(self._file_fault() or _told(error))]
        return [DELIVERED] * len(messages)

    def _file_fault(self) -> OSError | None:
        """What is wrong with a certificate's file, which the library does not name."""
        try:
            tls_context(self._settings.tls)
        except OSError as error:
            return error
        return None

    def close(self) -> None:
        """Close the connections; may be called twice."""
        self._client.close()


def _told(error: Exception) -> str:
    hung_up = isinstance(error.__context__, ssl.SSLEOFError | ssl.SSLZeroReturnError)
    return f"{error} (or the server {WANTS_CERTIFICATE})" if hung_up else str(error)


def _tls_options(tls: Tls) -> dict[str, Any]:
    """Return the library's options for a connection with TLS; it reads the files at each connection."""
    options: dict[str, Any] = {
        "ssl_ca_certs": tls.ca_file,
        "ssl_certfile": tls.cert_file,
        "ssl_keyfile": tls.key_file,
        "ssl_password": "",  # without one OpenSSL asks at the terminal
    }
    return options if tls.verify else {**options, "ssl_cert_reqs": None, "ssl_check_hostname": False}
