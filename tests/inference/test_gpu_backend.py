"""Batches, lanes, graphs and the frame store over a GPU made of host memory."""

from __future__ import annotations

import numpy as np
import pytest

from anpr_stream.errors import BackendError
from anpr_stream.inference.frame_store import FrameStore
from anpr_stream.inference.gpu_backend import GpuBackend
from anpr_stream.interfaces import FrameBackend
from tests.inference.gpu_helpers import backend_of_copies, copying_network, random_frame
from tests.inference.host_device import COMPILER, HostDevice, HostEngine

needs_compiler = pytest.mark.skipif(COMPILER is None, reason="needs g++")


def noise(count: int, height: int = 8, width: int = 16) -> np.ndarray:
    return np.random.default_rng(count).random((count, 3, height, width), np.float32)


def test_backend_keeps_the_border() -> None:
    assert isinstance(backend_of_copies(8, 16), FrameBackend)


@pytest.mark.parametrize("count", [1, 2, 3, 8, 9, 17, 40])
def test_any_number_of_pictures_comes_back_in_order(count: int) -> None:
    images = noise(count)
    made = backend_of_copies(8, 16).run(images)
    np.testing.assert_array_equal(made["copy"], images)


def test_an_empty_request_gives_empty_outputs() -> None:
    assert backend_of_copies(8, 16).run(noise(0))["copy"].shape == (0, 3, 8, 16)


def test_graphs_are_recorded_once_a_bucket_and_then_replayed() -> None:
    device = HostDevice()
    backend = backend_of_copies(8, 16, device=device)
    for _ in range(6):
        images = noise(3)
        np.testing.assert_array_equal(backend.run(images)["copy"], images)
    assert len(device.graphs) == 2, "one for each of the two lanes"
    assert sum(graph.launches for graph in device.graphs) == 4


def test_a_network_that_records_no_graph_runs_without() -> None:
    device = HostDevice()
    device.record = lambda work, stream: None
    backend = backend_of_copies(8, 16, device=device)
    for _ in range(4):
        np.testing.assert_array_equal(backend.run(noise(2))["copy"], noise(2))


def test_nothing_is_allocated_after_the_first_batches() -> None:
    device = HostDevice()
    backend = backend_of_copies(8, 16, device=device)
    frames = [random_frame((32, 24), seed=s) for s in range(4)]
    places = [(0, 0, 16, 8)] * 4
    taken = []
    allocate = device.allocate
    device.allocate = lambda size: taken.append(size) or allocate(size)
    for _ in range(3):
        backend.run_frames(frames, places)
    settled = len(taken)
    for _ in range(5):
        backend.run_frames(frames, places)
    assert len(taken) == settled


@needs_compiler
def test_a_frame_crosses_the_bus_once_for_detector_and_reader() -> None:
    device = HostDevice()
    store = FrameStore(device, capacity=8)
    detector, reader = (
        GpuBackend(HostEngine(copying_network(), *size, 4), device, store, "host")
        for size in ((32, 64), (16, 32))
    )
    frame = random_frame((320, 240))
    detector.run_frames([frame], [(0, 0, 64, 32)])
    before = device.uploaded_bytes
    quads = np.array([[(10, 10), (40, 10), (40, 20), (10, 20)]], np.float32)
    reader.run_quads([frame], quads)
    assert device.uploaded_bytes - before < 500, "only tables and no pixels"


@needs_compiler
def test_the_store_forgets_the_oldest_frame_and_stays_right() -> None:
    device = HostDevice()
    backend = backend_of_copies(24, 32, max_batch=2, device=device)
    frames = [random_frame((32, 24), seed=s) for s in range(20)]
    place = [(0, 0, 32, 24)]
    first = [backend.run_frames([f], place)["copy"] for f in frames]
    again = [backend.run_frames([f], place)["copy"] for f in frames]
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, other)


def test_too_little_memory_is_said_in_one_line() -> None:
    device = HostDevice(memory_bytes=100)
    with pytest.raises(BackendError, match="no memory"):
        backend_of_copies(8, 16, device=device)
