"""Messages for the tests of transports."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from anpr_stream.outputs.schema import event_to_json
from anpr_stream.outputs.transport import Message, Transport, Verdict
from tests.outputs.events import make_event


def messages(*visits: str, camera: str = "gate") -> list[Message]:
    """Return one final event per visit."""
    made = [replace(make_event(), visit_id=visit, camera=camera) for visit in visits]
    return [Message(event.visit_id, event.revision, event_to_json(event)) for event in made]


def verdicts(results: object) -> list[Verdict]:
    return [result.verdict for result in results]  # type: ignore[attr-defined]


ALL_GOOD = [Verdict.DELIVERED] * 2


def check_names_authority_that_is_gone(transport: Transport, ca_file: Path) -> None:
    """Check that events wait while an authority's file is gone, and that the line names it."""
    away = ca_file.rename(ca_file.with_name("away.pem"))
    (result,) = transport.send(messages("a"))
    why = f"ca_file {ca_file} cannot be used: No such file or directory"
    assert (result.verdict, result.error) == (Verdict.AWAY, why)
    away.rename(ca_file)
    assert verdicts(transport.send(messages("a", "b"))) == ALL_GOOD
