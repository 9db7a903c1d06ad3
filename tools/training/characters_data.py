"""Pictures of single characters: loading, and augmentation without flips."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from anpr_stream.types import ALPHABET
from anpr_stream.vision.segment import segment
from tools.training.characters import INPUT_PX
from tools.training.detector_data import DataError, Picture
from tools.training.packs import read_pack

SPLITS = {"train": 0, "val": 1, "test": 2}
STORED_PX = 48
"""Side at which characters cut from plates are kept."""
PLATE_HEIGHT_PX = 96

Glyph = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Glyphs:
    """Characters, bright on black. `pictures`: (n, s, s) uint8; `labels`: (n,) int64 into `ALPHABET`."""

    pictures: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)


def load_glyphs(path: Path, split: str) -> Glyphs:
    """One split of a `chars.npz` (`images` (n, s, s) uint8, `labels`, `split` 0 1 2, `classes`).

    Raises:
        DataError: no such file, not one of ours, other classes, or the split is empty.
    """
    file = path / "chars.npz" if path.is_dir() else path
    try:
        with np.load(file) as data:
            chosen = data["split"] == SPLITS[split]
            pictures, labels, classes = data["images"][chosen], data["labels"][chosen], data["classes"]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(f"{file}: no set of characters ({error})") from error
    if "".join(str(name) for name in classes) != ALPHABET:
        raise DataError(f"{file}: classes are not {ALPHABET}")
    if not len(labels):
        raise DataError(f"{file}: no character of the split '{split}'")
    return Glyphs(pictures, labels.astype(np.int64))


def glyphs_of_plates(pack_path: Path, split: str) -> Glyphs:
    """Characters of a reader pack's plates, cut as the product cuts them, where their number is right."""
    pack = read_pack(pack_path, "reader")
    pictures: list[Glyph] = []
    labels: list[int] = []
    for index, record in enumerate(pack.records):
        text = record["text"]
        if record["split"] != split or not set(text) <= set(ALPHABET):
            continue
        cut = segment(upright(pack.picture(index), record["box"], record["aspect"])).glyphs
        if len(cut) == len(text):
            pictures += [_resized(glyph, STORED_PX) for glyph in cut]
            labels += [ALPHABET.index(character) for character in text]
    stacked = np.stack(pictures) if pictures else np.zeros((0, STORED_PX, STORED_PX), np.uint8)
    return Glyphs(stacked, np.array(labels, np.int64))


def upright(picture: Picture, box: list[float], aspect: float) -> Glyph:
    """The plate in `box` (x1 y1 x2 y2) of `picture`, grey, 96 px high, at its own aspect."""
    x1, y1, x2, y2 = (max(0, round(value)) for value in box)
    grey = cv2.cvtColor(picture[y1:y2, x1:x2], cv2.COLOR_BGR2GRAY)
    width = round(PLATE_HEIGHT_PX * min(max(aspect, 0.5), 8.0))
    return np.asarray(cv2.resize(grey, (width, PLATE_HEIGHT_PX)), np.uint8)


def _resized(glyph: Glyph, side: int) -> Glyph:
    return np.asarray(cv2.resize(glyph, (side, side), interpolation=cv2.INTER_AREA), np.uint8)


def plain(glyph: Glyph) -> Glyph:
    """`glyph` as the network sees it: (80, 80) uint8."""
    return np.asarray(cv2.resize(glyph, (INPUT_PX, INPUT_PX), interpolation=cv2.INTER_LINEAR), np.uint8)


def augment(glyph: Glyph, random: np.random.Generator) -> Glyph:
    """A random view of `glyph`, (80, 80) uint8: shape, stroke, light, focus, noise; never mirrored."""
    view = _warped(glyph, random)
    chance = random.random(6)
    if chance[0] < 0.25:
        view = _restroked(view, random)
    if chance[1] < 0.2:
        side = int(random.integers(12, 40))
        view = plain(_resized(view, side))
    if chance[2] < 0.25:
        view = np.asarray(cv2.GaussianBlur(view, (0, 0), random.uniform(0.5, 3)), np.uint8)
    if chance[3] < 0.4:
        gain, offset = random.uniform(0.4, 1), random.uniform(0, 70)
        view = np.asarray(cv2.convertScaleAbs(view, alpha=gain, beta=offset), np.uint8)
    if chance[4] < 0.25:
        noise = random.normal(0, random.uniform(3, 30), view.shape)
        view = np.asarray(cv2.add(view, noise, dtype=cv2.CV_8U), np.uint8)
    return np.asarray(255 - view if chance[5] < 0.05 else view, np.uint8)


def _warped(glyph: Glyph, random: np.random.Generator) -> Glyph:
    """Turned, sheared, scaled and moved about the middle, enlarged to the network's input."""
    angle, shear = np.radians(random.normal(0, 5)), random.normal(0, 0.12)
    scale = np.exp(random.normal(0, 0.08, 2)) * (INPUT_PX / glyph.shape[0])
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = turn @ np.array([[1, shear], [0, 1]]) * scale
    middle = np.array(glyph.shape[::-1]) / 2
    shift = INPUT_PX / 2 + random.normal(0, 2.5, 2) - linear @ middle
    matrix = np.concatenate([linear, shift[:, None]], 1)
    size = (INPUT_PX, INPUT_PX)
    return np.asarray(cv2.warpAffine(glyph, matrix, size, flags=cv2.INTER_LINEAR), np.uint8)


def _restroked(glyph: Glyph, random: np.random.Generator) -> Glyph:
    """With thicker or thinner strokes."""
    kernel = np.ones((random.integers(2, 5), random.integers(2, 5)), np.uint8)
    change = cv2.dilate if random.random() < 0.5 else cv2.erode
    return np.asarray(change(glyph, kernel), np.uint8)


def training_images(data: Path) -> Iterator[npt.NDArray[np.float32]]:
    """(1, 3, 80, 80) float32 inputs of the training split without augmentation, in a fixed random order."""
    glyphs = load_glyphs(data, "train")
    for index in np.random.default_rng(0).permutation(len(glyphs)):
        grey = plain(glyphs.pictures[index]).astype(np.float32) / np.float32(255)
        yield np.repeat(grey[None, None], 3, axis=1)
