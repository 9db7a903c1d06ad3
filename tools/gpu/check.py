"""The GPU check: kernels, the chip's peak, and by engine parity, speed, streams, memory, forms of the GRU."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from anpr_stream.config.models import InferenceSettings, Precision
from anpr_stream.inference.frame_store import FrameStore
from anpr_stream.inference.gru import GRU_FORMS, GruForm
from anpr_stream.inference.models import find_model
from anpr_stream.inference.select import LoadedNetwork, load_network
from anpr_stream.inference.tensorrt import GRU_FORM
from tools.benchmark.work import count_flop
from tools.gpu import kernels, parity, speed
from tools.gpu.driver import Memory
from tools.gpu.engines import PRECISIONS, Job, Opened, close_all, open_network, open_store
from tools.gpu.peak import SIDE, Peak, gpu_ms, measure_peak
from tools.gpu.report import Report
from tools.gpu.surroundings import Surroundings, look_around
from tools.options import ToolParser, positive

NETWORKS = ("detector-cpu", "reader-cpu")
GRU_BATCHES = (1, 16, 64)
GRU_DECIDES = 16
"""Of the GRU's forms that is the fastest which is so at this batch, the program's own largest."""
NO_GPU = 3
FAILED = 1
MIB = 1 << 20


@dataclass
class Check:
    """One run of the check.

    Attributes:
        found: the GPU and what runs on it.
        report: rows go there.
        seconds: time of one measurement.
        clip: a recording for the streams from files.
        store: frames on the GPU.
        peaks: by precision.
        side: rows and columns of the products that show the peak.
    """

    found: Surroundings
    report: Report
    seconds: float = 1.0
    clip: Path | None = None
    store: FrameStore | None = None
    peaks: dict[str, Peak] = field(default_factory=dict)
    side: int = SIDE

    def run(self) -> None:
        """Do every part that this machine allows."""
        if self.found.device is not None:
            self.store = open_store(self.found.device)
            self.report.part("kernels", self.kernels)
        jobs = [
            self._job(engine, precision) for engine in self.found.engines for precision in PRECISIONS[engine]
        ]
        for job in jobs:
            if job.engine != "cuda" and job.precision != "int8":
                self.report.part(f"{job}: peak", partial(self.peak, job))
        right = self.report.part("ONNX Runtime on the CPU", load_right)
        for job in jobs:
            self.engine(job, right)
        for job in jobs:
            self.report.part(f"{job}: forms of the GRU", partial(self.forms, job))

    def _job(self, engine: str, precision: Precision, gru: GruForm = GRU_FORM) -> Job:
        def has_time(phase: str, step: int, steps: int) -> bool:
            return self.report.has_time

        return Job(engine, precision, self.found.device, gru, progress=has_time)

    def kernels(self) -> None:
        """Hold both kernels against NumPy on the device."""
        assert self.found.device is not None
        worst = kernels.worst_differences(self.found.device)
        for name, difference in worst.items():
            told = f"at most {difference:.1e} from NumPy, through {self.found.device_through}"
            self.report.add(f"kernel {name}", told, difference <= kernels.TOLERANCE)
        self.report.data["kernels"] = worst

    def peak(self, job: Job) -> None:
        """Measure large matrix products; the best of all engines is the chip's peak."""
        with tempfile.TemporaryDirectory() as folder:
            measured = measure_peak(job, Path(folder), self.seconds, self.side)
        self.report.add(f"{job}: large matrix products", f"{measured.tflops:.1f} TFLOP/s")
        best = self.peaks.get(job.precision)
        if best is None or measured.tflops > best.tflops:
            self.peaks[job.precision] = measured
        self.report.data["peaks"] = {name: asdict(peak) for name, peak in self.peaks.items()}

    def engine(self, job: Job, right: Sequence[LoadedNetwork] | None) -> None:
        """Measure one engine at one precision."""
        results: dict[str, Any] = {}
        self.report.data[str(job)] = results
        before = self.memory()
        opened = self.report.part(str(job), lambda: [self._open(job, name) for name in NETWORKS])
        if opened is None:
            return
        after = self.memory()
        if right is not None:
            self.report.part(f"{job}: parity", lambda: self.parity(job, right, opened, results))
        for one in opened:
            name = f"{job}: {one.loaded.model.name}"
            self.report.part(name, partial(self.speeds, name, one, results))
        self.report.part(f"{job}: streams", lambda: self.streams(job, opened, results))
        if self.clip is not None:
            self.report.part(f"{job}: files", lambda: self.files(job, opened, results))
        self.tell_memory(job, results, (before, after, self.memory()))
        close_all(opened)

    def _open(self, job: Job, network: str) -> Opened:
        return open_network(job, find_model(network), self.store)

    def parity(
        self, job: Job, right: Sequence[LoadedNetwork], opened: Sequence[Opened], results: dict[str, Any]
    ) -> None:
        """Hold detector and reader against ONNX Runtime on the CPU."""
        same = parity.compare(right, [one.loaded for one in opened], parity.traffic_frames(16))
        self.report.add(f"{job}: parity with ONNX Runtime on the CPU", str(same), same.holds(job.precision))
        results["parity"] = asdict(same)

    def speeds(self, name: str, opened: Opened, results: dict[str, Any]) -> None:
        """Add a row for each batch size."""
        contract, path = opened.loaded.model.contract, opened.loaded.model.path
        gflop = count_flop(path, (1, 3, contract.height, contract.width)) / 1e9
        peak = self.peaks.get(opened.loaded.precision)
        for batch in speed.BATCHES:
            alone = None if opened.engine is None else self._alone_ms(opened, batch)
            tflops = None if peak is None else peak.tflops
            measured = speed.network_speed(opened.loaded, batch, self.seconds, gflop, alone, tflops)
            self.report.add(f"{name}, batch {batch}", str(measured))
            results.setdefault("networks", []).append(asdict(measured))

    def _alone_ms(self, opened: Opened, batch: int) -> float:
        assert self.found.device is not None
        assert opened.engine is not None
        return gpu_ms(opened.engine, self.found.device, batch, self.seconds)

    def streams(self, job: Job, opened: Sequence[Opened], results: dict[str, Any]) -> None:
        """Add a row for each number of streams from memory, and one with the networks left out."""
        frames = parity.traffic_frames(32, (1920, 1080))
        pair = [one.loaded for one in opened]
        detector, reader = parity.detector_of(pair[0]), parity.reader_of(pair[1])
        for count in speed.STREAMS:
            measured = speed.memory_streams(detector, reader, frames, count, self.seconds)
            self._tell_stream(job, measured, results)
        self._tell_stream(job, speed.no_op_streams(pair, frames, self.seconds), results)

    def files(self, job: Job, opened: Sequence[Opened], results: dict[str, Any]) -> None:
        """Add a row for each number of streams from the clip."""
        from tools.gpu.files import file_streams

        assert self.clip is not None
        for count in speed.STREAMS:
            self._tell_stream(job, file_streams(self.clip, [one.loaded for one in opened], count), results)

    def _tell_stream(self, job: Job, measured: speed.StreamSpeed, results: dict[str, Any]) -> None:
        name = f"{job}: {measured.streams} streams of 1080p from {measured.source}"
        self.report.add(name, f"{measured.frames_s:.0f} frames/s")
        results.setdefault("streams", []).append(asdict(measured))

    def forms(self, job: Job) -> None:
        """Time the reader with its GRU in every form, and name the fastest that is right."""
        times: dict[GruForm, dict[int, float]] = {}
        for form in GRU_FORMS:
            measured = self.report.part(f"{job}: {form} GRU", partial(self._form_ms, job, form))
            if measured is not None:
                told = ", ".join(f"{ms:.3f} ms at batch {batch}" for batch, ms in measured.items())
                self.report.add(f"{job}: reader with {form} GRU", told)
                times[form] = measured
        if times:
            fastest = min(times, key=lambda form: times[form][GRU_DECIDES])
            told = f"{fastest} at batch {GRU_DECIDES}; the program takes {GRU_FORM}"
            self.report.add(f"{job}: fastest right form of the GRU", told)
            self.report.data.setdefault(str(job), {})["gru"] = {"fastest": fastest, "ms": times}

    def _form_ms(self, job: Job, form: GruForm) -> dict[int, float]:
        opened = self._open(self._job(job.engine, job.precision, form), NETWORKS[1])
        try:
            return {batch: self._time_ms(opened, batch) for batch in GRU_BATCHES}
        finally:
            close_all([opened])

    def _time_ms(self, opened: Opened, batch: int) -> float:
        if opened.engine is not None:
            return self._alone_ms(opened, batch)
        return speed.network_speed(opened.loaded, batch, self.seconds).batch_ms

    def memory(self) -> Memory | None:
        """Return how full the GPU's memory is, None without its driver."""
        return None if self.found.driver is None else self.report.part("memory", self.found.driver.memory)

    def tell_memory(self, job: Job, results: dict[str, Any], moments: Sequence[Memory | None]) -> None:
        """Add what networks and running streams have taken since the first moment."""
        before, opened, ran = moments
        if before is None or opened is None or ran is None:
            return
        use = {
            "networks_bytes": opened.used_bytes - before.used_bytes,
            "running_bytes": ran.used_bytes - opened.used_bytes,
            "used_bytes": ran.used_bytes,
            "total_bytes": ran.total_bytes,
        }
        networks, running, used, total = (round(size / MIB) for size in use.values())
        told = f"networks {networks} MiB, all measurements {running} MiB more; {used} of {total} MiB in use"
        self.report.add(f"{job}: GPU memory", told)
        results["memory"] = use


def main(arguments: list[str] | None = None) -> int:
    """Run the check; the exit code is 0 if all holds, 1 if not, 3 without a GPU."""
    options = parse(arguments)
    found = look_around()
    if not found.can_measure:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in found.missing.items())
        print(f"gpu_check: no network can run on a GPU here ({reasons})", file=sys.stderr)
        return NO_GPU
    report = Report(time.monotonic() + 60 * options.minutes)
    tell_surroundings(report, found)
    Check(found, report, options.seconds, options.clip).run()
    report.print()
    return 0 if report.is_right else FAILED


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = ToolParser("python -m tools.gpu_check", __doc__)
    parser.add_argument("--clip", type=Path, help="a recording for the streams from files")
    parser.add_argument("--seconds", type=positive, default=0.5, help="time of one measurement")
    parser.add_argument("--minutes", type=positive, default=7.0, help="after so many no further part begins")
    return parser.parse_args(arguments)


def tell_surroundings(report: Report, found: Surroundings) -> None:
    """Begin with the device, the versions and what is missing."""
    if found.device is not None:
        info = found.device.info
        told = f"{info.name}, SM {info.compute_capability}, driver CUDA {info.driver}"
        report.add("GPU", f"{told}, through {found.device_through}")
        report.data["device"] = asdict(info)
    for name, version in found.versions.items():
        report.add(name, version)
    for name, reason in found.missing.items():
        report.add(f"not measured: {name}", reason)
    if found.driver is not None and (memory := report.part("memory", found.driver.memory)) is not None:
        used, total = memory.used_bytes // MIB, memory.total_bytes // MIB
        report.add("GPU memory before any network", f"{used} of {total} MiB: contexts")
        report.data["memory"] = asdict(memory)
    report.data.update(versions=found.versions, missing=found.missing, engines=found.engines)


def load_right() -> tuple[LoadedNetwork, LoadedNetwork]:
    """Load what every engine is held against."""
    settings = InferenceSettings(backend="onnxruntime", precision="fp32")
    detector, reader = (load_network(name, settings) for name in NETWORKS)
    return detector, reader
