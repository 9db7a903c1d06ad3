"""From the outbox to one receiver: in order, at least once, patient with receivers that are away."""

from __future__ import annotations

import logging
import random
import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from anpr_stream.errors import StoreError
from anpr_stream.interfaces import Clock
from anpr_stream.metrics import DELIVERIES, DELIVERY_S
from anpr_stream.outputs.transport import Message, Result, Transport, Verdict
from anpr_stream.service.writer import Writer
from anpr_stream.store import outbox
from anpr_stream.store.database import read_database
from anpr_stream.store.outbox import Parcel

LOG = logging.getLogger(__name__)
LOOK_AGAIN_S = 5.0
"""Dead letters that another process queued again are found after this time."""
AGAIN = (Verdict.AWAY, Verdict.REFUSED)
"""What became of a parcel that stays first in the queue."""


@dataclass(frozen=True, slots=True)
class LanePolicy:
    """How a lane treats its receiver.

    Attributes:
        name: of the lane; also of its rows in the outbox.
        batch: parcels in one go.
        retry_first_s: first pause after a failure; doubled each time.
        retry_longest_s: longest pause.
        tries: refusals until a parcel is put aside.
        at_most_once: claim before sending; what a crash finds claimed is put aside, not sent again.
        max_age_s: parcels that wait for longer are put aside, not sent; None: they wait for ever.
        singly: the receiver takes a batch one by one; a lane that is to end stops between two.
    """

    name: str
    batch: int = 50
    retry_first_s: float = 1.0
    retry_longest_s: float = 300.0
    tries: int = 50
    at_most_once: bool = False
    max_age_s: float | None = None
    singly: bool = False


@dataclass(frozen=True, slots=True)
class LaneStatus:
    """What a lane does: the last error while its receiver is away, and the pause before the next try."""

    error: str = ""
    pause_s: float = 0.0


class Lane:
    """A thread that empties one receiver's outbox; a context manager."""

    def __init__(
        self,
        policy: LanePolicy,
        transport: Transport,
        writer: Writer,
        folder: Path,
        clock: Clock,
        before: Lane | None = None,
        tend: Callable[[], str | None] = lambda: None,
    ) -> None:
        """Start the thread.

        Args:
            policy: how to treat the receiver.
            transport: the way to it; closed in the end.
            writer: takes what became of the parcels.
            folder: the store's.
            clock: for the age of what is delivered.
            before: a lane of this name that is ending; this one begins after it and sends what it left.
            tend: called in the thread now and then, and after each `wake`, while nothing waits; returns
                why the receiver is away, empty where it is there, None where that is unknown.
        """
        self._policy = policy
        self._transport = transport
        self._writer = writer
        self._folder = folder
        self._clock = clock
        self._before = before
        self._tend = tend
        self._wake = threading.Event()
        self._is_closing = threading.Event()
        self.status = LaneStatus()
        self._thread = threading.Thread(target=self._run, name=f"anpr-lane-{policy.name}", daemon=True)
        self._thread.start()

    @property
    def name(self) -> str:
        """Name of the lane."""
        return self._policy.name

    def wake(self) -> None:
        """Tell the lane that there is something to send or to tend; never waits."""
        self._wake.set()

    def begin_close(self) -> None:
        """Let the thread end after the try that it is in."""
        self._is_closing.set()
        self._wake.set()

    def close(self, within_s: float | None = None) -> None:
        """End the thread; what it could not send stays in the outbox. May be called twice."""
        self.begin_close()
        self._thread.join(within_s)

    def __enter__(self) -> Lane:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self) -> None:
        with closing(self._transport):
            if self._before is not None:
                self._before.close()
                self._before = None
            while not self._is_closing.is_set():
                try:
                    self._empty()
                except (StoreError, sqlite3.Error) as error:
                    self._back_off(str(error), 0.0)
                except Exception as error:
                    # A lane that ended would hold events back without a word.
                    LOG.exception("%s: unexpected failure", self.name)
                    self._back_off(f"{type(error).__name__}: {error}", 0.0)

    def _empty(self) -> None:
        """Send until the lane is to end."""
        with closing(read_database(self._folder)) as database:
            while not self._is_closing.is_set():
                self._step(database)

    def _step(self, database: sqlite3.Connection) -> None:
        self._wake.clear()
        parcels = outbox.take(database, self.name, self._policy.batch)
        if not parcels:
            self._idle()
            return
        if old := [parcel for parcel in parcels if self._is_too_old(parcel)]:
            self._put_aside(old)
            return
        if self._policy.at_most_once:
            parcels = parcels[:1]
            self._writer.submit(lambda db: outbox.claim(db, [parcels[0].id])).result()
        results = self._send_singly(parcels) if self._policy.singly else self._send(parcels)
        self._writer.submit(lambda db: self._settle(db, parcels, results)).result()
        self._count(parcels, results)
        last = results[-1]
        if last.verdict in AGAIN:
            self._back_off(last.error, last.retry_after_s)
        else:
            self._recovered()

    def _idle(self) -> None:
        """Look after the receiver, then wait for something to send."""
        found = self._tend()
        if found:
            self._back_off(found, 0.0)
            return
        if found is not None:
            self._recovered()
        self._wake.wait(LOOK_AGAIN_S)

    def _is_too_old(self, parcel: Parcel) -> bool:
        max_age_s = self._policy.max_age_s
        return max_age_s is not None and self._clock.utc_s() - parcel.queued_utc_s > max_age_s

    def _put_aside(self, old: Sequence[Parcel]) -> None:
        ids = [parcel.id for parcel in old]
        self._writer.submit(lambda db: outbox.put_aside(db, ids, self._too_late)).result()
        DELIVERIES.labels(self.name, "too_late").inc(len(ids))
        for parcel in old:
            LOG.error("%s: %s put aside: %s", self.name, parcel.visit_id, self._too_late)

    @property
    def _too_late(self) -> str:
        return f"too late: it waited for more than {self._policy.max_age_s:g} s"

    def _send_singly(self, parcels: Sequence[Parcel]) -> list[Result]:
        """Send one parcel after the other, until one has to be sent again or the lane is to end."""
        results: list[Result] = []
        for parcel in parcels:
            results += self._send([parcel])
            if results[-1].verdict in AGAIN or self._is_closing.is_set():
                break
        return results

    def _send(self, parcels: Sequence[Parcel]) -> list[Result]:
        messages = [Message(parcel.visit_id, parcel.revision, parcel.payload) for parcel in parcels]
        try:
            return self._transport.send(messages)
        except Exception as error:
            LOG.exception("%s: unexpected failure", self.name)
            verdict = Verdict.HOPELESS if self._policy.at_most_once else Verdict.AWAY
            return [Result(verdict, f"{type(error).__name__}: {error}")]

    def _settle(
        self, database: sqlite3.Connection, parcels: Sequence[Parcel], results: Sequence[Result]
    ) -> None:
        """Write down what became of the parcels."""
        done = []
        for parcel, result in zip(parcels, results, strict=False):
            if result.verdict is Verdict.DELIVERED:
                done.append(parcel.id)
            elif result.verdict is Verdict.AWAY:
                outbox.release(database, [parcel.id])
            else:
                is_dead = result.verdict is Verdict.HOPELESS or parcel.tries + 1 >= self._policy.tries
                outbox.refused(database, parcel.id, result.error, is_dead)
        outbox.delivered(database, done)

    def _count(self, parcels: Sequence[Parcel], results: Sequence[Result]) -> None:
        now_s = self._clock.utc_s()
        for parcel, result in zip(parcels, results, strict=False):
            DELIVERIES.labels(self.name, result.verdict.value).inc()
            if result.verdict is Verdict.DELIVERED:
                DELIVERY_S.labels(self.name).observe(max(0.0, now_s - parcel.queued_utc_s))
            elif result.verdict is Verdict.HOPELESS:
                LOG.error("%s: %s put aside: %s", self.name, parcel.visit_id, result.error)

    def _back_off(self, error: str, at_least_s: float) -> None:
        """Wait, twice as long as last time, by chance a little less, so that lanes do not march in step."""
        if not self.status.error:
            LOG.warning("%s: not delivered, will be tried again: %s", self.name, error)
        policy = self._policy
        pause_s = min(max(policy.retry_first_s, 2 * self.status.pause_s), policy.retry_longest_s)
        self.status = LaneStatus(error, pause_s)
        self._is_closing.wait(max(at_least_s, pause_s * random.uniform(0.5, 1.0)))

    def _recovered(self) -> None:
        if self.status.error:
            LOG.warning("%s: delivers again", self.name)
        self.status = LaneStatus()
