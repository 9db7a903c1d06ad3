"""Measure this machine, the networks on it and the whole pipeline: `python -m tools.benchmark`.

Tables for people go to standard error, one line of JSON to standard output. Times on the clock mean
something on an idle machine only; processor times hardly depend on what else runs.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from anpr_stream.config.models import DetectorSettings, ReaderSettings
from anpr_stream.config.schema import Settings
from anpr_stream.errors import AnprError
from anpr_stream.inference import processor
from anpr_stream.inference.models import shipped_models
from anpr_stream.pipeline.networks import load_networks
from anpr_stream.vision.letterbox import input_size
from tools.benchmark.clip import write_clip
from tools.benchmark.live import live_cost
from tools.benchmark.machine import Rate, matrix_rate
from tools.benchmark.networks import NetworkTiming, default_timing, network_timings
from tools.benchmark.stages import ClipCost, clip_cost
from tools.options import ToolParser, one_of, positive, real, several, whole

PARTS = ("machine", "networks", "yardstick", "clip", "live")
WIDE = (1920, 1080)
"""Of the pictures for which networks are timed, in pixels."""
RATES_HZ = {"default": None, "every frame": 1000.0}


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = ToolParser("tools.benchmark", __doc__)
    made.add_argument(
        "--parts",
        type=several(one_of(PARTS)),
        default=",".join(PARTS),
        help=f"of {', '.join(PARTS)}; default all",
    )
    made.add_argument(
        "--threads", type=several(whole(1, 64)), default="1,2", help="numbers of threads, with commas"
    )
    made.add_argument("--budget-s", type=real(), default=1.0, help="time of each single measurement")
    made.add_argument("--clip", type=Path, help="a clip instead of the rendered one")
    made.add_argument("--seconds", type=positive, default=10.0, help="length of the rendered clip")
    made.add_argument("--cameras", type=whole(1), default=1, help="of the live part")
    return made


def main(arguments: list[str] | None = None) -> int:
    """Measure and print; 1 if something could not be measured."""
    options = parser().parse_args(arguments)
    result: dict[str, Any] = {"processor": processor.name(), "cores": processor.usable_cores()}
    result["load"] = round(os.getloadavg()[0], 1)
    say(f"{result['processor']}, {result['cores']} cores, load {result['load']}")
    with tempfile.TemporaryDirectory() as folder:
        film = _Film(options.clip, options.seconds, Path(folder))
        measure = _Measure(Path(folder), options.threads, options.budget_s, film, options.cameras)
        steps: dict[str, Callable[[], Any]] = {
            "machine": measure.machine,
            "networks": measure.networks,
            "yardstick": measure.yardstick,
            "clip": measure.clip,
            "live": measure.live,
        }
        for part in (part for part in PARTS if part in options.parts):
            try:
                result[part] = steps[part]()
            except (AnprError, ImportError) as error:
                result[part] = {"error": str(error)}
                say(f"{part}: not measured: {error}")
    print(json.dumps(result))
    return int(any("error" in result[part] for part in PARTS if part in result))


@dataclass(frozen=True)
class _Film:
    """The clip that is played: one given, or else one rendered when it is first asked for."""

    given: Path | None
    seconds: float
    folder: Path

    @cached_property
    def path_and_texts(self) -> tuple[Path, list[str]]:
        """Where it lies and what is known to be on its plates."""
        if self.given is not None:
            return self.given, []
        path = self.folder / "clip.mp4"
        return path, write_clip(path, self.seconds)


class _Measure:
    """The parts of the benchmark; later ones use the rates of the first."""

    def __init__(
        self, folder: Path, threads: Sequence[int], budget_s: float, film: _Film, cameras: int
    ) -> None:
        self._folder = folder
        self._threads = threads
        self._budget_s = budget_s
        self._film = film
        self._cameras = cameras
        self._rates: list[Rate] = []

    def machine(self) -> list[dict[str, Any]]:
        """Matrix products."""
        for precision in ("fp32", "int8"):
            for threads in self._threads:
                rate = matrix_rate(self._folder, precision, threads, self._budget_s)
                self._rates.append(rate)
                say(f"matrix product {precision:5} {threads} threads {rate.gflops:7.0f} Gop/s  {rate.engine}")
        return [asdict(rate) for rate in self._rates]

    def networks(self) -> list[dict[str, Any]]:
        """Every shipped network."""
        found = []
        say(f"\n{'network':14}{'input':>14} {'engine':12}{'':5} threads     ms  cpu ms    Gop  of the rate")
        for entry in shipped_models():
            if entry.model is None:
                say(f"{entry.path.name}: {entry.fault}")
                continue
            for timing in network_timings(entry.model, self._threads, self._rates, self._budget_s):
                say(_network_line(timing))
                found.append(asdict(timing))
        return found

    def yardstick(self) -> dict[str, Any]:
        """Both looks and one crop read, as they run by default, against the yardstick; one thread each."""
        from tools.benchmark.reference import reference_timing

        reference = reference_timing(self._folder, self._budget_s)
        finding, reading = DetectorSettings(), ReaderSettings()
        coarse = input_size(*WIDE, finding.coarse_px)
        margins = max(1, len(reading.margins))
        costs = {
            finding.model: default_timing(finding.model, self._budget_s),
            f"{finding.model} coarse": default_timing(finding.model, self._budget_s, size=coarse),
            reading.model: default_timing(reading.model, self._budget_s, margins),
        }
        share = sum(cost.cpu_ms for cost in costs.values()) / reference.cpu_ms
        shown = ", ".join(f"{name} {cost.cpu_ms:.2f} ms" for name, cost in costs.items())
        say(f"\nyardstick {reference.cpu_ms:.1f} ms processor time; {shown}: {share:.2f} of it")
        return {"reference": asdict(reference), "share": share, **{n: asdict(c) for n, c in costs.items()}}

    def clip(self) -> dict[str, Any]:
        """The whole way over a clip."""
        path, texts = self._film.path_and_texts
        costs = {}
        for name, rate_hz in RATES_HZ.items():
            changes = {} if rate_hz is None else {"flow": {"detect_rate_hz": rate_hz}}
            settings = Settings.model_validate(changes)
            with load_networks(settings) as networks:
                cost = clip_cost(path, settings, networks)
            _say_clip(name, cost, texts)
            costs[name] = asdict(cost) | _derived(cost)
        return {"truth": texts, **costs}

    def live(self) -> dict[str, Any]:
        """The clip as cameras send it."""
        settings = Settings()
        with load_networks(settings) as networks:
            path, _ = self._film.path_and_texts
            cost = live_cost(path, settings, networks, self._film.seconds, self._cameras)
        say(
            f"\n{cost.cameras} live over RTSP for {cost.seconds:.0f} s: {cost.frames} frames through, "
            f"{cost.dropped_share:.2%} dropped {cost.dropped or ''}, {cost.cores:.2f} cores busy; "
            f"a frame through is {cost.age_p50_s:.2f} s old, 95 % at most {cost.age_p95_s:.2f} s"
        )
        return asdict(cost) | {"dropped_share": cost.dropped_share}


def _network_line(entry: NetworkTiming) -> str:
    batch, _, height, width = entry.shape
    share = "" if entry.share is None else f"{entry.share:8.0%}"
    return (
        f"{entry.network:14}{f'{batch}x{width}x{height}':>14} {entry.engine:12}{entry.precision:5}"
        f"{entry.threads:8}{entry.timing.ms:7.2f}{entry.timing.cpu_ms:8.2f}{entry.gflop:7.2f}{share}"
    )


def _derived(cost: ClipCost) -> dict[str, float]:
    return {"overlap": cost.overlap, "python_ms": cost.python_ms, "cores_fps": cost.cores_fps}


def _say_clip(name: str, cost: ClipCost, truth: Sequence[str]) -> None:
    say(f"\nclip, detector looks at: {name} ({cost.looks} of {cost.frames} frames); processor ms per frame")
    say("  " + "  ".join(f"{stage} {ms:.2f}" for stage, ms in cost.stages_ms.items()))
    say(
        f"  pipeline {cost.fps:.0f} frames/s: {cost.overlap:.0%} of its slowest stage alone "
        f"({cost.slowest_fps:.0f}), {cost.fps / cost.cores_fps:.0%} of what the cores allow "
        f"({cost.cores_fps:.0f})"
    )
    say(
        f"  {cost.cpu_ms:.2f} ms processor time per frame; stages besides decoding and networks "
        f"{cost.python_ms:.2f} ms"
    )
    say(f"  read {', '.join(cost.texts) or 'nothing'}; on the plates {', '.join(truth) or 'unknown'}")


def say(text: str) -> None:
    """Print for people."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
