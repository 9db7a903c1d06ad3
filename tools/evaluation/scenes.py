"""`evaluate scenes`: pictures through search and reading, as `anpr-stream read` does it.

Whole photos, or plates that somebody cut out of them (`--kind crop`).
"""

from __future__ import annotations

import argparse
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean
from time import perf_counter
from typing import Any

import cv2
import numpy as np

from anpr_stream.config.load import load_settings
from anpr_stream.config.schema import Settings
from anpr_stream.pipeline.networks import Networks, load_networks
from anpr_stream.pipeline.pictures import PicturePlate, for_pictures, read_picture
from anpr_stream.plates.text import alike
from anpr_stream.types import Box, FloatArray, Image
from tools.evaluation.crops import picture_frame
from tools.evaluation.detection import pairwise_iou
from tools.options import real
from tools.pack_data import Labelled, labelled_pictures
from tools.training.augment import UNIT
from tools.training.detector_data import DataError

MIN_IOU = 0.5
"""Overlap from which on a plate counts as found."""

LEAST_IOU = 0.2
"""Overlap from which on a box's text is held against the plate's: some labels are drawn far around it."""


@dataclass(frozen=True)
class PlateResult:
    """One labelled plate.

    Attributes:
        country: for the table.
        is_found: a box overlaps it by `MIN_IOU`.
        is_right: the text of the box that overlaps it most, and by `LEAST_IOU`, is right.
        is_alike: it is, with O=0 and I=1.
    """

    country: str
    is_found: bool
    is_right: bool
    is_alike: bool


@dataclass(frozen=True)
class PictureResult:
    """One photo.

    Attributes:
        plates: those whose text is known.
        extra: boxes that meet no label of a photo whose labels are complete.
        is_first_right: the surest text is that of one of `plates`, with O=0 and I=1.
        seconds: of search and reading.
    """

    plates: tuple[PlateResult, ...]
    extra: int
    is_first_right: bool
    seconds: float


def judge(labelled: Labelled, plates: Sequence[PicturePlate], seconds: float) -> PictureResult:
    """Compare the plates found in a photo with its labels; labels without a text count for boxes only."""
    truths = labelled.line["plates"]
    overlaps = _overlaps([truth["box"] for truth in truths], [plate.detection.box for plate in plates])
    results = []
    for truth, row in zip(truths, overlaps, strict=True):
        if truth.get("text"):
            overlap = row.max(initial=0.0)
            text = plates[int(row.argmax())].read.text if overlap >= LEAST_IOU else ""
            results.append(_plate(truth, text, bool(overlap >= MIN_IOU), labelled.country(truth)))
    hits = overlaps.max(axis=0) >= 0.1 if len(truths) else np.zeros(len(plates), bool)
    extra = int((~hits).sum()) if labelled.line.get("complete", True) else 0
    known = {alike(truth["text"]) for truth in truths if truth.get("text")}
    is_first_right = bool(plates) and alike(plates[0].read.text) in known
    return PictureResult(tuple(results), extra, is_first_right, seconds)


def _plate(truth: dict[str, str], text: str, is_found: bool, country: str) -> PlateResult:
    return PlateResult(country, is_found, text == truth["text"], alike(text) == alike(truth["text"]))


def _overlaps(truths: Sequence[Box], boxes: Sequence[Box]) -> FloatArray:
    as_array = [np.asarray(some, np.float32).reshape(-1, 4) for some in (truths, boxes)]
    return pairwise_iou(*as_array).reshape(len(truths), len(boxes))


def lines(results: Sequence[PictureResult]) -> list[str]:
    """Return the report for people."""
    plates = [plate for result in results for plate in result.plates]
    by_country: dict[str, list[PlateResult]] = defaultdict(list)
    for plate in plates:
        by_country[plate.country].append(plate)
    extra = sum(result.extra for result in results)
    seconds = mean(result.seconds for result in results) if results else 0.0
    judged = [result.is_first_right for result in results if result.plates]
    first = f"{100 * mean(judged):.1f} %" if judged else "none"
    table = [f"  {country:8} {_shares(some)}" for country, some in sorted(by_country.items())]
    return [
        f"{len(results)} photos, {len(plates)} plates with a text",
        f"all        {_shares(plates)}",
        *table,
        f"surest text of a photo right, with O=0 and I=1: {first}",
        f"boxes that are no plate in completely labelled photos: {extra}",
        f"{seconds * 1000:.0f} ms a photo",
    ]


def _shares(plates: Sequence[PlateResult]) -> str:
    if not plates:
        return "none"
    found, right, alike = (
        100 * mean(getattr(plate, name) for plate in plates) for name in ("is_found", "is_right", "is_alike")
    )
    return f"{len(plates):5} found {found:5.1f} %  read {right:5.1f} %  with O=0 and I=1 {alike:5.1f} %"


def photos(data: Path, splits: Sequence[str], kind: str = "scene") -> Iterator[Labelled]:
    """Yield the labelled pictures of a kind of some splits."""
    for labelled in labelled_pictures(data):
        if labelled.line["kind"] == kind and labelled.line["split"] in splits:
            yield labelled


def turned(picture: Image, line: dict[str, Any], turn_deg: float) -> tuple[Image, dict[str, Any]]:
    """Turn a picture clockwise, as a tilted camera takes it, and the boxes in its labels with it.

    Args:
        picture: (H, W, 3) uint8 BGR.
        line: its labels.
        turn_deg: degrees.

    Returns:
        The whole picture, its outermost pixels repeated in the corners, and labels with the boxes around the
        turned ones.
    """
    height, width = picture.shape[:2]
    angle = math.radians(turn_deg)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    corners = UNIT * (width, height) @ turn.T
    origin = corners.min(axis=0)
    size = np.ceil(corners.max(axis=0) - origin).astype(int).tolist()
    # Boxes count from the picture's edge, warps from the middle of the first pixel.
    shift = turn @ (0.5, 0.5) - origin - 0.5
    image = cv2.warpAffine(picture, np.column_stack([turn, shift]), size, borderMode=cv2.BORDER_REPLICATE)

    def moved(box: Box) -> list[float]:
        points = (np.array(box[:2]) + UNIT * np.subtract(box[2:], box[:2])) @ turn.T - origin
        return [*points.min(axis=0).tolist(), *points.max(axis=0).tolist()]

    plates = [{**plate, "box": moved(plate["box"])} for plate in line["plates"]]
    return np.asarray(image, np.uint8), {**line, "plates": plates}


def read_all(
    pictures: Iterable[Labelled], networks: Networks, settings: Settings, turn_deg: float = 0.0
) -> Iterator[PictureResult]:
    """Search and read every picture, turned."""
    for labelled in pictures:
        picture = labelled.picture()
        if turn_deg:
            picture, line = turned(picture, labelled.line, turn_deg)
            labelled = replace(labelled, line=line)
        frame = picture_frame(picture, labelled.line["image"])
        began_s = perf_counter()
        plates = read_picture(frame, networks, settings)
        yield judge(labelled, plates, perf_counter() - began_s)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `evaluate scenes`."""
    parser.add_argument("--data", type=Path, required=True, help="folder of sets, each with a labels.jsonl")
    parser.add_argument("--split", action="append", choices=("train", "val", "test"), help="default: val")
    parser.add_argument(
        "--kind", choices=("scene", "crop"), default="scene", help="whole photos (default), or cut-out plates"
    )
    parser.add_argument("--config", type=Path, help="settings file; defaults without one")
    parser.add_argument(
        "--turn",
        type=real(-45, 45),
        default=0.0,
        help="degrees by which pictures are turned clockwise before",
    )


def run(options: argparse.Namespace) -> list[str]:
    """Read all photos and return the report's lines.

    Raises:
        DataError: no photo was found.
    """
    settings = for_pictures(load_settings(options.config) if options.config else Settings())
    with load_networks(settings) as networks:
        pictures = photos(options.data, options.split or ["val"], options.kind)
        results = list(read_all(pictures, networks, settings, options.turn))
        if not results:
            raise DataError(f"{options.data}: no {options.kind} of this split")
        return [networks.signature.backend, *lines(results)]
