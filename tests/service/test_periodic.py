from __future__ import annotations

import threading

import pytest

from anpr_stream.service.periodic import Periodic


def test_work_is_done_again_and_again_though_it_fails(caplog: pytest.LogCaptureFixture) -> None:
    done = threading.Semaphore(0)

    def work() -> None:
        done.release()
        raise ValueError("no luck")

    with Periodic("luck", 0.001, work):
        assert all(done.acquire(timeout=60) for _ in range(3))
    assert "luck failed" in caplog.text


def test_closing_ends_the_wait() -> None:
    periodic = Periodic("never", 86_400.0, lambda: None)
    periodic.close()
    periodic.close()


def test_a_call_that_hangs_does_not_keep_the_end() -> None:
    is_called, may_go_on = threading.Event(), threading.Event()

    def work() -> None:
        is_called.set()
        may_go_on.wait(100)

    with Periodic("hung", 0.001, work):
        assert is_called.wait(60)
    may_go_on.set()
