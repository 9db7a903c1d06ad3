"""Render pictures with pasted plates: `python -m tools.render_scenes --count 2000 --seed 1 ...`.

`--out` becomes a data set in this project's form: `images/*.jpg` and `labels.jsonl`, one line a picture
with `box`, `quad`, `text`, `lines` and `country` of each plate. The pictures of `--pictures` are data sets
in the same form; only training pictures that are known to hold no plate are used. The same seed gives the
same set for any number of workers.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from anpr_stream.errors import UsageError
from anpr_stream.plates.formats import PlateFormat, load_formats
from anpr_stream.synth.fonts import missing_packages
from anpr_stream.synth.pictures import load_pictures
from anpr_stream.synth.scenes import Scene, render_scene
from anpr_stream.types import Image
from tools.options import ToolParser, whole
from tools.refusal import exit_code
from tools.render_plates import in_order
from tools.write_picture import write_picture

MOST_PLATES = 4


@dataclass(frozen=True)
class Set:
    """What scenes are made of, and where they go."""

    pictures: Sequence[Image]
    formats: Sequence[PlateFormat]
    folder: Path

    def write(self, seed: int, number: int) -> str:
        """Render scene `number`, write its picture and return its line of `labels.jsonl`."""
        rng = np.random.default_rng([seed, number])
        picture = self.pictures[int(rng.integers(len(self.pictures)))]
        scene = render_scene(rng, picture, self.formats, int(rng.integers(1, MOST_PLATES + 1)))
        name = f"images/{seed}_{number:06d}.jpg"
        write_picture(self.folder / name, scene.image, (cv2.IMWRITE_JPEG_QUALITY, 92))
        return json.dumps(record(scene, name), separators=(",", ":"))


def record(scene: Scene, name: str) -> dict[str, Any]:
    """What `labels.jsonl` says of a scene."""
    plates = [
        {
            "box": [round(value, 2) for value in plate.box],
            "quad": [[round(x, 2), round(y, 2)] for x, y in plate.quad],
            "text": plate.text,
            "lines": len(plate.line_lengths),
            "first_line": plate.line_lengths[0],
            "country": plate.country,
        }
        for plate in scene.plates
    ]
    height, width = scene.image.shape[:2]
    head = {
        "image": name,
        "width": width,
        "height": height,
        "kind": "scene",
        "country": None,
        "split": "train",
    }
    return {**head, "source": "rendered", "complete": True, "plates": plates}


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = ToolParser("tools.render_scenes", __doc__)
    made.add_argument("--count", type=whole(1), required=True, help="number of pictures")
    made.add_argument("--seed", type=whole(), required=True)
    made.add_argument("--pictures", type=Path, nargs="+", required=True, help="data sets with empty pictures")
    made.add_argument("--out", type=Path, required=True, help="folder of the new data set")
    made.add_argument("--formats", help="countries and groups, with commas between; all if left out")
    made.add_argument("--workers", type=whole(1), default=1, help="processes")
    return made


def run(options: argparse.Namespace) -> None:
    """Render what `options` ask for and write it."""
    if missing := missing_packages():
        print(f"fonts not installed, others stand in: apt install {' '.join(missing)}", file=sys.stderr)
    cv2.setNumThreads(1)
    pictures = [picture for folder in options.pictures for picture in load_pictures(folder, empty=True)]
    if not pictures:
        raise UsageError("no training picture without a plate; name a set with complete, empty pictures")
    names = options.formats.split(",") if options.formats else None
    made = Set(pictures, load_formats(names).formats, options.out)
    (options.out / "images").mkdir(parents=True, exist_ok=True)
    start_s = time.perf_counter()
    lines = in_order(partial(made.write, options.seed), range(options.count), options.workers)
    with (options.out / "labels.jsonl").open("w", encoding="utf-8") as labels:
        labels.writelines(f"{line}\n" for line in lines)
    rate = options.count / (time.perf_counter() - start_s)
    print(f"{options.out}: {options.count} pictures, {rate:.0f} pictures/s")


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and render; 0, or 2 after one line on what is wrong."""
    options = parser().parse_args(arguments)
    return exit_code("render_scenes", lambda: run(options))


if __name__ == "__main__":
    sys.exit(main())
