"""Stand-ins for the tests of the daemon: a receiver that does as it is told, events, a clock."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from anpr_stream.outputs.transport import DELIVERED, Message, Result
from anpr_stream.types import Event, EventKind, ListHit
from tests.outputs.events import PLATE, make_event


class FakeReceiver:
    """A `Transport` that answers from a script, then takes everything; tests wait for what it got."""

    def __init__(self, *script: list[Result] | Exception) -> None:
        self._script = list(script)
        self.batches: list[list[str]] = []
        self.got: list[Message] = []
        self.is_closed = False
        self._changed = threading.Condition()

    def send(self, messages: Sequence[Message]) -> list[Result]:
        answer = self._script.pop(0) if self._script else [DELIVERED] * len(messages)
        with self._changed:
            self.batches.append([message.key for message in messages])
            if not isinstance(answer, Exception):
                pairs = zip(messages, answer, strict=False)
                self.got.extend(message for message, result in pairs if result == DELIVERED)
            self._changed.notify_all()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self) -> None:
        self.is_closed = True

    def wait_for(self, count: int) -> list[str]:
        """Return the keys of the delivered messages once there are so many."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.got) >= count, 60), self.batches
            return [message.key for message in self.got]

    def wait_for_batches(self, count: int) -> list[list[str]]:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.batches) >= count, 60), self.batches
            return list(self.batches)


class FakeClock:
    """A clock that stands still until it is set; `ahead_s` is how wrong its time of day is."""

    def __init__(self, now_s: float = 1_700_000_000.0) -> None:
        self.now_s = now_s
        self.ahead_s = 0.0

    def utc_s(self) -> float:
        return self.now_s + self.ahead_s

    def monotonic_s(self) -> float:
        return self.now_s


def event(
    visit_id: str = "v1",
    revision: int = 0,
    text: str | None = "AB12CDE",
    lists: tuple[str, ...] = (),
    kind: EventKind = EventKind.NEW,
    **change: Any,
) -> Event:
    values: dict[str, Any] = {
        "visit_id": visit_id,
        "list_hits": tuple(ListHit(name, "allow", text or "", 0.0) for name in lists),
        "images": {},
    }
    plate = replace(PLATE, text=text) if text else None
    return replace(make_event(plate, kind, revision), **{**values, **change})
