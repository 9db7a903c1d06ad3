"""Parts of frames through a network, wherever the frames lie."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from anpr_stream.interfaces import Backend, FrameBackend
from anpr_stream.types import FloatArray, Frame, Quad
from anpr_stream.vision.crops import stretch
from anpr_stream.vision.letterbox import to_planes


def run_parts(
    backend: Backend, frames: Sequence[Frame], quads: Sequence[Quad], size: tuple[int, int]
) -> dict[str, FloatArray]:
    """Run a network over parts of frames, each stretched over its input.

    Args:
        backend: the network; one that keeps frames on a device cuts there.
        frames: N, the same one as often as it has parts.
        quads: N parts, in pixels of their frames.
        size: (height, width) of the input.

    Returns:
        Outputs by name, N rows each.

    Raises:
        BackendError: the engine failed.
    """
    if isinstance(backend, FrameBackend):
        return backend.run_quads(frames, np.asarray(quads, np.float32), size)
    height, width = size
    batch = np.empty((len(frames), 3, height, width), np.float32)
    for frame, quad, out in zip(frames, quads, batch, strict=True):
        to_planes(stretch(frame, quad, width, height), out)
    return backend.run(batch)
