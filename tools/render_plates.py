"""Render plates into a reader pack: `python -m tools.render_plates --count 60000 --seed 1 --out FILE`.

The pack (see `tools.pack_data`) holds 192x96 pictures, each with one plate stretched to fill most of it,
little degraded: the training adds blur, noise and geometry. Records have `text`, `lines`, `first_line`
(characters of the first line), `country`, `box`, `quad` and `aspect` (of the real plate). The same seed
gives the same plates for any number of workers.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np

from anpr_stream.plates.formats import PlateFormat, load_formats
from anpr_stream.synth.artwork import load_artwork
from anpr_stream.synth.faces import Artwork
from anpr_stream.synth.fonts import missing_packages
from anpr_stream.synth.pictures import load_pictures, random_patches
from anpr_stream.synth.plates import SCENE, SynthPlate, render_plate
from anpr_stream.types import Image
from tools.options import ToolParser, whole
from tools.refusal import exit_code
from tools.training.packs import Record, encode_jpeg, write_pack

Made = TypeVar("Made")
CHUNK = 500
"""Plates rendered from one random state."""

SHARES = {
    "us": 16.0, "in": 12.0, "br": 6.0, "cn": 6.0, "fr": 6.0, "tn": 5.0, "vn": 5.0, "de": 4.0, "gb": 4.0,
    "id": 4.0, "ro": 4.0, "ru": 4.0, "tw": 4.0, "ar": 2.0, "at": 2.0, "es": 2.0, "it": 2.0, "nl": 2.0,
    "pl": 2.0, "tr": 2.0,
}  # fmt: skip
"""How often a country is drawn; the others 1."""

TWO_LINES = {"vn": 0.6, "in": 0.5}
"""Share of two-line plates where a country has both; elsewhere 0.35."""


@dataclass(frozen=True)
class Studio:
    """What plates are made of; loaded once in each process."""

    formats: Sequence[PlateFormat]
    weights: np.ndarray[tuple[int], np.dtype[np.float64]]
    artwork: Sequence[Artwork]
    patches: Sequence[Image]

    def plate(self, rng: np.random.Generator) -> SynthPlate:
        """Render one plate of a random country, format and number of lines."""
        chosen = self.formats[int(np.searchsorted(self.weights, rng.random() * self.weights[-1]))]
        both = len({shape.lines for shape in chosen.shapes}) == 2
        lines = 1 + int(rng.random() < TWO_LINES.get(chosen.country, 0.35)) if both else None
        sheet = None
        if chosen.country == "us" and self.artwork and rng.random() < 0.65:
            sheet = self.artwork[int(rng.integers(len(self.artwork)))]
        return render_plate(rng, chosen, lines, sheet, self.patches)


def build_studio(formats: Sequence[str] | None, designs: Path | None, pictures: Sequence[Path]) -> Studio:
    """Load formats, designs and background pictures."""
    known = load_formats(formats).formats
    totals: dict[str, float] = {}
    for plate_format in known:
        totals[plate_format.country] = totals.get(plate_format.country, 0.0) + np.exp(plate_format.log_weight)
    weights = [SHARES.get(f.country, 1.0) * np.exp(f.log_weight) / totals[f.country] for f in known]
    artwork = load_artwork(designs) if designs else []
    loaded = [picture for folder in pictures for picture in load_pictures(folder)]
    patches = random_patches(np.random.default_rng(0), loaded, 600, SCENE) if loaded else []
    return Studio(known, np.cumsum(weights), artwork, patches)


def record(plate: SynthPlate) -> Record:
    """What the pack says of a plate."""
    quad = np.array(plate.quad)
    return {
        "set": "synthetic",
        "image": "",
        "country": plate.country,
        "split": "train",
        "text": plate.text,
        "lines": len(plate.line_lengths),
        "first_line": plate.line_lengths[0],
        "vehicle": None,
        "machine": False,
        "box": [*quad.min(axis=0).round(2).tolist(), *quad.max(axis=0).round(2).tolist()],
        "quad": quad.round(2).tolist(),
        "height_px": round(float(np.ptp(quad[:, 1])), 1),
        "aspect": round(plate.aspect, 3),
    }


def render_chunk(studio: Studio, quality: int, seed: int, chunk: int) -> list[tuple[Record, bytes]]:
    """Render `CHUNK` plates, pictures as JPEG of `quality`."""
    rng = np.random.default_rng([seed, chunk])
    return [_encoded(studio.plate(rng), quality) for _ in range(CHUNK)]


def _encoded(plate: SynthPlate, quality: int) -> tuple[Record, bytes]:
    return record(plate), encode_jpeg(plate.image, quality)


def render_all(studio: Studio, options: argparse.Namespace) -> Iterator[tuple[Record, bytes]]:
    """Render `options.count` plates in `options.workers` processes, in a fixed order."""
    work = partial(render_chunk, studio, options.quality, options.seed)
    chunks = range(-(-options.count // CHUNK))
    made = in_order(work, chunks, options.workers)
    yield from (
        item for number, item in enumerate(item for part in made for item in part) if number < options.count
    )


def in_order(work: Callable[[int], Made], numbers: range, workers: int) -> Iterator[Made]:
    """Yield `work(number)` for all numbers in order, made by `workers` processes."""
    if workers == 1:
        yield from map(work, numbers)
        return
    with ProcessPoolExecutor(workers) as pool:
        yield from pool.map(work, numbers, chunksize=max(1, min(16, len(numbers) // (4 * workers))))


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = ToolParser("tools.render_plates", __doc__)
    made.add_argument("--count", type=whole(1), required=True, help="number of plates")
    made.add_argument("--seed", type=whole(), required=True)
    made.add_argument("--out", type=Path, required=True, help="the pack to write")
    made.add_argument("--formats", help="countries and groups, with commas between; all if left out")
    made.add_argument("--designs", type=Path, help="data set of US plate designs (kind: design)")
    made.add_argument(
        "--pictures", type=Path, nargs="*", default=[], help="data sets of pictures to lie behind"
    )
    made.add_argument("--quality", type=whole(1, 100), default=92, help="of the JPEG pictures, 1 to 100")
    made.add_argument("--workers", type=whole(1), default=1, help="processes")
    return made


def run(options: argparse.Namespace) -> None:
    """Render what `options` ask for and write it."""
    missing = missing_packages()
    if missing:
        print(f"fonts not installed, others stand in: apt install {' '.join(missing)}", file=sys.stderr)
    cv2.setNumThreads(1)
    names = options.formats.split(",") if options.formats else None
    studio = build_studio(names, options.designs, options.pictures)
    start_s = time.perf_counter()
    pack = write_pack(options.out, "reader", render_all(studio, options))
    rate = len(pack) / (time.perf_counter() - start_s)
    print(
        f"{options.out}: {len(pack)} plates, {options.out.stat().st_size / 1e6:.0f} MB, {rate:.0f} plates/s"
    )


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and render; 0, or 2 after one line on what is wrong."""
    options = parser().parse_args(arguments)
    return exit_code("render_plates", lambda: run(options))


if __name__ == "__main__":
    sys.exit(main())
