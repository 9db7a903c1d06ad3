from dataclasses import replace
from threading import Event as Flag

import pytest

from anpr_stream.errors import AnprError, SinkError, StoreError
from anpr_stream.metrics import EVENTS, VISITS_UNREAD
from anpr_stream.pipeline.delivery import WAITING_EVENTS, Delivery
from anpr_stream.types import Event, EventKind
from tests.outputs.events import make_event


class ListSink:
    """Keeps events; fails from the `fails_at`th on."""

    def __init__(self, fails_at: int | None = None) -> None:
        self.events: list[Event] = []
        self.closed = 0
        self._fails_at = fails_at

    def write(self, event: Event) -> None:
        if self._fails_at is not None and len(self.events) >= self._fails_at:
            raise SinkError("disk full")
        self.events.append(event)

    def close(self) -> None:
        self.closed += 1

    def __enter__(self) -> "ListSink":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def events(count: int) -> list[Event]:
    return [make_event(revision=number) for number in range(count)]


def test_every_sink_gets_every_event_in_order_and_is_closed() -> None:
    sinks = [ListSink(), ListSink()]
    with Delivery(sinks) as delivery:
        for event in events(50):
            delivery.send(event)
    assert [sink.events for sink in sinks] == [events(50)] * 2
    assert [sink.closed for sink in sinks] == [1, 1]


def test_closing_twice_closes_the_sinks_once() -> None:
    sink = ListSink()
    delivery = Delivery([sink])
    delivery.close()
    delivery.close()
    assert sink.closed == 1
    with pytest.raises(SinkError, match="closed already"):
        delivery.send(make_event())


def test_a_sink_that_fails_is_told_and_the_others_go_on() -> None:
    bad, good = ListSink(fails_at=1), ListSink()
    errors: list[AnprError] = []
    with Delivery([bad, good], on_error=errors.append) as delivery:
        for event in events(3):
            delivery.send(event)
    assert (len(bad.events), bad.closed) == (1, 1)
    assert (len(good.events), good.closed) == (3, 1)
    assert [error.message for error in errors] == ["disk full"]


class BrokenSink(ListSink):
    """Meets faults of the program, also while it is closed."""

    def write(self, event: Event) -> None:
        raise ZeroDivisionError("broken")

    def close(self) -> None:
        super().close()
        raise ZeroDivisionError("broken")


def test_a_sink_with_a_fault_of_the_program_is_told_and_nobody_waits_for_it() -> None:
    bad, good = BrokenSink(), ListSink()
    errors: list[AnprError] = []
    with Delivery([bad, good], on_error=errors.append) as delivery:
        for event in events(WAITING_EVENTS + 2):
            delivery.send(event)
    assert (len(good.events), good.closed, bad.closed) == (WAITING_EVENTS + 2, 1, 1)
    assert [error.reason_slug for error in errors] == ["internal"]


def test_a_fault_of_the_program_in_preparing_costs_no_event() -> None:
    def fail(event: Event) -> Event:
        raise ZeroDivisionError("broken")

    sink = ListSink()
    errors: list[AnprError] = []
    with Delivery([sink], prepare=fail, on_error=errors.append) as delivery:
        for event in events(WAITING_EVENTS + 2):
            delivery.send(event)
    assert len(sink.events) == WAITING_EVENTS + 2
    assert {error.reason_slug for error in errors} == {"internal"}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_nobody_waits_for_a_delivery_whose_thread_is_gone() -> None:
    def fail(error: AnprError) -> None:
        raise error

    sink = ListSink()
    delivery = Delivery([sink, ListSink(fails_at=0)], on_error=fail)

    def send_all() -> None:
        for event in events(2 * WAITING_EVENTS):
            delivery.send(event)

    with pytest.raises(SinkError, match="closed already"):
        send_all()
    delivery.close()
    assert sink.closed == 1


def test_events_are_prepared_before_the_sinks_see_them() -> None:
    sink = ListSink()
    with Delivery([sink], prepare=lambda event: replace(event, camera="prepared")) as delivery:
        delivery.send(make_event())
    assert [event.camera for event in sink.events] == ["prepared"]


def test_an_event_that_cannot_be_prepared_is_still_delivered() -> None:
    def fail(event: Event) -> Event:
        raise StoreError("no room for the picture")

    sink = ListSink()
    errors: list[AnprError] = []
    with Delivery([sink], prepare=fail, on_error=errors.append) as delivery:
        delivery.send(make_event())
    assert len(sink.events) == 1
    assert [type(error) for error in errors] == [StoreError]


def test_a_slow_sink_does_not_hold_up_who_sends() -> None:
    class SlowSink(ListSink):
        go_on = Flag()

        def write(self, event: Event) -> None:
            self.go_on.wait(60)
            super().write(event)

    sink = SlowSink()
    with Delivery([sink]) as delivery:
        for event in events(90):
            delivery.send(event)
        assert sink.events == []
        sink.go_on.set()
    assert len(sink.events) == 90


def test_events_and_unread_visits_are_counted() -> None:
    with Delivery([]) as delivery:
        delivery.send(replace(make_event(), camera="counted"))
        delivery.send(replace(make_event(plate=None, kind=EventKind.FINAL), camera="counted"))
    assert EVENTS.labels("counted", "final")._value.get() == 2
    assert VISITS_UNREAD.labels("counted", "too_small")._value.get() == 1
