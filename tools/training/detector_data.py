"""Pictures for the detector's training, decoded once and kept in memory as uint8."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, Field, ValidationError

from tools.refusal import ToolError, first_fault
from tools.training.packs import read_pack

Picture = NDArray[np.uint8]
Array = NDArray[np.float32]

Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Point = tuple[Number, Number]
Box = tuple[Number, Number, Number, Number]
Side = Annotated[int, Field(strict=True, gt=0)]

LONG_SIDE_PX = 640


class DataError(ToolError):
    """Labels or pictures that cannot be used; the message names the file and what is wrong."""


@dataclass(frozen=True)
class Scene:
    """A street picture. `picture`: (h, w, 3) uint8 BGR; `boxes`: (n, 4) float32 x1 y1 x2 y2 in its pixels;
    `quads`: (n, 4, 2) float32 clockwise from the plate's top left, NaN where unknown; `complete` says that
    every plate has its box; `weight` says how often to draw it beside others."""

    picture: Picture
    boxes: Array
    quads: Array
    complete: bool
    name: str
    country: str
    weight: float = 1.0


@dataclass(frozen=True)
class Scenes:
    """What one split holds: scenes with plates or without, and pictures of single plates, (h, w, 3) uint8 BGR
    cut to the plate's box, to be pasted."""

    scenes: list[Scene]
    crops: list[Picture]


Item = tuple[Picture, str, dict[str, Any]]


def _with_area(box: Box) -> Box:
    if box[2] <= box[0] or box[3] <= box[1]:
        raise ValueError(f"box {list(box)} has no area")
    return box


class _Plate(BaseModel):
    """What any use of a plate's labels rests on."""

    box: Annotated[Box, AfterValidator(_with_area)]
    quad: tuple[Point, Point, Point, Point] | None = None
    text: str | None = None


class _Line(BaseModel):
    """What any use of a picture's labels rests on."""

    image: str
    width: Side
    height: Side
    kind: Literal["scene", "crop", "design"]
    split: Literal["train", "val", "test"]
    plates: list[_Plate]


def read_labels(folder: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every line of every `*/labels.jsonl` under `folder` that tells of a picture (not of a clip), with the
    folder of its set, in a fixed order.

    Raises:
        DataError: there is none, or one that cannot be used.
    """
    files = sorted(folder.glob("*/labels.jsonl"))
    if not files:
        raise DataError(f"{folder}: no */labels.jsonl in it")
    for labels in files:
        for text, place in placed_lines(labels):
            if "video" not in (line := _parsed(text, place)):
                yield labels.parent, line


def placed_lines(labels: Path) -> Iterator[tuple[str, str]]:
    """What stands in a file of labels line by line, each with its place, `FILE:NUMBER`.

    Raises:
        DataError: it is not UTF-8.
    """
    try:
        texts = labels.read_text("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise DataError(f"{labels}: not UTF-8 ({error})") from error
    return ((text, f"{labels}:{number}") for number, text in enumerate(texts, 1) if text.strip())


def _parsed(text: str, place: str) -> dict[str, Any]:
    try:
        line: dict[str, Any] = json.loads(text)
        if not (isinstance(line, dict) and "video" in line):
            _Line.model_validate(line)
    except ValueError as error:
        fault = first_fault(error) if isinstance(error, ValidationError) else error
        raise DataError(f"{place}: {fault}; tools.validate_dataset tells all") from error
    return line


def load_scenes(data: Path, split: str, crops: bool = False) -> Scenes:
    """Decode one split of a folder of sets or of a detector's pack; `crops` also loads single plates.

    Scenes are shrunk to `LONG_SIDE_PX`, never enlarged. A pack holds no single plates.

    Raises:
        DataError, PackError: the data cannot be read, or the split is empty.
    """
    scenes: list[Scene] = []
    plates: list[Picture] = []
    for picture, name, line in _items(data, split, crops):
        if line["kind"] == "crop":
            cuts = (cut_out(picture, plate["box"]) for plate in line["plates"])
            plates += [cut for cut in cuts if cut.size]
        else:
            scenes.append(make_scene(picture, name, line))
    if not scenes:
        raise DataError(f"{data}: no scene of the split '{split}'")
    return Scenes(scenes, plates)


def _items(data: Path, split: str, crops: bool) -> Iterator[Item]:
    kinds = {"scene", "crop"} if crops else {"scene"}
    if data.is_dir():
        for base, line in read_labels(data):
            if line.get("split") == split and line.get("kind") in kinds:
                yield read_picture(base / line["image"]), f"{base.name}/{line['image']}", line
    else:
        pack = read_pack(data, "detector")
        for index, record in enumerate(pack.records):
            if record["split"] == split and record["kind"] in kinds:
                yield pack.picture(index), f"{record['set']}/{record['image']}", record


def read_picture(path: Path) -> Picture:
    """(h, w, 3) uint8 BGR.

    Raises:
        DataError: the file is missing or no picture.
    """
    try:
        picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    except cv2.error:  # more pixels than OpenCV takes
        picture = None
    if picture is None:
        raise DataError(f"{path}: not a readable picture")
    return np.asarray(picture, dtype=np.uint8)


def make_scene(picture: Picture, name: str, line: dict[str, Any]) -> Scene:
    """A scene from its picture and its line of labels."""
    height, width = picture.shape[:2]
    scale = np.float32(min(1.0, LONG_SIDE_PX / max(height, width)))
    if scale < 1:
        size = (round(width * float(scale)), round(height * float(scale)))
        picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    plates = line["plates"]
    boxes = np.array([plate["box"] for plate in plates], np.float32).reshape(-1, 4) * scale
    unknown = np.full((4, 2), np.nan)
    quads = np.array([plate.get("quad") or unknown for plate in plates], np.float32).reshape(-1, 4, 2) * scale
    return Scene(picture, boxes, quads, line.get("complete", True), name, line.get("country") or "")


def cut_out(picture: Picture, box: list[float]) -> Picture:
    """What of `picture` lies in `box`, x1 y1 x2 y2 in its pixels; without a pixel where that is nothing."""
    x1, y1, x2, y2 = (max(round(value), 0) for value in box)
    return np.ascontiguousarray(picture[y1:y2, x1:x2])
