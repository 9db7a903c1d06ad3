"""The plan cache: what is good is found, what is not is built again, and nothing goes wrong."""

from __future__ import annotations

import errno
import logging
import multiprocessing
import os
from dataclasses import replace
from pathlib import Path

import pytest

from anpr_stream.inference.tensorrt_cache import PlanCache, PlanKey

KEY = PlanKey("detector-cpu", "ab" * 32, "tensorrt 10.7.0", "T4", "7.5", "fp16", "1..16x3x384x640")


class Builder:
    def __init__(self, plan: bytes = b"plan") -> None:
        self.plan = plan
        self.calls = 0

    def __call__(self) -> bytes:
        self.calls += 1
        return self.plan


@pytest.fixture
def cache(tmp_path: Path) -> PlanCache:
    return PlanCache(tmp_path / "plans")


def test_a_plan_is_built_once(cache: PlanCache) -> None:
    build = Builder(b"a plan\nwith a line break")
    assert [cache.get(KEY, build) for _ in range(3)] == [build.plan] * 3
    assert build.calls == 1


@pytest.mark.parametrize("field", PlanKey.__dataclass_fields__)
def test_every_part_of_the_key_matters(cache: PlanCache, field: str) -> None:
    cache.get(KEY, Builder(b"old"))
    other = replace(KEY, **{field: "something else"})
    assert cache.get(other, Builder(b"new")) == b"new"
    assert cache.get(KEY, Builder(b"never")) == b"old"


def damage_tail(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-2])


def damage_header(path: Path) -> None:
    path.write_bytes(b"\x00" + path.read_bytes())


def foreign(path: Path) -> None:
    other = PlanCache(path.parent / "other")
    key = replace(KEY, tensorrt="tensorrt 10.9.0")
    other.get(key, Builder(b"foreign"))
    path.write_bytes((other.folder / key.file_name).read_bytes())


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (damage_tail, "damaged"),
        (damage_header, "damaged"),
        (foreign, "something else"),
        (Path.unlink, "none yet"),
    ],
)
def test_a_plan_that_is_not_good_is_built_again_with_one_line(
    cache: PlanCache, caplog: pytest.LogCaptureFixture, spoil, reason: str
) -> None:
    cache.get(KEY, Builder(b"old"))
    spoil(cache.folder / KEY.file_name)
    with caplog.at_level(logging.INFO):
        caplog.clear()
        assert cache.get(KEY, Builder(b"new")) == b"new"
    assert len(caplog.records) == 1
    assert reason in caplog.text
    assert cache.get(KEY, Builder(b"never")) == b"new"


def test_a_folder_that_cannot_be_made_costs_only_the_storing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    cache = PlanCache(tmp_path / "file" / "plans")
    assert cache.get(KEY, Builder(b"plan")) == b"plan"
    assert "cannot be stored" in caplog.text


def test_a_full_disk_leaves_no_half_plan(
    cache: PlanCache, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    assert cache.get(KEY, Builder(b"plan")) == b"plan"
    assert "No space left" in caplog.text
    assert not [path for path in cache.folder.iterdir() if path.suffix != ".lock"]


def test_timings_are_kept_for_the_gpu_and_its_tensorrt(cache: PlanCache) -> None:
    assert cache.timings(KEY) == b""
    cache.keep_timings(KEY, b"timings")
    assert cache.timings(replace(KEY, network="reader-cpu")) == b"timings"
    assert cache.timings(replace(KEY, gpu="L4")) == b""


def ask(folder: Path, log: Path, barrier) -> None:
    def build() -> bytes:
        with log.open("a") as file:
            file.write("built\n")
        return b"plan"

    barrier.wait()
    assert PlanCache(folder).get(KEY, build) == b"plan"


def test_two_processes_at_once_build_one_plan(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(2)
    arguments = (tmp_path / "plans", tmp_path / "log", barrier)
    processes = [context.Process(target=ask, args=arguments) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    assert (tmp_path / "log").read_text() == "built\n"
