"""Fit the confidence of fused texts: `python -m tools.calibrate_fusion --data DATA --reader NAME`.

Reads made-up passes of the `val` plates, then prints how often the fused text is right beside the best
single read and the most frequent text, and the reliability of its confidence. With `--out engines` it
writes `fusion_calibration.json`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from pathlib import Path

import numpy as np

from anpr_stream.config.models import InferenceSettings, ReaderSettings
from anpr_stream.config.schema import Settings
from anpr_stream.interfaces import PlateReader
from anpr_stream.pipeline.networks import load_networks
from anpr_stream.plates.formats import FormatSet, load_formats
from anpr_stream.tracking.calibration import Calibration, FusionFeatures, fit_calibration
from anpr_stream.tracking.fusion import Fusion
from anpr_stream.types import Crop, Read
from tools.evaluation.passes import labelled_plates, make_pass, most_frequent
from tools.options import ToolParser, whole
from tools.refusal import ToolError, exit_code

LOOKS = (1, 2, 3, 5, 8)
"""Numbers of looks of each plate's passes."""
BINS = (0.0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 1.0)


@dataclass(frozen=True)
class Outcome:
    """What became of one pass."""

    truth: str
    reads: tuple[Read, ...]
    fused: str
    features: FusionFeatures | None

    @property
    def is_right(self) -> bool:
        """Whether the fused text is the true one."""
        return self.fused == self.truth


def run_pass(truth: str, crops: Sequence[Crop], reader: PlateReader, formats: FormatSet) -> Outcome:
    """Read a pass and fuse it."""
    reads = reader.read(crops)
    fusion = Fusion(formats)
    for crop, read in zip(crops, reads, strict=True):
        fusion.add(read, crop.quality)
    plate = fusion.plate()
    return Outcome(truth, tuple(reads), plate.text if plate else "", fusion.features())


def reliability(outcomes: Sequence[Outcome], calibration: Calibration) -> list[str]:
    """Return lines: confidence told, share right, number, by bins of confidence."""
    told = np.array([calibration.confidence(o.features) if o.features else 0.0 for o in outcomes])
    right = np.array([o.is_right for o in outcomes])
    lines = []
    for low, high in pairwise(BINS):
        inside = (told >= low) & ((told < high) | (high == 1.0))
        if inside.any():
            share = f"told {told[inside].mean():.3f}, right {right[inside].mean():.3f}"
            lines.append(f"  {low:.2f} to {high:.2f}: {share} of {inside.sum()}")
    return [*lines, f"  Brier score {np.mean((told - right) ** 2):.4f}"]


def comparison(outcomes: Sequence[Outcome]) -> list[str]:
    """Return lines: fused text beside the best single read and the most frequent text, by looks."""
    lines = ["looks  passes  fused  best read  most frequent"]
    for looks in LOOKS:
        some = [o for o in outcomes if len(o.reads) == looks]
        if some:
            best = np.mean([max(o.reads, key=lambda r: r.confidence).text == o.truth for o in some])
            often = np.mean([most_frequent([r.text for r in o.reads]) == o.truth for o in some])
            fused = np.mean([o.is_right for o in some])
            lines.append(f"{looks:5d}  {len(some):6d}  {fused:.3f}  {best:9.3f}  {often:13.3f}")
    return lines


def load_reader(model: str) -> PlateReader:
    """Load the product's reader, closer looks and all, on the engine that is always there.

    Raises:
        ModelError: no such network, or not a reader.
        BackendError: no engine can run it.
    """
    inference = InferenceSettings(backend="onnxruntime")
    return load_networks(Settings(inference=inference, reader=ReaderSettings(model=model))).reader


def run(options: argparse.Namespace) -> None:
    """Make the passes, read them, print what came of it and write the calibration.

    Raises:
        ToolError: the passes are too few to fit anything.
    """
    rng = np.random.default_rng(options.seed)
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
    reader, formats = load_reader(options.reader), load_formats()
    plates = labelled_plates(options.data, "val", options.limit, options.seed)
    passes = [
        [run_pass(plate.text, make_pass(plate, looks, rng), reader, formats) for looks in LOOKS]
        for plate in plates
    ]
    print("\n".join(comparison(list(chain(*passes)))))
    # By plate: the passes of one are too alike to test each other.
    fit_on, kept_apart = (list(chain(*passes[first::2])) for first in (0, 1))
    try:
        calibration = fit_calibration([(o.features, o.is_right) for o in fit_on if o.features])
    except ValueError as error:
        raise ToolError(f"{options.data}: {error}") from error
    print("by hand, on the half kept apart", *reliability(kept_apart, Calibration()), sep="\n")
    print("fitted, on the half kept apart", *reliability(kept_apart, calibration), sep="\n")
    if options.out:
        (options.out / "fusion_calibration.json").write_text(calibration.to_json())


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = ToolParser("tools.calibrate_fusion", __doc__)
    made.add_argument("--data", type=Path, required=True, help="folder with a labels.jsonl per set")
    made.add_argument("--reader", default="reader-cpu", help="a network's name or ONNX file")
    made.add_argument("--limit", type=whole(1), default=100, help="plates of each set")
    made.add_argument("--seed", type=whole(), default=1)
    made.add_argument("--out", type=Path, help="folder to write to; nothing is written without it")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0, or 2 after one line on what is wrong."""
    options = parser().parse_args(arguments)
    return exit_code("calibrate_fusion", lambda: run(options))


if __name__ == "__main__":
    sys.exit(main())
