"""The border to a remote receiver: a batch goes in, a result per message comes out."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol


class Verdict(Enum):
    """What became of a message."""

    DELIVERED = "delivered"
    AWAY = "away"
    """The receiver cannot be reached or takes nothing now; says nothing about this message."""
    REFUSED = "refused"
    """The receiver failed on this message; perhaps not the next time."""
    HOPELESS = "hopeless"
    """The receiver will never take this message."""


@dataclass(frozen=True, slots=True)
class Message:
    """One event for a receiver; the same key always comes with the same payload.

    Attributes:
        visit_id: with `revision` the receiver's key against doubles.
        revision: see `visit_id`.
        payload: the event as one line of JSON.
    """

    visit_id: str
    revision: int
    payload: str

    @property
    def key(self) -> str:
        """`visit_id/revision`."""
        return f"{self.visit_id}/{self.revision}"

    def document(self) -> dict[str, Any]:
        """Return the event as JSON values."""
        found: dict[str, Any] = json.loads(self.payload)
        return found


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a message, why, and how long the receiver wants to be left alone."""

    verdict: Verdict
    error: str = ""
    retry_after_s: float = 0.0


DELIVERED = Result(Verdict.DELIVERED)


class Transport(Protocol):
    """A remote receiver; used by one thread."""

    def send(self, messages: Sequence[Message]) -> list[Result]:
        """Send messages in order.

        Returns:
            Results in the same order; fewer than messages where it stopped, because a later message
            must not overtake one that has to be sent again.
        """

    def close(self) -> None:
        """Free the connection; may be called twice."""


WANTS_CERTIFICATE = "wants a certificate, or another or newer one: tls.cert_file"
"""What a receiver may mean that hangs up without a word, as many do where a certificate has expired."""


def away(error: BaseException | str) -> Result:
    """Return the result of a receiver out of reach; the error's first line says why."""
    text = str(error).strip() or type(error).__name__
    return Result(Verdict.AWAY, text.splitlines()[0])


def token(name: str) -> str:
    """Return a camera's name as one level of a topic: other characters as `%` and their code."""
    return re.sub(r"[^A-Za-z0-9_-]", lambda found: f"%{ord(found[0]):02x}", name)
