"""The one thread that writes to the store: what waits together is committed together."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from anpr_stream.errors import StoreError
from anpr_stream.metrics import QUEUE_DEPTH, STORE_FAULTS

LOG = logging.getLogger(__name__)
T = TypeVar("T")
AT_ONCE = 256
"""Jobs in one commit; more would keep the first ones waiting."""
RETRY_S = 1.0


class Writer:
    """Runs jobs on the store's database, in order, many to a commit; a context manager.

    While the disk is full or broken, jobs wait and are tried again; `fault` says why. A job that fails
    by itself fails alone.
    """

    def __init__(self, database: sqlite3.Connection, on_fault: Callable[[], None] = lambda: None) -> None:
        """Take over a connection; it is closed in the end.

        Args:
            database: of the store, for writing.
            on_fault: called in the writer's thread whenever the disk does not take a commit.
        """
        self._database = database
        self._on_fault = on_fault
        self._jobs: deque[tuple[Callable[[sqlite3.Connection], Any], Future[Any]]] = deque()
        self._changed = threading.Condition()
        self._is_closing = False
        self.fault = ""
        self._thread = threading.Thread(target=self._run, name="anpr-writer", daemon=True)
        self._thread.start()

    def submit(self, job: Callable[[sqlite3.Connection], T]) -> Future[T]:
        """Queue a job; its future brings the result when it is committed.

        The job may run more than once, each time on a clean transaction.
        """
        future: Future[T] = Future()
        with self._changed:
            if self._is_closing:
                future.set_exception(StoreError("the store is closed"))
                return future
            self._jobs.append((job, future))
            self._changed.notify_all()
        return future

    def close(self) -> None:
        """Run what waits, if the disk lets us, and close the database; may be called twice."""
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()
        self._thread.join()

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self) -> None:
        while batch := self._next_batch():
            results = self._commit(batch)
            for (_, future), result in zip(batch, results, strict=True):
                if isinstance(result, Exception):
                    future.set_exception(result)
                else:
                    future.set_result(result)
        self._database.close()

    def _next_batch(self) -> list[tuple[Callable[[sqlite3.Connection], Any], Future[Any]]]:
        with self._changed:
            self._changed.wait_for(lambda: self._jobs or self._is_closing)
            batch = [self._jobs.popleft() for _ in range(min(AT_ONCE, len(self._jobs)))]
            QUEUE_DEPTH.labels("writer").set(len(self._jobs))
            return batch

    def _commit(self, batch: list[tuple[Callable[[sqlite3.Connection], Any], Future[Any]]]) -> list[Any]:
        """Run a batch in one transaction, again and again until the disk takes it."""
        while True:
            try:
                self._database.execute("BEGIN IMMEDIATE")
                results = [self._attempt(job) for job, _ in batch]
                self._database.execute("COMMIT")
            except sqlite3.Error as error:
                self._roll_back(error)
                with self._changed:
                    if self._changed.wait_for(lambda: self._is_closing, RETRY_S):
                        return [StoreError(f"the store cannot be written: {error}")] * len(batch)
            else:
                self._clear_fault()
                return results

    def _attempt(self, job: Callable[[sqlite3.Connection], Any]) -> Any:
        """Run one job so that its own failure takes back its own changes only.

        Raises:
            sqlite3.Error: the database itself fails.
        """
        self._database.execute("SAVEPOINT job")
        try:
            result = job(self._database)
        except sqlite3.OperationalError:
            raise
        except Exception as error:  # noqa: BLE001 - it belongs to the one that waits for the result
            self._database.execute("ROLLBACK TO job")
            result = error
        self._database.execute("RELEASE job")
        return result

    def _roll_back(self, error: sqlite3.Error) -> None:
        STORE_FAULTS.inc()
        if not self.fault:
            LOG.error("the store cannot be written, events wait in memory: %s", error)
        self.fault = str(error)
        if self._database.in_transaction:
            self._database.execute("ROLLBACK")
        self._on_fault()

    def _clear_fault(self) -> None:
        if self.fault:
            LOG.warning("the store can be written again")
        self.fault = ""
