"""Render a traffic clip with its truth: `python -m tools.render_clip --seed 7 --out clip.mp4`.

Beside the clip lies `clip.jsonl`, one line a frame: `frame`, `pts_s` and `plates` with `track_id`, `text`,
`country`, `lines` (characters of each), `box` and `quad` in pixels. No data set is needed.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from anpr_stream.synth.fonts import missing_packages
from anpr_stream.synth.pictures import read_picture
from anpr_stream.synth.traffic import FORMATS, traffic_clip
from anpr_stream.synth.truth import TruthPlate
from anpr_stream.types import Image
from tools.options import ToolParser, positive, size, whole
from tools.refusal import ToolError, exit_code


def plate_record(plate: TruthPlate) -> dict[str, Any]:
    """What the truth file says of a plate."""
    return {
        "track_id": plate.track_id,
        "text": plate.text,
        "country": plate.country,
        "lines": list(plate.line_lengths),
        "box": [round(value, 2) for value in plate.box],
        "quad": [[round(x, 2), round(y, 2)] for x, y in plate.quad],
    }


def write_clip(frames: Iterator[tuple[Image, list[TruthPlate]]], out: Path, fps: float) -> set[str]:
    """Write the video and its truth; return the texts that can be seen.

    Raises:
        OSError: no video can be written there.
        ToolError: there is no frame.
    """
    texts: set[str] = set()
    video: cv2.VideoWriter | None = None
    with out.with_suffix(".jsonl").open("w", encoding="utf-8") as truth:
        for number, (frame, plates) in enumerate(frames):
            video = video or _video(out, fps, frame)
            video.write(frame)
            line = {
                "frame": number,
                "pts_s": round(number / fps, 4),
                "plates": list(map(plate_record, plates)),
            }
            truth.write(json.dumps(line) + "\n")
            texts |= {plate.text for plate in plates}
    if video is None:
        raise ToolError(f"{out}: no frame; ask for more --seconds or --fps")
    video.release()
    return texts


def _video(out: Path, fps: float, frame: Image) -> cv2.VideoWriter:
    video = cv2.VideoWriter(str(out), cv2.VideoWriter.fourcc(*"mp4v"), fps, frame.shape[1::-1])
    if not video.isOpened():
        raise OSError(f"{out}: no video can be written there; name a writable .mp4 or .mkv file")
    return video


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = ToolParser("tools.render_clip", __doc__)
    made.add_argument("--out", type=Path, required=True, help="the video, .mp4 or .mkv")
    made.add_argument("--seed", type=whole(), default=0)
    made.add_argument("--size", type=size, default="1280x720", help="WIDTHxHEIGHT in pixels")
    made.add_argument("--fps", type=positive, default=25.0)
    made.add_argument("--seconds", type=positive, default=8.0)
    made.add_argument("--vehicles", type=whole(), default=4)
    made.add_argument("--formats", default=",".join(FORMATS), help="countries and groups of the plates")
    made.add_argument("--background", type=Path, help="picture in place of the painted road")
    return made


def run(options: argparse.Namespace) -> None:
    """Render what `options` ask for and write it."""
    if missing := missing_packages():
        print(f"fonts not installed, others stand in: apt install {' '.join(missing)}", file=sys.stderr)
    background = None
    if options.background:
        background = np.asarray(cv2.resize(read_picture(options.background), options.size), np.uint8)
    formats = options.formats.split(",")
    frames = traffic_clip(
        options.seed, options.size, options.fps, options.seconds, options.vehicles, formats, background
    )
    for text in sorted(write_clip(frames, options.out, options.fps)):
        print(text)


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and render; 0, or 2 after one line on what is wrong."""
    options = parser().parse_args(arguments)
    return exit_code("render_clip", lambda: run(options))


if __name__ == "__main__":
    sys.exit(main())
