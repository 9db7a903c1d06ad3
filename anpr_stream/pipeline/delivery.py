"""Events on their way to the sinks, in a thread of their own: a slow disk delays no frame."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from threading import Thread

from anpr_stream.errors import AnprError, SinkError, program_fault
from anpr_stream.interfaces import Sink
from anpr_stream.metrics import EVENTS, QUEUE_DEPTH, VISITS_UNREAD
from anpr_stream.pipeline.queues import Channel, Closed
from anpr_stream.types import Event, EventKind

log = logging.getLogger(__name__)

WAITING_EVENTS = 100
"""Events that may wait for the sinks, each with a frame of 3 MB. Then cameras wait; nothing is lost."""


def count(event: Event) -> None:
    """Count an event that a camera sent, and a visit that ended without a text."""
    EVENTS.labels(event.camera, event.kind.value).inc()
    if event.kind is EventKind.FINAL and event.reason is not None:
        VISITS_UNREAD.labels(event.camera, event.reason).inc()


class Delivery:
    """Hands every event to every sink, in the order of `send`; a context manager that closes the sinks.

    A sink that fails is left out from then on; the others go on.
    """

    def __init__(
        self,
        sinks: Sequence[Sink],
        prepare: Callable[[Event], Event] = lambda event: event,
        on_error: Callable[[AnprError], None] = lambda error: None,
    ) -> None:
        """Start the thread.

        Args:
            sinks: closed at the end.
            prepare: runs before the sinks, in their thread: stores pictures, adds list hits.
            on_error: told of each sink that fails, and of a `prepare` that fails.
        """
        self._sinks = list(sinks)
        self._prepare = prepare
        self._on_error = on_error
        self._channel: Channel[Event] = Channel(WAITING_EVENTS)
        self._thread = Thread(target=self._run, name="anpr-delivery", daemon=True)
        self._thread.start()

    def send(self, event: Event) -> None:
        """Take an event; waits only while `WAITING_EVENTS` of them wait already.

        Raises:
            SinkError: the delivery was closed.
        """
        count(event)
        try:
            self._channel.put(event)
        except Closed:
            raise SinkError("the outputs are closed already", "sink-closed") from None

    def close(self) -> None:
        """Deliver what waits, then close the sinks; may be called twice."""
        self._channel.close()
        self._thread.join()

    def __enter__(self) -> Delivery:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self) -> None:
        try:
            for event in self._channel:
                QUEUE_DEPTH.labels("events").set(len(self._channel))
                self._deliver(event)
        finally:
            self._channel.abandon()  # else a camera would wait for ever for room in it
            for sink in list(self._sinks):
                self._guarded(sink, sink.close)

    def _deliver(self, event: Event) -> None:
        try:
            event = self._prepare(event)
        except Exception as error:  # noqa: BLE001 - told, and the event goes on as it is
            self._tell(error)
        for sink in list(self._sinks):
            self._guarded(sink, partial(sink.write, event))

    def _guarded(self, sink: Sink, act: Callable[[], None]) -> None:
        try:
            act()
        except Exception as error:  # noqa: BLE001 - told, and the others go on
            self._sinks.remove(sink)
            with suppress(Exception):
                sink.close()
            self._tell(error)

    def _tell(self, error: Exception) -> None:
        if isinstance(error, AnprError):
            log.error("%s", error)
            self._on_error(error)
        else:
            log.error("outputs", exc_info=error)
            self._on_error(program_fault("outputs", error))
