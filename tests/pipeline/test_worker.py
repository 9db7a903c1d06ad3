from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Event, Semaphore

import pytest

from anpr_stream.errors import BackendError
from anpr_stream.pipeline.worker import FairFrames, Job, Worker


class Network:
    """Doubles numbers, one batch for each `allow`."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.began = Event()
        self.allow = Semaphore(0)

    def __call__(self, items: Sequence[int]) -> list[int]:
        self.began.set()
        self.allow.acquire()
        self.batches.append(list(items))
        if 13 in items:
            raise BackendError("the engine failed")
        return [2 * item for item in items]


@contextmanager
def busy_worker(limit: int, cameras: int) -> Iterator[tuple[Worker[int, int], Network]]:
    """A worker that is at work on a first job, so that what is submitted now waits together."""
    network = Network()
    with Worker("test", network, FairFrames(limit, cameras), deadline_s=0) as worker:
        worker.submit(Job("first", [0]))
        assert network.began.wait(30)
        yield worker, network


def test_each_job_gets_its_own_results() -> None:
    with busy_worker(limit=8, cameras=3) as (worker, network):
        futures = [worker.submit(Job(name, [n, n + 1])) for name, n in (("a", 1), ("b", 5))]
        network.allow.release(2)
        assert [future.result(30) for future in futures] == [[2, 4], [10, 12]]
    assert network.batches == [[0], [1, 2, 5, 6]]


def test_a_batch_takes_one_job_of_each_camera_in_turn() -> None:
    with busy_worker(limit=2, cameras=3) as (worker, network):
        futures = [worker.submit(Job(camera, [n])) for n, camera in enumerate("aaabc", 1)]
        network.allow.release(9)
        assert [future.result(30) for future in futures] == [[2], [4], [6], [8], [10]]
    assert network.batches == [[0], [1, 4], [5, 2], [3]]


def test_a_recording_never_shares_a_batch() -> None:
    with busy_worker(limit=8, cameras=3) as (worker, network):
        futures = [
            worker.submit(Job("live", [1])),
            worker.submit(Job("file", [2], is_alone=True)),
            worker.submit(Job("file", [3], is_alone=True)),
            worker.submit(Job("live", [4])),
        ]
        network.allow.release(9)
        assert [future.result(30) for future in futures] == [[2], [4], [6], [8]]
    assert all(len(batch) == 1 for batch in network.batches)


def test_the_error_of_a_batch_reaches_its_jobs_and_the_worker_goes_on() -> None:
    with busy_worker(limit=1, cameras=1) as (worker, network):
        bad, good = worker.submit(Job("a", [13])), worker.submit(Job("a", [1]))
        network.allow.release(3)
        with pytest.raises(BackendError, match="the engine failed"):
            bad.result(30)
        assert good.result(30) == [2]


def test_a_cancelled_job_is_not_run() -> None:
    with busy_worker(limit=1, cameras=1) as (worker, network):
        gone, kept = worker.submit(Job("a", [1])), worker.submit(Job("a", [2]))
        assert gone.cancel()
        network.allow.release(2)
        assert kept.result(30) == [4]
    assert network.batches == [[0], [2]]


def test_a_closed_worker_cancels_what_waits_and_what_comes() -> None:
    network = Network()
    worker = Worker("test", network, FairFrames[int, int](1), deadline_s=0)
    running = worker.submit(Job("a", [1]))
    assert network.began.wait(30)
    waiting = worker.submit(Job("a", [2]))
    network.allow.release()
    worker.close()
    worker.close()
    assert running.result(30) == [2]
    assert waiting.cancelled()
    assert worker.submit(Job("a", [3])).cancelled()


def test_a_short_batch_waits_for_other_cameras_until_the_deadline() -> None:
    network = Network()
    network.allow.release(9)
    with Worker("test", network, FairFrames[int, int](8, live_cameras=2), deadline_s=60) as worker:
        first, second = worker.submit(Job("a", [1])), worker.submit(Job("b", [2]))
        assert first.result(30) == [2]
        assert second.result(30) == [4]
    assert network.batches == [[1, 2]]


def test_one_camera_alone_never_waits() -> None:
    waiting: FairFrames[int, int] = FairFrames(8, live_cameras=1)
    waiting.add(Job("a", [1]))
    assert not waiting.is_short()


def test_a_recording_never_waits_for_others() -> None:
    waiting: FairFrames[int, int] = FairFrames(8, live_cameras=4)
    waiting.add(Job("a", [1], is_alone=True))
    assert not waiting.is_short()
