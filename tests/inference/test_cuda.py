"""A GPU through pycuda, over a stand-in that frees and fails as pycuda does."""

from __future__ import annotations

import os
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from anpr_stream.errors import BackendError
from anpr_stream.inference.cuda import CudaDevice, count_devices


class Driver(SimpleNamespace):
    """`pycuda.driver`: what is dropped while no context is current stays taken for ever."""

    class Error(Exception):
        pass

    class MemoryError(Error):
        pass

    def __init__(self) -> None:
        self.depth = self.detached = self.taken = self.freed = 0
        self.stream_flags: list[int] = []
        self.Device = Devices(self)

    def init(self) -> None:
        pass

    def get_driver_version(self) -> int:
        return 13020

    def module_from_buffer(self, source: bytes) -> Thing:
        assert b".version" in source
        return Thing(self)

    def mem_alloc(self, size: int) -> Thing:
        if size > 1000:
            raise self.MemoryError("cuMemAlloc failed: out of memory")
        return Thing(self)

    def pagelocked_empty(self, shape: tuple[int, ...], dtype: object) -> np.ndarray:
        return np.zeros(shape, dtype).view(Pinned).of(self)

    def Stream(self, flags: int) -> Thing:
        self.stream_flags.append(flags)
        return Thing(self)


class Thing:
    def __init__(self, driver: Driver) -> None:
        assert driver.depth
        self.driver = driver
        driver.taken += 1

    def __int__(self) -> int:
        return 4096

    def __del__(self) -> None:
        self.driver.freed += self.driver.depth > 0


class Pinned(np.ndarray):
    def of(self, driver: Driver) -> Pinned:
        self.thing = Thing(driver)
        return self


class Devices:
    def __init__(self, driver: Driver) -> None:
        self.driver = driver
        self.number = 1

    def count(self) -> int:
        return self.number

    def __call__(self, index: int) -> Device:
        return Device(self.driver)


class Device:
    def __init__(self, driver: Driver) -> None:
        self.driver = driver

    def name(self) -> str:
        return "Fake"

    def compute_capability(self) -> tuple[int, int]:
        return 8, 6

    def total_memory(self) -> int:
        return 1 << 30

    def retain_primary_context(self) -> Device:
        return self

    def push(self) -> None:
        self.driver.depth += 1

    def pop(self) -> None:
        self.driver.depth -= 1

    def detach(self) -> None:
        self.driver.detached += 1


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Driver:
    driver = Driver()
    monkeypatch.setitem(sys.modules, "pycuda.driver", driver)
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "FASTEST_FIRST")
    return driver


def test_everything_is_freed_wherever_it_is_dropped(driver: Driver) -> None:
    device = CudaDevice()
    with device.current():
        things = [device.stream(), device.allocate(16), device.pinned((2, 3), np.float16)[1:]]
    assert things[1].address == 4096
    things.clear()
    del device
    assert driver.freed == driver.taken == 4
    assert (driver.depth, driver.detached) == (0, 1)


def test_streams_stand_beside_the_default_one(driver: Driver) -> None:
    device = CudaDevice()
    with device.current():
        device.stream()
    assert driver.stream_flags == [1]


@pytest.mark.parametrize(("kind", "slug"), [("Error", "gpu-failed"), ("MemoryError", "gpu-memory")])
def test_whatever_the_driver_says_is_told_in_one_line(driver: Driver, kind: str, slug: str) -> None:
    device = CudaDevice()
    with pytest.raises(BackendError, match=r"GPU 0 \(Fake\)") as caught, device.current():
        raise getattr(driver, kind)("cuStreamSynchronize failed: unspecified\nlaunch failure")
    assert caught.value.reason_slug == slug
    assert "\n" not in str(caught.value)
    assert driver.depth == 0


def test_gpus_are_counted_as_nvidia_smi_counts(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    driver.Device.number = 3
    assert count_devices() == 3
    assert os.environ["CUDA_DEVICE_ORDER"] == "FASTEST_FIRST", "the user's own order stands"
    monkeypatch.delenv("CUDA_DEVICE_ORDER")
    count_devices()
    assert os.environ["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
