"""Everything that only a GPU can show, in one command: one table for people, one JSON line for programs.

    python -m tools.gpu_check [--clip FILE] [--seconds S]

It says first what is missing and measures the rest: kernels against NumPy, parity with ONNX
Runtime on the CPU, time per network and batch, frames a second over many streams from memory and
from files, and the same with the networks replaced by a no-op. Without a GPU it stops at once.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from anpr_stream.config.models import EngineName, InferenceSettings, Precision
from anpr_stream.errors import AnprError
from anpr_stream.inference.select import LoadedNetwork, load_network
from tools.gpu import files, kernels, parity, speed
from tools.gpu.surroundings import Surroundings, look_around

PRECISIONS: dict[str, tuple[Precision, ...]] = {"tensorrt": ("fp32", "fp16", "int8"), "cuda": ("fp32",)}
NO_GPU = 3
FAILED = 1


@dataclass
class Report:
    """What was measured; `rows` is the table, `data` the JSON line."""

    rows: list[tuple[str, str, str]] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)
    is_right: bool = True

    def add(self, what: str, value: str, holds: bool | None = None) -> None:
        """Add a row; `holds` is None for a plain figure."""
        self.rows.append((what, value, {None: "", True: "holds", False: "DOES NOT HOLD"}[holds]))
        self.is_right = self.is_right and holds is not False

    def print(self) -> None:
        """Write the table and the JSON line to standard output."""
        widths = [max(map(len, column)) for column in zip(*self.rows, strict=True)]
        for row in self.rows:
            print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        print(json.dumps(self.data, sort_keys=True))


def main(arguments: list[str] | None = None) -> int:
    """Run the check; the exit code is 0 if all holds, 1 if not, 3 without a GPU."""
    options = parse(arguments)
    found = look_around()
    if not found.can_measure:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in found.missing.items())
        print(f"gpu_check: no network can run on a GPU here ({reasons})", file=sys.stderr)
        return NO_GPU
    report = Report()
    tell_surroundings(report, found)
    if found.device is not None:
        check_kernels(report, found)
    for engine in found.engines:
        for precision in PRECISIONS[engine]:
            check_engine(report, engine, precision, options)
    report.print()
    return 0 if report.is_right else FAILED


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clip", type=Path, help="a recording for the streams from files")
    parser.add_argument("--seconds", type=float, default=1.0, help="time of one measurement")
    return parser.parse_args(arguments)


def tell_surroundings(report: Report, found: Surroundings) -> None:
    """Begin with the device, the versions and what is missing."""
    if found.device is not None:
        info = found.device.info
        report.add("GPU", f"{info.name}, SM {info.compute_capability}, driver CUDA {info.driver}")
        report.data["device"] = asdict(info)
    for name, version in found.versions.items():
        report.add(name, version)
    for name, reason in found.missing.items():
        report.add(f"not measured: {name}", reason)
    report.data.update(versions=found.versions, missing=found.missing)


def check_kernels(report: Report, found: Surroundings) -> None:
    """Hold both kernels against NumPy on the device."""
    assert found.device is not None
    worst = kernels.worst_differences(found.device)
    for name, difference in worst.items():
        report.add(f"kernel {name}", f"at most {difference:.1e} from NumPy", difference <= kernels.TOLERANCE)
    report.data["kernels"] = worst


def check_engine(report: Report, engine: str, precision: Precision, options: argparse.Namespace) -> None:
    """Measure one engine at one precision; what cannot run is a row, not the end."""
    name = f"{engine} {precision}"
    try:
        right = load_pair("onnxruntime", "fp32")
        other = load_pair(engine, precision)
    except AnprError as error:
        report.add(name, f"does not run: {error}", False if engine == "tensorrt" else None)
        return
    frames = parity.traffic_frames(16)
    same = parity.compare(right, other, frames)
    report.add(f"{name}: parity with ONNX Runtime on the CPU", str(same), same.holds(precision))
    results: dict[str, Any] = {"parity": asdict(same)}
    results["networks"] = [
        asdict(s) for network in other for s in tell_speeds(report, network, options.seconds)
    ]
    results["streams"] = [asdict(s) for s in tell_streams(report, name, other, options)]
    report.data[name] = results


def load_pair(engine: str, precision: Precision) -> tuple[LoadedNetwork, LoadedNetwork]:
    """Load detector and reader on one engine."""
    backend: EngineName = engine  # type: ignore[assignment]
    settings = InferenceSettings(backend=backend, precision=precision, max_batch=max(speed.BATCHES))
    return load_network("detector-cpu", settings), load_network("reader-cpu", settings)


def tell_speeds(report: Report, network: LoadedNetwork, seconds: float) -> Iterator[speed.NetworkSpeed]:
    """Add a row for each batch size."""
    for measured in speed.network_speeds(network, seconds):
        figures = f"{measured.batch_ms:.2f} ms, {measured.pictures_s:.0f} pictures/s"
        report.add(f"{measured.network}, batch {measured.batch}", figures)
        yield measured


def tell_streams(
    report: Report, name: str, pair: tuple[LoadedNetwork, LoadedNetwork], options: argparse.Namespace
) -> Iterator[speed.StreamSpeed]:
    """Add a row for each number of streams: memory, no-op, and files where a clip is given."""
    frames = parity.traffic_frames(32, (1920, 1080))
    detector, reader = parity.detector_of(pair[0]), parity.reader_of(pair[1])
    measured = [speed.memory_streams(detector, reader, frames, n, options.seconds) for n in speed.STREAMS]
    measured.append(speed.no_op_streams(pair, frames, options.seconds))
    if options.clip is not None:
        measured += [files.file_streams(options.clip, pair, n) for n in speed.STREAMS]
    for one in measured:
        report.add(
            f"{name}: {one.streams} streams of 1080p from {one.source}", f"{one.frames_s:.0f} frames/s"
        )
        yield one


if __name__ == "__main__":
    sys.exit(main())
