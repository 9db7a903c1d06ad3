"""Watch the memory of a run over a recording played again and again, and draw the curve.

The program runs in a process of its own, as a user runs it. Exit code 1 if memory grew after the start:
`python -m tools.watch_memory clip.mp4 --frames 20000 --plot memory.png`.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from anpr_stream.config.source import SourceSettings
from anpr_stream.sources import probe
from tools.options import ToolParser, positive, whole
from tools.options import plot as plot_file
from tools.refusal import ToolError, exit_code

SETTLED = 0.25
"""Share of the run after which memory must be flat: engines and caches have filled by then."""

ALLOWED_MIB = 32.0
"""Growth of the fitted line over the rest of the run that still counts as flat."""


@dataclass(frozen=True)
class Sample:
    """Memory at a time of the run."""

    second: float
    mib: float


def resident_mib(pid: int) -> float:
    """Return the resident memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise ProcessLookupError(pid)


def watch(command: Sequence[str], every_s: float) -> Iterator[Sample]:
    """Run a command to its end and yield samples of its memory.

    Raises:
        CalledProcessError: the command failed.
    """
    began_s = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            with suppress(ProcessLookupError, FileNotFoundError):
                yield Sample(time.monotonic() - began_s, resident_mib(process.pid))
            with suppress(subprocess.TimeoutExpired):
                process.wait(every_s)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)


def growth_mib(samples: Sequence[Sample]) -> float:
    """Return how much the straight line through the settled part rises from its begin to its end."""
    begin_s = samples[-1].second * SETTLED
    settled = [sample for sample in samples if sample.second >= begin_s]
    if len(settled) < 2:
        return 0.0
    middle_s = sum(sample.second for sample in settled) / len(settled)
    mean_mib = sum(sample.mib for sample in settled) / len(settled)
    spread = sum((sample.second - middle_s) ** 2 for sample in settled)
    slope = sum((s.second - middle_s) * (s.mib - mean_mib) for s in settled) / spread
    return slope * (settled[-1].second - settled[0].second)


def plot(samples: Sequence[Sample], path: Path) -> None:
    """Draw memory over time."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3))
    axes = figure.subplots()
    axes.plot([sample.second for sample in samples], [sample.mib for sample in samples], linewidth=1)
    axes.set(xlabel="seconds", ylabel="resident memory, MiB", ylim=(0, None))
    figure.tight_layout()
    figure.savefig(path, dpi=100)


def repeated(clip: Path, frames: int, folder: Path) -> int:
    """Fill a folder with links to a clip, enough for so many frames; return how many frames that are."""
    known = probe(str(clip), SourceSettings()).frames or 1
    times = -(-frames // known)
    for number in range(times):
        (folder / f"{number:05}{clip.suffix}").symlink_to(clip.resolve())
    return times * known


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = ToolParser("tools.watch_memory", __doc__)
    made.add_argument("clip", type=Path)
    made.add_argument("--frames", type=whole(1), default=20_000, help="at least so many frames")
    made.add_argument("--every-s", type=positive, default=1.0, help="time between samples")
    made.add_argument("--config", type=Path, help="settings file")
    made.add_argument("--plot", type=plot_file, help="picture of the curve")
    return made


def run(options: argparse.Namespace) -> int:
    """Watch the run that `options` ask for and print what came of it; 1 if memory grew.

    Raises:
        SourceError: the clip cannot be played.
        ToolError: the run failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        frames = repeated(options.clip, options.frames, Path(folder))
        command = [sys.executable, "-m", "anpr_stream", "run", folder, "--format", "jsonl"]
        if options.config:
            command += ["-c", str(options.config)]
        try:
            samples = list(watch(command, options.every_s))
        except subprocess.CalledProcessError as error:
            raise ToolError(f"the run ended with code {error.returncode}, as told above") from error
    if options.plot:
        plot(samples, options.plot)
    growth = growth_mib(samples)
    highest, last = max(sample.mib for sample in samples), samples[-1].mib
    print(f"{frames} frames in {samples[-1].second:.0f} s: at most {highest:.0f} MiB, {last:.0f} at the end")
    print(f"growth after the first {SETTLED:.0%}: {growth:+.1f} MiB (flat up to {ALLOWED_MIB:.0f})")
    return int(growth > ALLOWED_MIB)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, watch, print; 1 if memory grew, 2 after one line on what is wrong."""
    options = parser().parse_args(arguments)
    return exit_code("watch_memory", lambda: run(options))


if __name__ == "__main__":
    sys.exit(main())
