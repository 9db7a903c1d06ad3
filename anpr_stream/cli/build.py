"""`anpr-stream build`: TensorRT plans now, so that no start has to wait for them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress, TaskID

from anpr_stream.config.models import DetectorSettings
from anpr_stream.inference.models import ModelFile, find_model
from anpr_stream.inference.tensorrt import build_ahead
from anpr_stream.perception.closer import SIZE
from anpr_stream.vision.contract import DetectorContract
from anpr_stream.vision.letterbox import input_size

DEFAULT_NETWORKS = ["detector-cpu", "reader-cpu"]


class PlanPrecision(str, Enum):
    """Precisions that TensorRT runs."""

    FP32 = "fp32"
    FP16 = "fp16"
    INT8 = "int8"


class BuildBar:
    """Shows the steps of a build on a terminal."""

    def __init__(self, progress: Progress, title: str) -> None:
        self._progress = progress
        self._title = title
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, phase: str, step: int, steps: int) -> bool:
        """Move a phase's bar; phases come and go, from several threads."""
        if phase not in self._tasks:
            self._tasks[phase] = self._progress.add_task(f"{self._title}: {phase}", total=steps)
        self._progress.update(self._tasks[phase], completed=step, visible=step < steps)
        return True


def build(
    networks: Annotated[
        list[str] | None,
        typer.Argument(metavar="NETWORK", help="Names or .onnx files; detector and reader if none is given."),
    ] = None,
    precision: Annotated[PlanPrecision, typer.Option(help="Arithmetic of the plan.")] = PlanPrecision.FP16,
    max_batch: Annotated[int, typer.Option(min=1, max=256, help="Largest batch.")] = 16,
    target: Annotated[
        str | None,
        typer.Option(
            help="GPU generation to build for without that GPU, by TensorRT for RTX, e.g. SM86: "
            "copy the plans into the cache folder of a machine that has one."
        ),
    ] = None,
    cache: Annotated[Path | None, typer.Option(help="Folder for the plans instead of the cache.")] = None,
) -> None:
    """Build TensorRT plans beforehand.

    They go into the cache, and their paths are printed. Every start builds what is missing by itself; this
    does it for pictures of 16:9, the detector's coarse and closer looks, the default precision and batch: a
    start finds the plans whose precision and batch are its own.
    Exit code 69 if TensorRT or a GPU is missing, or a network cannot be built.
    """
    files = [find_model(name) for name in networks or DEFAULT_NETWORKS]
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        for file in files:
            for size in _sizes(file):
                bar = BuildBar(progress, f"{file.name} {size[1]}x{size[0]} {precision.value}")
                path = build_ahead(file, precision.value, max_batch, target, size, cache, bar)
                sys.stdout.write(f"{path}\n")


def _sizes(file: ModelFile) -> Iterator[tuple[int, int]]:
    """(height, width) of the inputs that a start wants: a detector also looks coarsely, and closer."""
    yield file.contract.height, file.contract.width
    if isinstance(file.contract, DetectorContract):
        for width, height in (input_size(16, 9, DetectorSettings().coarse_px), SIZE):
            yield height, width
