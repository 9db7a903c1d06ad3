"""Messages for the tests of transports."""

from __future__ import annotations

from dataclasses import replace

from anpr_stream.outputs.schema import event_to_json
from anpr_stream.outputs.transport import Message, Verdict
from tests.outputs.events import make_event


def messages(*visits: str, camera: str = "gate") -> list[Message]:
    """Return one final event per visit."""
    made = [replace(make_event(), visit_id=visit, camera=camera) for visit in visits]
    return [Message(event.visit_id, event.revision, event_to_json(event)) for event in made]


def verdicts(results: object) -> list[Verdict]:
    return [result.verdict for result in results]  # type: ignore[attr-defined]


ALL_GOOD = [Verdict.DELIVERED] * 2
