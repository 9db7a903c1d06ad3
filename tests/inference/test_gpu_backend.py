"""Batches, lanes, graphs, the frame store and several GPUs, over GPUs made of host memory."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from anpr_stream.errors import BackendError
from anpr_stream.inference.frame_store import FrameStore
from anpr_stream.interfaces import FrameBackend
from anpr_stream.sources.pair import LatePlanes
from tests.inference.gpu_helpers import copying_network, group_of_copies, member
from tests.inference.host_device import COMPILER, HostDevice
from tools.gpu.kernels import random_frame

needs_compiler = pytest.mark.skipif(COMPILER is None, reason="needs g++")
SIZE = (8, 16)


def noise(count: int) -> np.ndarray:
    return np.random.default_rng(count).random((count, 3, *SIZE), np.float32)


def test_backend_keeps_the_border() -> None:
    assert isinstance(group_of_copies(), FrameBackend)


@pytest.mark.parametrize("gpus", [1, 2, 3])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 8, 9, 17, 40])
def test_any_number_of_pictures_comes_back_in_order(count: int, gpus: int) -> None:
    images = noise(count)
    made = group_of_copies(devices=[HostDevice() for _ in range(gpus)]).run(images)
    np.testing.assert_array_equal(made["copy"], images)


def test_inputs_of_two_sizes_have_an_engine_each() -> None:
    backend = group_of_copies()
    for shape in [(1, 3, 8, 16), (2, 3, 16, 8), (1, 3, 8, 16)]:
        images = np.random.default_rng(1).random(shape, np.float32)
        np.testing.assert_array_equal(backend.run(images)["copy"], images)


def test_graphs_are_recorded_once_a_bucket_and_then_replayed() -> None:
    device = HostDevice()
    backend = group_of_copies(devices=[device])
    for _ in range(6):
        images = noise(3)
        np.testing.assert_array_equal(backend.run(images)["copy"], images)
    assert len(device.graphs) == 2, "one for each of the two lanes"
    assert sum(graph.launches for graph in device.graphs) == 4


def test_a_network_that_records_no_graph_runs_without() -> None:
    device = HostDevice()
    device.record = lambda work, stream: None
    backend = group_of_copies(devices=[device])
    for _ in range(4):
        np.testing.assert_array_equal(backend.run(noise(2))["copy"], noise(2))


@needs_compiler
def test_nothing_is_allocated_after_the_first_batches() -> None:
    device = HostDevice()
    backend = group_of_copies(devices=[device])
    frames = [random_frame((32, 24), seed=s) for s in range(4)]
    taken = []
    allocate = device.allocate
    device.allocate = lambda size: taken.append(size) or allocate(size)
    for _ in range(3):
        backend.run_frames(frames, [(0, 0, 16, 8)] * 4, SIZE)
    settled = len(taken)
    for _ in range(5):
        backend.run_frames(frames, [(0, 0, 16, 8)] * 4, SIZE)
    assert len(taken) == settled > 0


@needs_compiler
def test_a_frame_crosses_the_bus_once_for_detector_and_reader() -> None:
    device = HostDevice()
    store = FrameStore(device, capacity=8)
    detector, reader = (member(copying_network(), size, device, store, 4) for size in ((32, 64), (16, 32)))
    frame = random_frame((320, 240))
    with device.current():
        detector.begin_frames([frame], [(0, 0, 64, 32)]).result()
        before = device.uploaded_bytes
        quads = np.array([[(10, 10), (40, 10), (40, 20), (10, 20)]], np.float32)
        reader.begin_quads([frame], quads).result()
    assert device.uploaded_bytes - before < 500, "only tables and no pixels"


@needs_compiler
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_frame_is_there_for_whichever_lane_runs_first(order: tuple[int, int]) -> None:
    device = HostDevice()
    store = FrameStore(device, capacity=4)
    frame = random_frame((32, 24))
    quads = np.array([[(0, 0), (32, 0), (32, 24), (0, 24)]] * 10, np.float32)
    with device.current():
        reader = member(copying_network(), (24, 32), device, store, 16)
        pending = reader.begin_quads([frame] * 10, quads)
        for lane in order:
            device.streams[lane].synchronize()
        rows = pending.result()["copy"]
    assert rows.any()
    assert all(np.array_equal(row, rows[0]) for row in rows)


@needs_compiler
def test_the_detector_asks_for_no_large_picture() -> None:
    small = random_frame((32, 24))
    large = LatePlanes(lambda: pytest.fail("the large picture is decoded"))
    pair = replace(random_frame((64, 48)), planes=large, preview=small.planes)
    alike = [group_of_copies().run_frames([f], [(0, 0, 16, 8)], SIZE)["copy"] for f in (pair, small)]
    np.testing.assert_array_equal(*alike)


@needs_compiler
def test_the_store_forgets_the_oldest_frame_and_stays_right() -> None:
    backend = group_of_copies(max_batch=2, capacity=6)
    frames = [random_frame((32, 24), seed=s) for s in range(20)]
    place = [(0, 0, 32, 24)]
    first, again = ([backend.run_frames([f], place, (24, 32))["copy"] for f in frames] for _ in range(2))
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, other)


@needs_compiler
def test_cameras_are_shared_out_over_the_gpus_and_stay_there() -> None:
    devices = [HostDevice(), HostDevice()]
    backend = group_of_copies(devices=devices)
    frames = [random_frame((32, 24), seed=i, camera=f"camera {i}") for i in range(4)]
    alone = [group_of_copies().run_frames([f], [(0, 0, 16, 8)], SIZE)["copy"][0] for f in frames]
    made = backend.run_frames(frames, [(0, 0, 16, 8)] * 4, SIZE)["copy"]
    np.testing.assert_array_equal(made, np.stack(alone))
    assert devices[0].uploaded_bytes == devices[1].uploaded_bytes > 0
    before = [device.uploaded_bytes for device in devices]
    backend.run_quads([frames[3]], np.array([[(0, 0), (8, 0), (8, 4), (0, 4)]], np.float32), SIZE)
    assert devices[0].uploaded_bytes == before[0]
    assert 0 < devices[1].uploaded_bytes - before[1] < 500


def test_too_little_memory_is_said_in_one_line() -> None:
    with pytest.raises(BackendError, match="no memory"):
        group_of_copies(devices=[HostDevice(memory_bytes=100)]).run(noise(1))
