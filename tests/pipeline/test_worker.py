import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Barrier, Event, Semaphore

import pytest

from anpr_stream.errors import BackendError
from anpr_stream.metrics import CROPS_DROPPED
from anpr_stream.pipeline.worker import FairFrames, FreshCrops, Job, Worker


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
    with Worker("test", network, FairFrames(limit, lambda: cameras), deadline_s=0) as worker:
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


def test_threads_work_side_by_side() -> None:
    both = Barrier(2)

    def meet(items: Sequence[int]) -> list[int]:
        both.wait(30)
        return list(items)

    with Worker("test", meet, FairFrames[int, int](1), deadline_s=0, threads=2) as worker:
        futures = [worker.submit(Job("a", [n], is_alone=True)) for n in range(4)]
        assert [future.result(60) for future in futures] == [[0], [1], [2], [3]]


def test_a_thread_that_waits_holds_nothing_of_its_last_job() -> None:
    gone = Event()
    with Worker("test", list[set[int]], FairFrames[set[int], set[int]](1), deadline_s=0) as worker:
        frame = {7}
        weakref.finalize(frame, gone.set)
        worker.submit(Job("a", [frame])).result(30)
        del frame
        assert gone.wait(30)


def test_a_thread_that_waits_for_more_gives_way_to_the_one_that_takes_the_job() -> None:
    with Worker("test", list[int], FairFrames[int, int](8, lambda: 2), deadline_s=0.01, threads=2) as worker:
        futures = [worker.submit(Job("a", [n])) for n in range(50)]
        assert [future.result(30) for future in futures] == [[n] for n in range(50)]


def test_a_short_batch_waits_for_other_cameras_until_the_deadline() -> None:
    network = Network()
    network.allow.release(9)
    with Worker("test", network, FairFrames[int, int](8, lambda: 2), deadline_s=60) as worker:
        first, second = worker.submit(Job("a", [1])), worker.submit(Job("b", [2]))
        assert first.result(30) == [2]
        assert second.result(30) == [4]
    assert network.batches == [[1, 2]]


def test_one_camera_alone_never_waits() -> None:
    waiting: FairFrames[int, int] = FairFrames(8, lambda: 1)
    waiting.add(Job("a", [1]))
    assert not waiting.is_short()


def test_a_recording_never_waits_for_others() -> None:
    waiting: FairFrames[int, int] = FairFrames(8, lambda: 4)
    waiting.add(Job("a", [1], is_alone=True))
    assert not waiting.is_short()


class StillClock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def utc_s(self) -> float:
        return self.now_s

    def monotonic_s(self) -> float:
        return self.now_s


def crops(limit: int = 8, waiting_limit: int = 8) -> tuple[FreshCrops[int, int], StillClock]:
    clock = StillClock()
    return FreshCrops(limit, waiting_limit, clock), clock


def dropped(camera: str, reason: str) -> float:
    return CROPS_DROPPED.labels(camera, reason)._value.get()


def taken(waiting: FreshCrops[int, int]) -> list[list[int]]:
    return [list(job.items) for job in waiting.batch()]


def test_the_freshest_crops_are_read_first() -> None:
    waiting, _ = crops(limit=2)
    for number in range(3):
        waiting.add(Job("a", [number], key=number))
    assert taken(waiting) == [[2], [1]]
    assert taken(waiting) == [[0]]
    assert taken(waiting) == []


def test_a_newer_crop_takes_the_place_of_the_one_of_its_track() -> None:
    waiting, _ = crops()
    old = Job[int, int]("replacing", [1], key=7)
    waiting.add(old)
    waiting.add(Job("other", [2], key=7))
    waiting.add(Job("replacing", [3], key=7))
    assert old.future.cancelled()
    assert dropped("replacing", "replaced") == 1
    assert taken(waiting) == [[3], [2]]


def test_under_load_crops_of_settled_tracks_go_first_then_the_oldest() -> None:
    waiting, _ = crops(waiting_limit=2)
    for number, is_spare in enumerate((False, True, False, False)):
        waiting.add(Job("loaded", [number], key=number, is_spare=is_spare))
    assert taken(waiting) == [[3], [2]]
    assert dropped("loaded", "full") == 2


def test_a_crop_that_waited_too_long_is_dropped_and_counted() -> None:
    waiting, clock = crops()
    late = Job[int, int]("late", [1], key=1, expires_s=0.5)
    waiting.add(late)
    waiting.add(Job("late", [2], key=2, expires_s=2.0))
    clock.now_s = 1.0
    assert taken(waiting) == [[2]]
    assert late.future.cancelled()
    assert dropped("late", "too_late") == 1


def test_crops_of_recordings_are_never_dropped_and_come_in_order_after_live_ones() -> None:
    waiting, clock = crops(waiting_limit=1)
    for number in range(3):
        waiting.add(Job("file", [number, number], is_alone=True, key=1))
    waiting.add(Job("live", [9], key=1))
    clock.now_s = 1e9
    assert [taken(waiting) for _ in range(5)] == [[[9]], [[0, 0]], [[1, 1]], [[2, 2]], []]
