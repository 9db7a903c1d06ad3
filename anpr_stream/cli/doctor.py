"""`anpr-stream doctor`: what works here, what is missing, and the line that installs it."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Annotated

import typer
from rich.console import Console

from anpr_stream.cli.options import Backend, Config, settings_from, with_sources
from anpr_stream.config.schema import Settings
from anpr_stream.config.source import SourceSettings
from anpr_stream.errors import AnprError
from anpr_stream.inference import processor
from anpr_stream.inference.choices import choices_file
from anpr_stream.inference.models import shipped_models
from anpr_stream.inference.select import load_network
from anpr_stream.outputs.video import find_encoder
from anpr_stream.pipeline.inspection import Inspection, inspect_camera
from anpr_stream.pipeline.networks import load_networks

LOOKED_AT = 50
"""Frames of a source that are looked at."""


@dataclass(frozen=True)
class Finding:
    """One line of the doctor: what, how it is, whether that is in order, and whether it must be."""

    what: str
    how: str
    is_right: bool = True
    is_needed: bool = True

    @property
    def mark(self) -> str:
        """How the line begins, for rich."""
        if self.is_right:
            return "[green]ok[/]     "
        return "[red]missing[/]" if self.is_needed else "[yellow]note[/]   "


def doctor(
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="SOURCE",
            help="A source to look at: its plates' height and sharpness.",
            show_default=False,
        ),
    ] = None,
    config: Config = None,
    backend: Backend = None,
) -> None:
    """Say what works on this machine and what is missing.

    Exit code 1 if something is missing. With a SOURCE, also how large and how sharp the plates in its
    first frames are.
    """
    settings = settings_from(config, {"inference.backend": backend})
    console = Console(highlight=False, soft_wrap=True)
    is_right = True
    for finding in _findings(settings, source):
        console.print(f"{finding.mark} {finding.what}: ", end="")
        console.print(finding.how, markup=False)
        is_right &= finding.is_right or not finding.is_needed
    if not is_right:
        raise typer.Exit(1)


def _findings(settings: Settings, source: str | None) -> Iterator[Finding]:
    yield Finding("python", platform.python_version())
    yield _processor()
    yield from _gstreamer(settings.source)
    yield _cache()
    yield from _networks(settings)
    if source is not None:
        yield from _source(settings, source)


def _processor() -> Finding:
    reason = processor.int8_reason("openvino")
    arithmetic = f"INT8 by {reason}" if reason else "no INT8 instructions, so FP32"
    return Finding("processor", f"{processor.name()}, {processor.usable_cores()} cores, {arithmetic}")


def _gstreamer(source: SourceSettings) -> Iterator[Finding]:
    try:
        from anpr_stream.sources.gst_runtime import PACKAGES, Gst
    except AnprError as error:
        yield Finding("gstreamer", error.message, is_right=False)
        return
    yield Finding("gstreamer", Gst.version_string())
    for package, parts in PACKAGES.items():
        elements = [part for part in parts.split() if "/" not in part]
        missing = [element for element in elements if Gst.ElementFactory.find(element) is None]
        if len(missing) < len(elements):
            yield Finding(package, f"{len(elements) - len(missing)} of {len(elements)} elements")
        else:
            yield Finding(package, f"sudo apt install {package}", is_right=False)
    yield from _codecs(source)


def _codecs(source: SourceSettings) -> Iterator[Finding]:
    """What only some cameras and `--annotate` need."""
    from anpr_stream.sources.gst_decoders import CODECS, decoder_name

    finds: dict[str, Callable[[], str]] = {
        f"{CODECS[media]} cameras": partial(decoder_name, media, source.decoder)
        for media in ("video/x-h264", "video/x-h265")
    }
    finds["annotated video"] = find_encoder
    for what, find in finds.items():
        try:
            yield Finding(what, find())
        except AnprError as error:
            yield Finding(what, error.message, is_right=False, is_needed=False)


def _cache() -> Finding:
    folder = choices_file().parent
    nearest = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if os.access(nearest, os.W_OK):
        return Finding("cache", str(folder))
    return Finding("cache", f"{folder} cannot be written: set XDG_CACHE_HOME", is_right=False)


def _networks(settings: Settings) -> Iterator[Finding]:
    for shipped in shipped_models():
        if shipped.fault:
            yield Finding(shipped.path.name, shipped.fault, is_right=False)
    reads = {"gru": settings.reader.model, "characters": settings.reader.characters_model}
    for model in (settings.detector.model, reads[settings.reader.reader]):
        yield from _network(model, settings)


def _network(model: str, settings: Settings) -> Iterator[Finding]:
    try:
        loaded = load_network(model, settings.inference)
    except AnprError as error:
        yield Finding(model, error.message, is_right=False)
        return
    loaded.backend.close()
    yield Finding(model, f"{loaded.backend.description} ({loaded.because})")
    for rejection in loaded.rejections:
        yield Finding(model, f"not on {rejection.engine}: {rejection.reason}")


def _source(settings: Settings, url: str) -> Iterator[Finding]:
    try:
        (camera,) = with_sources(settings, [url]).cameras.values()
        with load_networks(settings) as networks:
            seen = inspect_camera(camera, networks.detector, LOOKED_AT)
    except AnprError as error:
        yield Finding("source", error.message, is_right=False)
        return
    info = seen.info
    yield Finding(
        "source", f"{info.width}x{info.height}, {info.fps:.1f} frames/s, {info.codec}, {info.decoder}"
    )
    yield Finding("plates", _plates(seen))
    for line in seen.advice():
        yield Finding("advice", line)


def _plates(seen: Inspection) -> str:
    if not seen.heights_px:
        return f"none in {seen.frames} frames"
    heights = f"{min(seen.heights_px):.0f} to {max(seen.heights_px):.0f} px high"
    sharpness = f"sharpness {median(seen.sharpness):.2f} of 1"
    return f"{len(seen.heights_px)} in {seen.frames} frames, {heights}, {sharpness}"
