"""Events by HTTP POST, signed; only an answer 2xx counts as delivered."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Sequence
from contextlib import suppress
from email.utils import parsedate_to_datetime

import httpx

from anpr_stream.config.delivery import WebhookTarget
from anpr_stream.config.tls import tls_context
from anpr_stream.interfaces import Clock
from anpr_stream.outputs.transport import DELIVERED, Message, Result, Verdict, away

SIGNATURE = "X-Anpr-Signature"
NEVER = {400, 409, 410, 411, 413, 414, 415, 422, 431}
"""Answers that speak about this message and will not change."""
ELSEWHERE = {401, 403, 404, 405, 407, 408, 421, 425, 429, 502, 503, 504}
"""Answers that speak about the receiver, its proxy or our rights, not about this message."""
LONGEST_ANSWER = 65_536
"""Bytes of a body that nobody reads; more cost as much as a new connection."""


def sign(secret: str, utc_s: int, body: bytes) -> str:
    """Return the signature header: `t=<seconds>,v1=<HMAC-SHA256 of "<seconds>." and body, hex>`.

    A receiver computes it again, compares in constant time and refuses old times.
    """
    mac = hmac.new(secret.encode(), b"%d." % utc_s + body, hashlib.sha256)
    return f"t={utc_s},v1={mac.hexdigest()}"


class WebhookTransport:
    """One HTTP receiver (a `Transport`)."""

    def __init__(self, target: WebhookTarget, timeout_s: float, clock: Clock) -> None:
        self._url = target.url
        self._secret = target.secret
        self._timeout_s = timeout_s
        self._clock = clock
        self._tls = target.tls
        self._headers = {name: value.get_secret_value() for name, value in target.headers.items()}
        if target.bearer is not None:
            self._headers["Authorization"] = f"Bearer {target.bearer.get_secret_value()}"
        self._client: httpx.Client | None = self._new_client()

    def send(self, messages: Sequence[Message]) -> list[Result]:
        """POST messages one by one; stop at the first that has to be sent again."""
        results: list[Result] = []
        for message in messages:
            results.append(self._post(message))
            if results[-1].verdict in (Verdict.AWAY, Verdict.REFUSED):
                break
        return results

    def close(self) -> None:
        """Close the connections; may be called twice."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _new_client(self) -> httpx.Client:
        # Redirects are not followed, so that what begins without TLS never comes to need it.
        verify = tls_context(self._tls) if self._url.startswith("https:") else False
        # trust_env would let a proxy or a .netrc of the environment see or change events.
        return httpx.Client(headers=self._headers, timeout=self._timeout_s, verify=verify, trust_env=False)

    def _post(self, message: Message) -> Result:
        body = message.payload.encode()
        headers = {"Content-Type": "application/json", "Idempotency-Key": message.key}
        if self._secret is not None:
            now_s = int(self._clock.utc_s())
            headers[SIGNATURE] = sign(self._secret.get_secret_value(), now_s, body)
        try:
            self._client = self._client or self._new_client()
            with self._client.stream("POST", self._url, content=body, headers=headers) as answer:
                self._read_off(answer)
        except (httpx.HTTPError, OSError) as error:
            self.close()  # the authority's file may be another one by the next try
            return away(error)
        return self._judge(answer)

    def _read_off(self, answer: httpx.Response) -> None:
        """Take the body from the connection, so that it serves again, but not one without end.

        The status has said all: a body that is broken changes nothing of it.
        """
        until_s = time.monotonic() + self._timeout_s
        with suppress(httpx.HTTPError):
            for _ in answer.iter_raw():
                if answer.num_bytes_downloaded > LONGEST_ANSWER or time.monotonic() > until_s:
                    return

    def _judge(self, answer: httpx.Response) -> Result:
        if answer.is_success:
            return DELIVERED
        error = f"HTTP {answer.status_code} {answer.reason_phrase}".strip()
        if answer.status_code in NEVER:
            return Result(Verdict.HOPELESS, error)
        if answer.status_code in ELSEWHERE:
            return Result(Verdict.AWAY, error, self._retry_after_s(answer))
        return Result(Verdict.REFUSED, error)

    def _retry_after_s(self, answer: httpx.Response) -> float:
        """Return what `Retry-After` asks for, 0 without it or where it makes no sense."""
        text = answer.headers.get("Retry-After", "")
        try:
            if text.isdecimal():
                return min(float(text), 3600.0)
            wait_s = parsedate_to_datetime(text).timestamp() - self._clock.utc_s()
        except (ValueError, OverflowError):
            return 0.0
        return min(max(wait_s, 0.0), 3600.0)
