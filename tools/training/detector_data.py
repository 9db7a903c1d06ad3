"""Pictures for the detector's training, decoded once and kept in memory as uint8."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from tools.refusal import ToolError
from tools.training.packs import read_pack

Picture = NDArray[np.uint8]
Array = NDArray[np.float32]

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


def read_labels(folder: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every line of every `*/labels.jsonl` under `folder`, with the folder of its set, in a fixed order.

    Raises:
        DataError: there is none.
    """
    files = sorted(folder.glob("*/labels.jsonl"))
    if not files:
        raise DataError(f"{folder}: no */labels.jsonl in it")
    for labels in files:
        with labels.open(encoding="utf-8") as lines:
            for line in lines:
                if line.strip():
                    yield labels.parent, json.loads(line)


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
            plates.append(_cut(picture, line["plates"][0]["box"]))
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
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
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


def _cut(picture: Picture, box: list[float]) -> Picture:
    x1, y1, x2, y2 = (max(round(value), 0) for value in box)
    return np.ascontiguousarray(picture[y1:y2, x1:x2])
