"""The driver's own library, called as the GPU check calls it, over one that lives in host memory."""

from __future__ import annotations

import gc
import subprocess
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from anpr_stream.errors import BackendError
from tests.inference.host_device import COMPILER
from tools.gpu import kernels
from tools.gpu.driver import Driver, DriverDevice

needs_compiler = pytest.mark.skipif(COMPILER is None, reason="needs g++")


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> DriverDevice:
    library = tmp_path_factory.mktemp("cuda") / "libcuda.so.1"
    source = str(resources.files("anpr_stream.inference").joinpath("kernels.cu"))
    command = [COMPILER, "-std=c++17", "-O2", "-shared", "-fPIC", "-DANPR_HOST", "-x", "c++"]
    fake = Path(__file__).with_name("fake_cuda.cpp")
    subprocess.run([*command, source, str(fake), "-o", str(library)], check=True)
    return DriverDevice(Driver(str(library)))


@needs_compiler
def test_it_tells_which_gpu_it_is(device: DriverDevice) -> None:
    assert (device.info.name, device.info.compute_capability, device.info.driver) == ("Fake", "9.0", "13.2")
    assert device.info.memory_bytes == 1 << 30


@needs_compiler
def test_kernels_go_through_it(device: DriverDevice) -> None:
    worst = kernels.worst_differences(device)
    assert 0 < max(worst.values()) <= kernels.TOLERANCE


@needs_compiler
def test_copies_go_there_and_back(device: DriverDevice) -> None:
    with device.current():
        stream, buffer = device.stream(), device.allocate(48)
        sent, received = device.pinned((4,), np.float32), device.pinned((4,), np.float32)
        sent[:] = [1, 2, 3, 4]
        device.upload(buffer, sent, stream, offset=16)
        device.copy(buffer.address, buffer.address + 16, 16, stream)
        device.download(received, buffer, stream)
        stream.synchronize()
    assert received.tolist() == [1, 2, 3, 4]


@needs_compiler
def test_memory_is_what_was_taken_and_not_given_back(device: DriverDevice) -> None:
    gc.collect()
    before = device.memory()
    with device.current():
        buffer = device.allocate(1 << 20)
        assert device.memory().used_bytes == before.used_bytes + (1 << 20)
        del buffer
    assert device.memory() == before
    assert before.total_bytes == 1 << 30


@needs_compiler
def test_too_much_memory_is_refused(device: DriverDevice) -> None:
    with device.current(), pytest.raises(BackendError) as caught:
        device.allocate(1 << 31)
    assert caught.value.reason_slug == "gpu-memory"


@needs_compiler
def test_recorded_work_runs_when_its_graph_is_launched(device: DriverDevice) -> None:
    with device.current():
        stream, buffer = device.stream(), device.allocate(16)
        sent, received = device.pinned((4,), np.float32), device.pinned((4,), np.float32)
        device.upload(buffer, sent, stream)
        graph = device.record(lambda: device.download(received, buffer, stream), stream)
        sent[:] = [1, 2, 3, 4]
        stream.synchronize()
        assert not received.any()
        graph.launch(stream)
        stream.synchronize()
    assert received.tolist() == [1, 2, 3, 4]


@needs_compiler
def test_what_cannot_be_recorded_runs_without(device: DriverDevice) -> None:
    with device.current():
        stream = device.stream()
        assert device.record(lambda: device.allocate(1), stream) is None
        assert device.record(lambda: None, stream) is not None, "the stream is of use again"


def test_without_a_driver_one_line_says_so(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="no NVIDIA driver"):
        Driver(str(tmp_path / "libcuda.so.1"))
