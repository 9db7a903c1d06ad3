"""`evaluate detection`: labelled scenes through the very letterbox, network and decoding of the runtime."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from anpr_stream.config.models import DetectorSettings
from anpr_stream.errors import ModelError
from anpr_stream.inference.select import LoadedNetwork
from anpr_stream.perception.detector import YoloDetector
from anpr_stream.types import Detection, Image
from anpr_stream.vision.contract import DetectorContract
from anpr_stream.vision.letterbox import fit, input_size
from tools.evaluation.crops import picture_frame
from tools.evaluation.detection import Found, Truth, lowest_threshold, match_picture, report
from tools.evaluation.engine import add_engine, load_alone
from tools.options import share, whole
from tools.pack_data import Labelled
from tools.training.detector_data import DataError, read_labels
from tools.write_picture import write_picture

WEAKEST = 0.01
BATCH = 8
FALSE_SHARE = 0.02
TILE_PX = 240
COLUMNS = 8


@dataclass(frozen=True)
class Judged:
    """A scene with what is in it and what was found in it."""

    labelled: Labelled
    truth: Truth
    found: Found


def scenes(data: Path, splits: Sequence[str], sets: Sequence[str]) -> Iterator[Labelled]:
    """The scenes of some splits; of some sets only if any are named.

    Raises:
        DataError: there are no labels.
    """
    for folder, line in read_labels(data):
        if line.get("kind") == "scene" and line.get("split") in splits and (not sets or folder.name in sets):
            yield Labelled(folder, line)


def truth_of(line: dict[str, object], plates: Sequence[dict[str, list[float]]], input_px: int) -> Truth:
    """What a line of labels says, plate heights as they are in the network's input."""
    width, height = int(str(line["width"])), int(str(line["height"]))
    boxes = np.array([plate["box"] for plate in plates], np.float32).reshape(-1, 4)
    scale = np.float32(fit(width, height, *input_size(width, height, input_px)).scale)
    return Truth(
        boxes,
        (boxes[:, 3] - boxes[:, 1]) * scale,
        bool(line.get("complete", True)),
        str(line.get("country") or ""),
    )


def found_of(detections: Sequence[Detection]) -> Found:
    """Detections as arrays."""
    boxes = np.array([detection.box for detection in detections], np.float32).reshape(-1, 4)
    return Found(boxes, np.array([detection.confidence for detection in detections], np.float32))


def judge(detector: YoloDetector, labelled: Iterator[Labelled], input_px: int) -> list[Judged]:
    """Search every scene."""
    judged = []
    while part := list(islice(labelled, BATCH)):
        frames = [picture_frame(entry.picture(), entry.line["image"]) for entry in part]
        for entry, detections in zip(part, detector.detect(frames), strict=True):
            truth = truth_of(entry.line, entry.line["plates"], input_px)
            judged.append(Judged(entry, truth, found_of(detections)))
    return judged


def load_detector(
    model: str, backend: str, precision: str, input_px: int, coarse_px: int
) -> tuple[LoadedNetwork, YoloDetector]:
    """A detector that reports even the weakest plates.

    Raises:
        ModelError: the network is no detector.
    """
    network = load_alone(model, backend, precision)
    contract = network.model.contract
    if not isinstance(contract, DetectorContract):
        raise ModelError(f"{model}: this is no detector: name one with --model")
    settings = DetectorSettings(input_px=input_px, coarse_px=coarse_px, threshold=WEAKEST, min_height_px=0)
    return network, YoloDetector(network.backend, contract, settings)


def contact_sheet(judged: Sequence[Judged], threshold: float) -> Image:
    """Scenes with errors at `threshold`: found plates green, missed ones red, false ones yellow."""
    tiles = [tile for entry in judged if (tile := _tile(entry, threshold)) is not None]
    tiles += [np.zeros((TILE_PX, TILE_PX, 3), np.uint8)] * (-len(tiles) % COLUMNS if tiles else COLUMNS)
    rows = [np.hstack(tiles[start : start + COLUMNS]) for start in range(0, len(tiles), COLUMNS)]
    return np.asarray(np.vstack(rows), np.uint8)


def _tile(entry: Judged, threshold: float) -> Image | None:
    sure = entry.found.confidences >= threshold
    kept = Found(entry.found.boxes[sure], entry.found.confidences[sure])
    matches = match_picture(entry.truth, kept, 0.5)
    if matches.right.all() and (matches.taken > 0).all():
        return None
    picture = entry.labelled.picture()
    scale = TILE_PX / max(picture.shape[:2])
    size = (max(1, int(picture.shape[1] * scale)), max(1, int(picture.shape[0] * scale)))
    tile = np.zeros((TILE_PX, TILE_PX, 3), np.uint8)
    tile[: size[1], : size[0]] = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    for box, taken in zip(entry.truth.boxes, matches.taken, strict=True):
        _draw(tile, box * scale, (0, 255, 0) if taken else (0, 0, 255))
    order = np.argsort(-kept.confidences, kind="stable")
    if entry.truth.complete:
        for index, right in zip(order, matches.right, strict=True):
            if not right:
                _draw(tile, kept.boxes[index] * scale, (0, 255, 255))
    return tile


def _draw(
    tile: Image, box: np.ndarray[tuple[int, ...], np.dtype[np.float32]], colour: tuple[int, int, int]
) -> None:
    x1, y1, x2, y2 = (round(float(value)) for value in box)
    cv2.rectangle(tile, (x1, y1), (x2, y2), colour, 1)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `evaluate detection`."""
    parser.add_argument("--data", type=Path, required=True, help="folder of sets, each with a labels.jsonl")
    parser.add_argument("--split", action="append", choices=("train", "val", "test"), help="default: val")
    parser.add_argument("--set", action="append", default=[], help="only this set (again for more)")
    parser.add_argument("--model", default="detector-cpu", help="name or path of the network")
    add_engine(parser)
    parser.add_argument(
        "--input-px", type=whole(64, 2048), default=640, help="longer side of the network's input"
    )
    parser.add_argument(
        "--coarse-px",
        type=whole(0, 2048),
        default=DetectorSettings().coarse_px,
        help="of the second look's; 0: none",
    )
    parser.add_argument("--threshold", type=share, help="default: lowest with 1 false plate in 50 negatives")
    parser.add_argument("--sheet", type=Path, help="picture of the scenes with errors")


def run(options: argparse.Namespace) -> Iterator[str]:
    """Search all scenes, yield the report's lines and write the sheet.

    Raises:
        DataError: no scene was found.
    """
    network, detector = load_detector(
        options.model, options.backend, options.precision, options.input_px, options.coarse_px
    )
    judged = judge(detector, scenes(options.data, options.split or ["val"], options.set), options.input_px)
    network.backend.close()
    if not judged:
        raise DataError(f"{options.data}: no scene of this split and set")
    truths, found = [entry.truth for entry in judged], [entry.found for entry in judged]
    threshold = options.threshold
    if threshold is None:
        threshold = lowest_threshold(truths, found, FALSE_SHARE)
    yield f"{network.engine} {network.precision}"
    yield from report(truths, found, threshold).lines()
    if options.sheet:
        write_picture(options.sheet, contact_sheet(judged, threshold))
