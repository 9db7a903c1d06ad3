"""`anpr-stream bench`: how fast a recording goes through this machine."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Annotated

import typer

from anpr_stream.cli.options import Backend, Config, Reader, settings_from, with_sources
from anpr_stream.errors import UsageError
from anpr_stream.pipeline.measuring import Speed, measure_speed
from anpr_stream.pipeline.networks import load_networks
from anpr_stream.sources.locate import locate


def bench(
    source: Annotated[str, typer.Argument(metavar="RECORDING", help="A recording.", show_default=False)],
    config: Config = None,
    backend: Backend = None,
    reader: Reader = None,
    frames: Annotated[int, typer.Option(min=2, help="Frames to time.")] = 600,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of lines.")] = False,
) -> None:
    """Time a recording on this machine.

    The source alone, the networks alone, and everything together. On a busy machine trust the
    ratios, not the rates.
    """
    settings = settings_from(config, {"inference.backend": backend, "reader.reader": reader})
    (camera,) = with_sources(settings, [source]).cameras.values()
    if locate(camera.url, camera.source).is_live:
        raise UsageError("bench times recordings; a camera gives no more than its own frames")
    with load_networks(settings) as networks:
        speed = measure_speed(camera, settings, networks, frames)
        engines = networks.signature.backend
    if as_json:
        sys.stdout.write(json.dumps({**asdict(speed), "engines": engines}) + "\n")
    else:
        sys.stdout.write("\n".join(_lines(speed, engines)) + "\n")


def _lines(speed: Speed, engines: str) -> list[str]:
    overlap = speed.whole_fps / speed.slowest_fps
    return [
        f"engines    {engines}",
        f"source     {speed.decode_fps:7.1f} frames/s alone",
        f"detector   {speed.detect_ms:7.2f} ms a frame, {speed.streams} at once, looks at "
        f"{speed.looked_at:.0%} of the frames",
        f"reader     {speed.read_ms:7.2f} ms a crop",
        f"whole      {speed.whole_fps:7.1f} frames/s, {speed.times_real_time:.1f} times real time",
        f"overlap    {overlap:7.2f} of the slowest stage alone",
    ]
