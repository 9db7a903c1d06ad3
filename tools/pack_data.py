"""Pack everything a training needs into one file: `python -m tools.pack_data reader DATA OUT`.

A reader pack holds one picture a plate: the plate with generous margins. Its records have `text`,
`lines`, `country`, `split`, `set`, `image`, `machine` (bool: no person read it), `height_px` and
`aspect` of the plate in its source, `box` and `quad` (or null) in pixels of the packed picture.
A detector pack holds whole pictures; records have `set`, `image`, `country`, `split`, `kind`,
`complete` and `plates` with `box` and `quad` in pixels of the packed picture.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from tools.options import ToolParser, positive
from tools.refusal import exit_code
from tools.training.detector_data import DataError, read_labels, read_picture
from tools.training.packs import Pack, Picture, Record, encode, write_pack

MARGIN = 0.35
"""Of the plate's box, kept on each side where the picture has it."""

READER_SIZE = (192, 96)
"""Largest (width, height) of a packed plate in pixels."""

DETECTOR_SIDE_PX = 640
QUALITIES = (90, 80, 70, 60, 50, 40, 30, 20)

UNKNOWN = "unknown"
"""What `--leave-out` calls the country of plates whose country nobody told."""

Item = tuple[Record, Picture]


@dataclass(frozen=True)
class Labelled:
    """One line of a `labels.jsonl` and where it stands."""

    folder: Path
    line: dict[str, Any]

    def picture(self) -> Picture:
        """Read the picture, (height, width, 3) uint8 BGR.

        Raises:
            DataError: the file is missing or no picture.
        """
        return read_picture(self.folder / self.line["image"])

    def country(self, plate: dict[str, Any]) -> str:
        """Of one of its plates: the plate's own, else the picture's, `UNKNOWN` where none is told."""
        return plate.get("country") or self.line.get("country") or UNKNOWN

    def head(self) -> Record:
        """The part of a record that every kind of pack has."""
        return {
            "set": self.folder.name,
            "image": self.line["image"],
            "country": self.line.get("country"),
            "split": self.line["split"],
        }


def labelled_pictures(data: Path) -> Iterator[Labelled]:
    """All lines of all sets under `data`, in the order of their names.

    Raises:
        DataError: there is none, or one that cannot be used.
    """
    for folder, line in read_labels(data):
        yield Labelled(folder, line)


def countries(labelled: Labelled) -> set[str]:
    """Of the plates in a picture."""
    return {labelled.country(plate) for plate in labelled.line["plates"]}


def plate_crop(picture: Picture, plate: dict[str, Any]) -> tuple[Picture, Record]:
    """Cut one plate with its margins; returns the crop and the geometry part of its record."""
    box = np.array(plate["box"], float)
    size = np.array([box[2] - box[0], box[3] - box[1]])
    limit = np.array([picture.shape[1], picture.shape[0]])
    start = np.clip(np.floor(box[:2] - MARGIN * size), 0, limit - 1).astype(int)
    stop = np.clip(np.ceil(box[2:] + MARGIN * size), start + 1, limit).astype(int)
    crop = picture[start[1] : stop[1], start[0] : stop[0]]
    target = np.minimum(stop - start, READER_SIZE)
    scale = target / (stop - start)
    packed = cv2.resize(crop, tuple(int(side) for side in target), interpolation=cv2.INTER_AREA)
    quad = plate.get("quad")
    geometry: Record = {
        "box": ((box.reshape(2, 2) - start) * scale).round(2).ravel().tolist(),
        "quad": None if quad is None else ((np.array(quad) - start) * scale).round(2).tolist(),
        "height_px": round(float(size[1]), 1),
        "aspect": round(float(size[0] / size[1]), 3),
    }
    return np.asarray(packed, np.uint8), geometry


def reader_items(pictures: Iterable[Labelled]) -> Iterator[Item]:
    """Every plate in `pictures` whose text is known."""
    for labelled in pictures:
        plates = [plate for plate in labelled.line["plates"] if plate.get("text")]
        if not plates or labelled.line["kind"] == "design":
            continue
        picture = labelled.picture()
        for plate in plates:
            crop, geometry = plate_crop(picture, plate)
            head = labelled.head()
            head["country"] = plate.get("country") or head["country"]
            yield (
                {
                    **head,
                    "text": plate["text"],
                    "lines": plate.get("lines", 1),
                    "vehicle": plate.get("vehicle"),
                    "machine": plate.get("label") == "machine",
                    **geometry,
                },
                crop,
            )


def detector_items(pictures: Iterable[Labelled]) -> Iterator[Item]:
    """Every scene among `pictures`, its longer side at most `DETECTOR_SIDE_PX`."""
    for labelled in pictures:
        if labelled.line["kind"] != "scene":
            continue
        picture = labelled.picture()
        scale = min(1.0, DETECTOR_SIDE_PX / max(picture.shape[:2]))
        if scale < 1:
            picture = np.asarray(cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))
        plates = [_scaled(plate, scale) for plate in labelled.line["plates"]]
        extra = {"kind": "scene", "complete": labelled.line.get("complete", True), "plates": plates}
        yield {**labelled.head(), **extra}, picture


def _scaled(plate: dict[str, Any], scale: float) -> Record:
    quad = plate.get("quad")
    return {
        "box": (np.array(plate["box"]) * scale).round(2).tolist(),
        "quad": None if quad is None else (np.array(quad) * scale).round(2).tolist(),
    }


KINDS: dict[str, Callable[[Iterable[Labelled]], Iterator[Item]]] = {
    "reader": reader_items,
    "detector": detector_items,
}


def fitting_quality(items: list[Item], limit_bytes: float) -> int:
    """The best of `QUALITIES` at which a sample of `items` says that all fit into `limit_bytes`."""
    sample = items[:: max(1, len(items) // 300)]
    for quality in QUALITIES:
        sizes = [len(encode(picture, quality)) + len(json.dumps(record)) for record, picture in sample]
        if np.mean(sizes) * len(items) * 1.02 < limit_bytes:
            return quality
    return QUALITIES[-1]


def pack(kind: str, data: Path, out: Path, limit_mb: float, left_out: frozenset[str] = frozenset()) -> Pack:
    """Pack all sets under `data` into `out`, at the best quality that keeps it under `limit_mb`.

    Raises:
        DataError: labels or a picture cannot be used, or no plate is of a country to leave out.
    """
    pictures = list(labelled_pictures(data))
    known = {country for labelled in pictures for country in countries(labelled)}
    if unknown := left_out - known:
        there, wanted = (", ".join(sorted(some)) for some in (known, unknown))
        raise DataError(f"{data}: no plate of {wanted} to leave out; there are {there}")
    items = list(KINDS[kind](labelled for labelled in pictures if not countries(labelled) & left_out))
    quality = fitting_quality(items, limit_mb * 1e6)
    return write_pack(out, kind, ((record, encode(picture, quality)) for record, picture in items))


def run(options: argparse.Namespace) -> None:
    """Pack what `options` ask for."""
    left_out = frozenset(options.leave_out)
    made = pack(options.kind, options.data, options.out, options.limit_mb, left_out)
    size_mb = options.out.stat().st_size / 1e6
    print(f"{options.out}: {len(made)} pictures, {size_mb:.1f} MB")
    if size_mb > options.limit_mb:
        print(f"larger than --limit-mb {options.limit_mb:g} even at the lowest quality", file=sys.stderr)


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and pack; 0, or 2 after one line on what is wrong."""
    parser = ToolParser("tools.pack_data", __doc__)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("data", type=Path, help="folder of sets, each with a labels.jsonl")
    parser.add_argument("out", type=Path, help="the file to write")
    parser.add_argument("--limit-mb", type=positive, default=40.0, help="quality falls until the file fits")
    parser.add_argument(
        "--leave-out",
        nargs="+",
        default=[],
        metavar="COUNTRY",
        help=f"countries whose pictures stay out, to see how a network reads them unseen; "
        f"'{UNKNOWN}': plates whose country nobody told",
    )
    options = parser.parse_args(arguments)
    return exit_code("pack_data", lambda: run(options))


if __name__ == "__main__":
    sys.exit(main())
