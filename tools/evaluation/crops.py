"""`evaluate reading`: labelled plates through the very cropping, network and decoding of the runtime."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from anpr_stream.config.models import ReaderSettings
from anpr_stream.errors import ModelError
from anpr_stream.inference.select import LoadedNetwork
from anpr_stream.interfaces import PlateReader
from anpr_stream.perception.readers import make_reader
from anpr_stream.types import ALPHABET, Crop, Detection, Frame, Image, PixelFormat, Planes
from anpr_stream.vision.contract import CharactersContract, ReaderContract
from anpr_stream.vision.crops import cut_crop
from tools.evaluation.engine import add_engine, load_alone
from tools.evaluation.reading import ReadingReport, ReadPlate, confusions, report
from tools.options import plot, real, several
from tools.pack_data import Labelled, labelled_pictures
from tools.training.detector_data import DataError
from tools.write_picture import write_picture

BATCH = 16
TILE = (256, 128)
"""(width, height) in pixels of a plate on the contact sheet."""

CAPTION_PX = 34


@dataclass(frozen=True)
class LabelledCrop:
    """A plate as the runtime gives it to a reader, and its truth."""

    crop: Crop
    text: str
    country: str
    lines: int


def picture_frame(picture: Image, name: str) -> Frame:
    """A frame of one picture, (H, W, 3) uint8 BGR."""
    height, width = picture.shape[:2]
    return Frame(name, 0, 0.0, 0.0, width, height, Planes(PixelFormat.BGR, (picture,)))


def labelled_crops(data: Path, splits: Sequence[str]) -> Iterator[LabelledCrop]:
    """Every plate with a text that a person read or checked, cut by its labelled box and corners."""
    for labelled in labelled_pictures(data):
        if labelled.line["split"] in splits and labelled.line["kind"] != "design":
            yield from _crops_of(labelled)


def _crops_of(labelled: Labelled) -> Iterator[LabelledCrop]:
    plates = [plate for plate in labelled.line["plates"] if plate.get("text")]
    if not plates:
        return
    frame = picture_frame(labelled.picture(), labelled.line["image"])
    for plate in plates:
        corners = plate.get("quad")
        quad = None if corners is None else tuple((float(x), float(y)) for x, y in corners)
        x1, y1, x2, y2 = (float(value) for value in plate["box"])
        crop = cut_crop(frame, Detection((x1, y1, x2, y2), 1.0, quad))  # type: ignore[arg-type]
        yield LabelledCrop(crop, plate["text"], labelled.country(plate), plate.get("lines", 1))


def read_crops(reader: PlateReader, crops: Iterator[LabelledCrop]) -> tuple[list[ReadPlate], list[Image]]:
    """What `reader` makes of `crops`; also their pictures, for people."""
    plates, pictures = [], []
    while part := list(islice(crops, BATCH)):
        for labelled, read in zip(part, reader.read([entry.crop for entry in part]), strict=True):
            height_px = labelled.crop.quality.height_px
            plates.append(
                ReadPlate(
                    labelled.text, read.text, read.confidence, labelled.country, labelled.lines, height_px
                )
            )
            pictures.append(np.asarray(cv2.resize(labelled.crop.image, TILE), np.uint8))
    return plates, pictures


def build_reader(network: LoadedNetwork, settings: ReaderSettings) -> PlateReader:
    """The reader that a network is made for: whole plates, or character by character.

    Raises:
        ModelError: the network reads nothing.
    """
    contract = network.model.contract
    if not isinstance(contract, ReaderContract | CharactersContract):
        raise ModelError(f"{contract.name}: this is no reader: name one with --model")
    return make_reader(network.backend, contract, settings)


def contact_sheet(plates: Sequence[ReadPlate], pictures: Sequence[Image], columns: int = 8) -> Image:
    """The wrongly read plates with truth (black) and read (red), surest mistakes first."""
    wrong = [index for index, plate in enumerate(plates) if plate.text != plate.truth]
    wrong.sort(key=lambda index: -plates[index].confidence)
    tiles = [_tile(plates[index], pictures[index]) for index in wrong] or [np.full((1, 1, 3), 255, np.uint8)]
    tiles += [np.full_like(tiles[0], 255)] * (-len(tiles) % columns)
    rows = [np.hstack(tiles[start : start + columns]) for start in range(0, len(tiles), columns)]
    return np.asarray(np.vstack(rows), np.uint8)


def _tile(plate: ReadPlate, picture: Image) -> Image:
    tile = cv2.copyMakeBorder(picture, 0, CAPTION_PX, 0, 0, cv2.BORDER_CONSTANT, value=(255, 255, 255))
    said = f"{plate.text} {plate.confidence:.2f}"
    for text, y, colour in ((f"{plate.country} {plate.truth}", 14, (0, 0, 0)), (said, 30, (0, 0, 220))):
        cv2.putText(tile, text, (4, TILE[1] + y), cv2.FONT_HERSHEY_SIMPLEX, 0.5, colour, 1, cv2.LINE_AA)
    return np.asarray(tile, np.uint8)


def draw_reliability(figures: ReadingReport, path: Path) -> None:
    """Plot the share of right texts over the stated confidence."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 5))
    axes = figure.subplots()
    said, right, _ = zip(*figures.reliability, strict=True)
    axes.plot([0, 1], [0, 1], color="grey", linewidth=0.8)
    axes.plot(said, right, marker="o")
    axes.set(xlabel="stated confidence", ylabel="share of right texts", xlim=(0, 1), ylim=(0, 1))
    figure.savefig(path, dpi=90)


def write_confusions(plates: Sequence[ReadPlate], path: Path) -> None:
    """Write the confusion matrix as plate lists want it."""
    document = {"alphabet": ALPHABET, "counts": confusions(plates).tolist()}
    path.write_text(json.dumps(document) + "\n", encoding="utf-8")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `evaluate reading`."""
    parser.add_argument("--data", type=Path, required=True, help="folder of sets, each with a labels.jsonl")
    parser.add_argument("--split", action="append", choices=("train", "val", "test"), help="default: val")
    parser.add_argument("--model", default="reader-cpu", help="name or path of the network")
    add_engine(parser)
    parser.add_argument(
        "--margins",
        type=several(real(-0.4, 1)),
        default=(),
        help="shares of the box, with commas between; default: the network's own",
    )
    parser.add_argument("--rectify", action="store_true", help="by the corners where they are known")
    parser.add_argument(
        "--straighten", action="store_true", help="read doubtful plates that lie aslant again, straightened"
    )
    parser.add_argument("--sheet", type=Path, help="picture of the wrongly read plates")
    parser.add_argument("--reliability", type=plot, help="plot of confidence against truth")
    parser.add_argument("--confusions", type=Path, help="JSON for the matching of plate lists")


def run(options: argparse.Namespace) -> Iterator[str]:
    """Read, yield the report's lines and write what else was asked for.

    Raises:
        DataError: no plate to read was found.
    """
    network = load_alone(options.model, options.backend, options.precision)
    below = ReaderSettings().straighten_below if options.straighten else 0.0
    settings = ReaderSettings(margins=options.margins, rectify=options.rectify, straighten_below=below)
    reader = build_reader(network, settings)
    plates, pictures = read_crops(reader, labelled_crops(options.data, options.split or ["val"]))
    network.backend.close()
    if not plates:
        raise DataError(f"{options.data}: no plate of this split whose text is known")
    figures = report(plates)
    yield f"{network.engine} {network.precision}"
    yield from figures.lines()
    if options.sheet:
        write_picture(options.sheet, contact_sheet(plates, pictures))
    if options.reliability:
        draw_reliability(figures, options.reliability)
    if options.confusions:
        write_confusions(plates, options.confusions)
