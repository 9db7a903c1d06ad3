from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from anpr_stream.metrics import DELIVERIES
from anpr_stream.outputs.transport import DELIVERED, Message, Result, Verdict, away
from anpr_stream.service.lane import Lane, LanePolicy
from anpr_stream.service.writer import Writer
from anpr_stream.store import ledger, outbox
from tests.service.fakes import FakeClock, FakeReceiver
from tests.store.entries import make_entry

REFUSED = Result(Verdict.REFUSED, "500")
HOPELESS = Result(Verdict.HOPELESS, "422")
Start = Callable[..., Lane]


@pytest.fixture
def start(writer: Writer, tmp_path: Path) -> Iterator[Start]:
    with ExitStack() as stack:

        def begin(receiver: FakeReceiver, before: Lane | None = None, **policy: object) -> Lane:
            values = {"name": "hook", "retry_first_s": 0.001, "retry_longest_s": 0.002, **policy}
            return stack.enter_context(
                Lane(LanePolicy(**values), receiver, writer, tmp_path, FakeClock(), before)  # type: ignore[arg-type]
            )

        yield begin


def fill(writer: Writer, *visits: str, lane: str = "hook", utc_s: float = 1.0) -> None:
    for visit in visits:
        entry = make_entry(visit, lanes=(lane,))
        writer.submit(lambda db, entry=entry: ledger.accept(db, entry, utc_s)).result(60)


def depths(writer: Writer) -> dict[str, dict[str, int]]:
    return writer.submit(outbox.depths).result(60)


def settled(lane: Lane, writer: Writer) -> dict[str, dict[str, int]]:
    lane.close()
    return depths(writer)


def test_what_waited_is_sent_in_order_then_what_comes(writer: Writer, start: Start) -> None:
    fill(writer, "a", "b", "c")
    receiver = FakeReceiver()
    lane = start(receiver, batch=2)
    assert receiver.wait_for(3) == ["a/0", "b/0", "c/0"]
    fill(writer, "d")
    lane.wake()
    assert receiver.wait_for(4)[-1] == "d/0"
    assert settled(lane, writer) == {}
    assert receiver.is_closed


def test_a_receiver_that_is_away_gets_all_later_in_order(writer: Writer, start: Start) -> None:
    fill(writer, "a", "b")
    receiver = FakeReceiver([away("refused")], [DELIVERED, away("lost")], [away("refused")])
    lane = start(receiver)
    assert receiver.wait_for(2) == ["a/0", "b/0"]
    assert receiver.batches == [["a/0", "b/0"], ["a/0", "b/0"], ["b/0"], ["b/0"]]
    assert settled(lane, writer) == {}


def test_the_status_says_why_and_forgets_it(writer: Writer, start: Start) -> None:
    fill(writer, "a")
    receiver = FakeReceiver([away("connection refused")])
    lane = start(receiver, retry_first_s=3600.0, retry_longest_s=3600.0)
    receiver.wait_for_batches(1)
    lane.close()
    assert (lane.status.error, lane.status.pause_s) == ("connection refused", 3600.0)
    other = start(FakeReceiver())
    other.close()
    assert other.status.error == ""


def test_a_refused_parcel_holds_up_the_others_until_it_is_dead(writer: Writer, start: Start) -> None:
    fill(writer, "a", "b")
    receiver = FakeReceiver([REFUSED], [REFUSED], [REFUSED])
    lane = start(receiver, tries=3)
    assert receiver.wait_for(1) == ["b/0"]
    assert settled(lane, writer) == {"hook": {"dead": 1}}


def test_a_hopeless_parcel_is_put_aside_at_once_with_its_reason(writer: Writer, start: Start) -> None:
    fill(writer, "a", "b", "c")
    receiver = FakeReceiver([DELIVERED, HOPELESS, DELIVERED])
    lane = start(receiver)
    assert receiver.wait_for(2) == ["a/0", "c/0"]
    lane.close()
    letters = writer.submit(lambda db: outbox.dead_letters(db, "hook", 9)).result(60)
    assert [(letter.visit_id, letter.error) for letter in letters] == [("b", "422")]


def test_being_away_never_makes_a_parcel_dead(writer: Writer, start: Start) -> None:
    fill(writer, "a")
    receiver = FakeReceiver(*[[away("refused")]] * 20)
    start(receiver, tries=1)
    assert receiver.wait_for(1) == ["a/0"]


def test_a_fault_of_a_library_does_not_end_the_lane(
    writer: Writer, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    fill(writer, "a")
    receiver = FakeReceiver(KeyError("surprise"))
    start(receiver)
    assert receiver.wait_for(1) == ["a/0"]
    assert "surprise" in caplog.text


def test_a_dead_letter_that_is_resent_is_delivered(writer: Writer, start: Start) -> None:
    fill(writer, "a", "b")
    receiver = FakeReceiver([HOPELESS, DELIVERED])
    lane = start(receiver)
    receiver.wait_for(1)
    assert settled(lane, writer) == {"hook": {"dead": 1}}
    writer.submit(lambda db: outbox.resend(db, "hook", utc_s=2.0)).result(60)
    receiver = FakeReceiver()
    start(receiver)
    assert receiver.wait_for(1) == ["a/0"]


class Slow(FakeReceiver):
    """Takes nothing until it may go on."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = threading.Event()
        self.may_go_on = threading.Event()

    def send(self, messages: Sequence[Message]) -> list[Result]:
        self.asked.set()
        assert self.may_go_on.wait(60)
        return super().send(messages)


def test_a_lane_that_is_to_end_stops_between_two_parcels_and_settles_the_first(
    writer: Writer, start: Start
) -> None:
    fill(writer, "a", "b", "c")
    receiver = Slow()
    lane = start(receiver, singly=True)
    assert receiver.asked.wait(60)
    lane.begin_close()
    receiver.may_go_on.set()
    assert settled(lane, writer) == {"hook": {"waiting": 2}}
    assert receiver.batches == [["a/0"]]


def test_a_lane_begins_when_the_one_before_it_has_ended(writer: Writer, start: Start) -> None:
    fill(writer, "a", "b", "c")
    old, new = Slow(), FakeReceiver()
    lane = start(old, batch=1)
    assert old.asked.wait(60)
    start(new, lane)
    old.may_go_on.set()
    assert new.wait_for(2) == ["b/0", "c/0"]
    assert old.is_closed


def test_what_is_taken_one_by_one_stops_at_what_must_be_sent_again(writer: Writer, start: Start) -> None:
    fill(writer, "a", "b", "c")
    receiver = FakeReceiver([DELIVERED], [HOPELESS], [REFUSED])
    lane = start(receiver, singly=True)
    receiver.wait_for(2)
    assert receiver.batches == [["a/0"], ["b/0"], ["c/0"], ["c/0"]]
    assert settled(lane, writer) == {"hook": {"dead": 1}}


class Watching(FakeReceiver):
    """Looks into the outbox while it is sent to."""

    def __init__(self, database: Path, *script: list[Result] | Exception) -> None:
        super().__init__(*script)
        self._database = database
        self.states: list[str] = []

    def send(self, messages: list[Message]) -> list[Result]:
        with sqlite3.connect(self._database) as database:
            self.states += [state for (state,) in database.execute("SELECT state FROM outbox ORDER BY id")]
        return super().send(messages)


def test_what_must_not_run_twice_is_claimed_one_by_one_before_it_is_sent(
    writer: Writer, start: Start, tmp_path: Path
) -> None:
    fill(writer, "a", "b")
    receiver = Watching(tmp_path / "anpr-stream.sqlite")
    lane = start(receiver, at_most_once=True)
    assert receiver.wait_for(2) == ["a/0", "b/0"]
    assert receiver.states == ["started", "waiting", "started"]
    assert settled(lane, writer) == {}


def test_what_surely_did_not_start_is_tried_again(writer: Writer, start: Start) -> None:
    fill(writer, "a")
    receiver = FakeReceiver([away("no such program")])
    start(receiver, at_most_once=True)
    assert receiver.wait_for(1) == ["a/0"]


@pytest.mark.parametrize("answer", [[REFUSED], [HOPELESS], KeyError("surprise")])
def test_what_may_have_run_is_not_run_again(
    writer: Writer, start: Start, answer: list[Result] | Exception
) -> None:
    fill(writer, "a", "b")
    receiver = FakeReceiver(answer)
    lane = start(receiver, at_most_once=True, tries=1)
    assert receiver.wait_for(1) == ["b/0"]
    assert settled(lane, writer) == {"hook": {"dead": 1}}


def test_what_came_too_late_is_put_aside_with_its_reason(
    writer: Writer, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    now_s = FakeClock().utc_s()
    fill(writer, "a", "b", utc_s=now_s - 61)
    fill(writer, "c", utc_s=now_s - 59)
    receiver = FakeReceiver()
    lane = start(receiver, at_most_once=True, max_age_s=60.0)
    assert receiver.wait_for(1) == ["c/0"]
    assert settled(lane, writer) == {"hook": {"dead": 2}}
    letters = writer.submit(lambda db: outbox.dead_letters(db, "hook", 9)).result(60)
    assert {letter.error for letter in letters} == {"too late: it waited for more than 60 s"}
    assert "a put aside: too late" in caplog.text
    assert DELIVERIES.labels("hook", "too_late")._value.get() >= 2


def test_what_came_too_late_is_sent_when_it_is_resent(writer: Writer, start: Start) -> None:
    now_s = FakeClock().utc_s()
    fill(writer, "a", utc_s=now_s - 61)
    fill(writer, "b", utc_s=now_s)
    receiver = FakeReceiver()
    with start(receiver, at_most_once=True, max_age_s=60.0):
        receiver.wait_for(1)
    writer.submit(lambda db: outbox.resend(db, "hook", utc_s=now_s)).result(60)
    receiver = FakeReceiver()
    start(receiver, at_most_once=True, max_age_s=60.0)
    assert receiver.wait_for(1) == ["a/0"]


def test_events_wait_for_their_receiver_as_long_as_it_takes(writer: Writer, start: Start) -> None:
    fill(writer, "a", utc_s=FakeClock().utc_s() - 1e8)
    receiver = FakeReceiver()
    start(receiver)
    assert receiver.wait_for(1) == ["a/0"]
