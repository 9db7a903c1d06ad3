"""Events into a Redis stream."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import redis

from anpr_stream.config.delivery import RedisOutput, reveal
from anpr_stream.outputs.tls import tls_context
from anpr_stream.outputs.transport import DELIVERED, Message, Result, away


class RedisTransport:
    """One Redis server (a `Transport`)."""

    def __init__(self, settings: RedisOutput) -> None:
        self._settings = settings
        extra: dict[str, Any] = {"ssl_ca_certs": settings.tls.ca_file} if settings.tls.ca_file else {}
        if settings.url.startswith("rediss://") and not settings.tls.verify:
            extra |= {"ssl_cert_reqs": None, "ssl_check_hostname": False}
        self._client = redis.Redis.from_url(
            settings.url,
            username=settings.username,
            password=reveal(settings.password),
            socket_timeout=settings.timeout_s,
            socket_connect_timeout=settings.timeout_s,
            **extra,
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
            return [away(self._authority_fault() or error)]
        return [DELIVERED] * len(messages)

    def _authority_fault(self) -> OSError | None:
        """What is wrong with the authority's file, which the library does not name."""
        try:
            tls_context(self._settings.tls)
        except OSError as error:
            return error
        return None

    def close(self) -> None:
        """Close the connections; may be called twice."""
        self._client.close()
