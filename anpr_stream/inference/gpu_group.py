"""One network on one or several GPUs, at whatever input sizes the cameras need."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from threading import Lock
from typing import Protocol, TypeVar

import numpy as np

from anpr_stream.inference.batches import Pending
from anpr_stream.types import FloatArray, Frame, Placement

Item = TypeVar("Item")


class Member(Protocol):
    """A network at one size on one GPU; `gpu_backend.GpuBackend` is one."""

    def current(self) -> AbstractContextManager[None]:
        """Make its GPU this thread's for the time of a `with`."""

    def begin(self, images: FloatArray) -> Pending:
        """Start ready-made input."""

    def begin_frames(self, frames: Sequence[Frame], placements: Sequence[Placement]) -> Pending:
        """Start frames."""

    def begin_quads(self, frames: Sequence[Frame], quads: FloatArray) -> Pending:
        """Start parts of frames."""

    def close(self) -> None:
        """Free what it holds."""


Make = Callable[[int, tuple[int, int]], Member]
"""Loads the network on the GPU of that place in the list, at that input (height, width)."""


class GpuGroup:
    """Implements `interfaces.FrameBackend` over several GPUs.

    Cameras are shared out in the order in which they appear and stay where they are, so that a
    frame is on the GPU that reads its plates. All GPUs work at once: each part of a batch is
    started before the first is waited for. Threads wait for each other.

    Args:
        make: loads the network; called once for each GPU and size.
        gpus: number of GPUs.
        description: for logs and status.
    """

    streams = 1

    def __init__(self, make: Make, gpus: int, description: str) -> None:
        self.description = description
        self._make = make
        self._gpus = gpus
        self._members: dict[tuple[int, tuple[int, int]], Member] = {}
        self._home: dict[str, int] = {}
        self._lock = Lock()

    def run(self, images: FloatArray) -> dict[str, FloatArray]:
        """Run ready-made input, shared out evenly."""
        size = (images.shape[2], images.shape[3])
        owners = [index * self._gpus // max(1, len(images)) for index in range(len(images))]
        if not owners:
            with self._lock:
                return self._member(0, size).begin(images).result()
        return self._each(owners, size, lambda member, rows: member.begin(images[rows]))

    def run_frames(
        self, frames: Sequence[Frame], placements: Sequence[Placement], size: tuple[int, int]
    ) -> dict[str, FloatArray]:
        """Run frames at an input of `size` (height, width), each on its camera's GPU."""
        return self._each(
            self._owners(frames),
            size,
            lambda member, rows: member.begin_frames(_pick(frames, rows), _pick(placements, rows)),
        )

    def run_quads(
        self, frames: Sequence[Frame], quads: FloatArray, size: tuple[int, int]
    ) -> dict[str, FloatArray]:
        """Run parts of frames at an input of `size` (height, width), each on its camera's GPU."""
        return self._each(
            self._owners(frames),
            size,
            lambda member, rows: member.begin_quads(_pick(frames, rows), quads[rows]),
        )

    def prepare(self, size: tuple[int, int]) -> None:
        """Load the network at an input of `size` (height, width) on every GPU."""
        for gpu in range(self._gpus):
            self._member(gpu, size)

    def _owners(self, frames: Sequence[Frame]) -> list[int]:
        with self._lock:
            return [self._home.setdefault(frame.camera, len(self._home) % self._gpus) for frame in frames]

    def _each(
        self,
        owners: Sequence[int],
        size: tuple[int, int],
        begin: Callable[[Member, list[int]], Pending],
    ) -> dict[str, FloatArray]:
        started = []
        with self._lock:
            for gpu in sorted(set(owners)):
                rows = [row for row, owner in enumerate(owners) if owner == gpu]
                member = self._member(gpu, size)
                with member.current():
                    started.append((member, rows, begin(member, rows)))
            return _join(started, len(owners))

    def _member(self, gpu: int, size: tuple[int, int]) -> Member:
        if (gpu, size) not in self._members:
            self._members[gpu, size] = self._make(gpu, size)
        return self._members[gpu, size]

    def close(self) -> None:
        """Free all members; may be called twice."""
        members, self._members = self._members, {}
        for member in members.values():
            with member.current():
                member.close()


def _pick(items: Sequence[Item], rows: Sequence[int]) -> list[Item]:
    return [items[row] for row in rows]


def _join(started: Sequence[tuple[Member, list[int], Pending]], count: int) -> dict[str, FloatArray]:
    """Put the parts of all GPUs back into the order of the request."""
    total: dict[str, FloatArray] = {}
    for member, rows, pending in started:
        with member.current():
            parts = pending.result()
        for name, part in parts.items():
            whole = total.setdefault(name, np.empty((count, *part.shape[1:]), np.float32))
            whole[rows] = part
    return total
