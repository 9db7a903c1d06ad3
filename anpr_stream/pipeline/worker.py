"""One worker per network serves all cameras: jobs come in, batches go to the network.

What waits, and which of it makes the next batch, is a `Waiting`: frames are served fairly
(`FairFrames`), crops freshest first (`FreshCrops`).
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Condition, Thread
from time import perf_counter
from typing import Generic, Protocol, TypeVar

from anpr_stream.interfaces import Clock
from anpr_stream.metrics import CROPS_DROPPED, QUEUE_DEPTH, STAGE_S

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, eq=False)
class Job(Generic[Item, Result]):
    """Work for a network.

    Attributes:
        camera: whose work it is.
        items: frames or crops.
        is_alone: never share a batch, so that the result depends on nothing else (recordings).
        key: a newer job of the same camera and key makes this one worthless; None: nothing does.
        is_spare: the first to go under load.
        expires_s: monotonic time after which the result is of no use.
        future: one result per item in the end; cancelled if the job is dropped.
    """

    camera: str
    items: Sequence[Item]
    is_alone: bool = False
    key: int | None = None
    is_spare: bool = False
    expires_s: float = float("inf")
    future: Future[list[Result]] = field(default_factory=Future)


class Waiting(Protocol[Item, Result]):
    """Jobs that wait for a worker, which holds the lock around every call."""

    def add(self, job: Job[Item, Result]) -> None:
        """Take a job; jobs that are dropped for it are cancelled and counted."""

    def batch(self) -> list[Job[Item, Result]]:
        """Take out the jobs of the next batch; empty if there are none."""

    def is_short(self) -> bool:
        """Tell whether a moment's wait may bring more jobs for the next batch."""

    def __len__(self) -> int:
        """Return the number of waiting jobs."""


class Worker(Generic[Item, Result]):
    """One thread or several that run one network for all cameras; a context manager."""

    def __init__(
        self,
        name: str,
        run: Callable[[Sequence[Item]], list[Result]],
        waiting: Waiting[Item, Result],
        deadline_s: float,
        threads: int = 1,
    ) -> None:
        """Start the threads.

        Args:
            name: for the threads and the metrics.
            run: the network; gives one result per item.
            waiting: holds the jobs.
            deadline_s: how long a short batch may wait for more.
            threads: batches at work at once.
        """
        self._name = name
        self._run = run
        self._waiting = waiting
        self._deadline_s = deadline_s
        self._changed = Condition()
        self._is_closed = False
        self._threads = [Thread(target=self._serve, name=f"anpr-{name}", daemon=True) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def submit(self, job: Job[Item, Result]) -> Future[list[Result]]:
        """Give a job to the worker; its future brings the results, the network's error, or is cancelled."""
        with self._changed:
            if self._is_closed:
                job.future.cancel()
                return job.future
            self._waiting.add(job)
            self._changed.notify_all()
        return job.future

    def close(self) -> None:
        """End the threads after their present batches; what waits is cancelled. May be called twice."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()
        while jobs := self._waiting.batch():
            for job in jobs:
                job.future.cancel()

    def __enter__(self) -> Worker[Item, Result]:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _serve(self) -> None:
        while self._serve_batch():
            pass

    def _serve_batch(self) -> bool:
        """Wait for a batch and run it; False when there will be none.

        By itself so that a thread that waits holds no frame: one keeps all buffers of its decoder alive.
        """
        jobs = self._next_batch()
        if jobs:
            _answer(jobs, self._timed_run)
        return bool(jobs)

    def _next_batch(self) -> list[Job[Item, Result]]:
        with self._changed:
            while not self._is_closed:
                if len(self._waiting) == 0:
                    self._changed.wait()
                    continue
                self._wait_for_more()
                if jobs := [
                    job for job in self._waiting.batch() if job.future.set_running_or_notify_cancel()
                ]:
                    QUEUE_DEPTH.labels(self._name).set(len(self._waiting))
                    return jobs
            return []

    def _wait_for_more(self) -> None:
        if self._deadline_s > 0:
            self._changed.wait_for(
                lambda: self._is_closed or not (len(self._waiting) and self._waiting.is_short()),
                self._deadline_s,
            )

    def _timed_run(self, items: Sequence[Item]) -> list[Result]:
        began_s = perf_counter()
        results = self._run(items)
        STAGE_S.labels(self._name).observe((perf_counter() - began_s) / max(1, len(items)))
        return results


def _answer(jobs: list[Job[Item, Result]], run: Callable[[Sequence[Item]], list[Result]]) -> None:
    """Run a batch and hand every job its share, or to all the error."""
    try:
        results = run([item for job in jobs for item in job.items])
    except Exception as error:  # noqa: BLE001 - it belongs to the cameras that wait for the results
        for job in jobs:
            job.future.set_exception(error)
        return
    begin = 0
    for job in jobs:
        end = begin + len(job.items)
        job.future.set_result(results[begin:end])
        begin = end


class FairFrames(Generic[Item, Result]):
    """Jobs of all cameras, each camera in turn; of one camera in order."""

    def __init__(self, limit: int, cameras: Callable[[], int] = lambda: 1) -> None:
        """Begin empty.

        Args:
            limit: most items in a batch.
            cameras: how many cameras there are now: with all of them in a batch, no wait is worth it.
        """
        self._limit = limit
        self._all_cameras = cameras
        self._cameras: OrderedDict[str, deque[Job[Item, Result]]] = OrderedDict()

    def __len__(self) -> int:
        return sum(len(jobs) for jobs in self._cameras.values())

    def add(self, job: Job[Item, Result]) -> None:
        """Take a job."""
        self._cameras.setdefault(job.camera, deque()).append(job)

    def is_short(self) -> bool:
        """Tell whether other cameras may still join the next batch."""
        first = next(iter(self._cameras.values()))[0]
        return not first.is_alone and len(self._cameras) < min(self._limit, self._all_cameras())

    def batch(self) -> list[Job[Item, Result]]:
        """Take one job of each camera in turn, as many as fit; a job that is alone comes by itself."""
        jobs: list[Job[Item, Result]] = []
        for camera in list(self._cameras):
            job = self._cameras[camera][0]
            if jobs and (job.is_alone or sum(len(j.items) for j in jobs) + len(job.items) > self._limit):
                continue
            jobs.append(self._take(camera))
            if job.is_alone:
                break
        return jobs

    def _take(self, camera: str) -> Job[Item, Result]:
        """Take a camera's first job; the camera goes to the end of the line."""
        waiting = self._cameras.pop(camera)
        job = waiting.popleft()
        if waiting:
            self._cameras[camera] = waiting
        return job


class FreshCrops(Generic[Item, Result]):
    """Crops of live cameras, freshest first; those of recordings by themselves, in order.

    A crop that is replaced by a newer one of its track, waited too long or does not fit any more is
    cancelled and counted; under load the crops of settled tracks go first, then the oldest.
    """

    def __init__(self, limit: int, waiting_limit: int, clock: Clock) -> None:
        """Begin empty.

        Args:
            limit: most items in a batch.
            waiting_limit: most live jobs that may wait.
            clock: tells when a job has waited too long.
        """
        self._limit = limit
        self._waiting_limit = waiting_limit
        self._clock = clock
        self._alone: deque[Job[Item, Result]] = deque()
        self._fresh: list[Job[Item, Result]] = []

    def __len__(self) -> int:
        return len(self._alone) + len(self._fresh)

    def is_short(self) -> bool:
        """Never wait: a crop that comes a moment later makes the next batch."""
        return False

    def add(self, job: Job[Item, Result]) -> None:
        """Take a job, and drop another for it where there must be one less."""
        if job.is_alone:
            self._alone.append(job)
            return
        for older in self._fresh:
            if job.key is not None and (older.camera, older.key) == (job.camera, job.key):
                self._drop(older, "replaced")
                break
        self._fresh.append(job)
        if len(self._fresh) > self._waiting_limit:
            self._drop(next((j for j in self._fresh if j.is_spare), self._fresh[0]), "full")

    def batch(self) -> list[Job[Item, Result]]:
        """Take out the freshest live jobs that fit, else the next job that is alone."""
        now_s = self._clock.monotonic_s()
        for job in [job for job in self._fresh if job.expires_s < now_s]:
            self._drop(job, "too_late")
        jobs: list[Job[Item, Result]] = []
        items = 0
        while self._fresh and (not jobs or items + len(self._fresh[-1].items) <= self._limit):
            jobs.append(self._fresh.pop())
            items += len(jobs[-1].items)
        if not jobs and self._alone:
            jobs = [self._alone.popleft()]
        return jobs

    def _drop(self, job: Job[Item, Result], reason: str) -> None:
        self._fresh.remove(job)
        job.future.cancel()
        CROPS_DROPPED.labels(job.camera, reason).inc(len(job.items))
