"""Frames a second over many recordings through the whole pipeline: decode to event."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from anpr_stream.config.schema import Camera, Settings
from anpr_stream.inference.select import LoadedNetwork
from anpr_stream.pipeline.networks import Networks
from anpr_stream.pipeline.supervisor import Pipeline
from tools.gpu.parity import detector_of, reader_of
from tools.gpu.speed import StreamSpeed


def file_streams(clip: Path, pair: Sequence[LoadedNetwork], streams: int) -> StreamSpeed:
    """Play one recording as so many cameras at once.

    Raises:
        AnprError: a camera failed.
    """
    networks = Networks(detector_of(pair[0]), reader_of(pair[1]), tuple(pair))
    start_s = time.perf_counter()
    with Pipeline(Settings(), networks, send=lambda event: None) as pipeline:
        names = [f"camera {index}" for index in range(streams)]
        for name in names:
            pipeline.start(name, Camera(url=str(clip)))
        pipeline.wait()
        for error in filter(None, map(pipeline.error, names)):
            raise error
        frames = sum(status.looked_at for status in pipeline.statuses().values())
    return StreamSpeed(streams, "files", frames / (time.perf_counter() - start_s))
