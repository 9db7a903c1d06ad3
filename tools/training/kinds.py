"""What an export must know of each kind of network: how to build it, its contract, what to show it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from onnxruntime.quantization import CalibrationMethod
from torch import nn

from anpr_stream.types import ALPHABET
from tools.training.augment import INPUT_SIZE
from tools.training.calibration import fit_temperature
from tools.training.characters import INPUT_PX, build_characters
from tools.training.characters_data import training_images
from tools.training.data import load_plates, plain_batch
from tools.training.detector import DetectorConfig, YoloV3
from tools.training.detector_data import load_scenes
from tools.training.detector_task import INPUT_SIZE as DETECTOR_SIZE
from tools.training.detector_task import letterboxed
from tools.training.packs import read_pack
from tools.training.reader import LINES, build_reader
from tools.training.reader_task import MARGIN, plate_logits, to_input

FloatArray = npt.NDArray[np.float32]
Description = dict[str, Any]

CHARACTERS_SIZE = (INPUT_PX, INPUT_PX)
DETECTOR_GOLDEN_SIZE = (320, 192)
CALIBRATION_BATCH = 16
MANY = 512
"""Pictures that a calibration may want at most."""


@dataclass(frozen=True)
class Kind:
    """One kind of network. `data` below is what its training was given."""

    build: Callable[[Description], nn.Module]
    """From a checkpoint's description."""
    outputs: tuple[str, ...]
    size: tuple[int, int]
    """(width, height) of the input in pixels."""
    free_size: bool
    """Whether width and height may change from run to run."""
    contract: Callable[[nn.Module, Description, Path], dict[str, Any]]
    """What this kind's contract says beyond the common part."""
    images: Callable[[Path], Iterator[FloatArray]]
    """(1, 3, h, w) inputs from `data`'s training split."""
    kept: Callable[[Sequence[str]], list[str]]
    """Of the names of a graph's nodes, those that stay in FP32 in INT8 files."""
    golden_size: tuple[int, int]
    """(width, height) of the golden sample: the middle of an input, smaller where the network takes it."""
    ranges: CalibrationMethod = CalibrationMethod.MinMax
    """How the range of an activation in INT8 follows from its values on `images`."""


def reader_contract(network: nn.Module, description: Description, data: Path) -> dict[str, Any]:
    """Alphabet, blank, lines, margin and the temperature fitted on `val`."""
    plates = load_plates(read_pack(data, "reader"), ["val"])
    logits = plate_logits(network, plates, torch.device("cpu"))
    return {
        "alphabet": ALPHABET,
        "blank": 0,
        "lines": LINES,
        "margin": description["margin"],
        "temperature": round(fit_temperature(logits, plates.records), 4),
    }


def reader_images(data: Path) -> Iterator[FloatArray]:
    """Plates of the training split at the contract's margin, in a fixed random order."""
    plates = load_plates(read_pack(data, "reader"), ["train"], MANY)
    for index in range(len(plates)):
        yield to_input(plain_batch(plates, [index], MARGIN).pictures).contiguous().numpy()


def reader_kept(names: Sequence[str]) -> list[str]:
    """Stem, first and third stage, sums and projections: all in INT8 costs a point on `val` and saves little.

    Of the inner stages the third is the one whose rounding moves the answers to training plates most.
    """
    sensitive = ("/stem", "/stages/stages.0/", "/stages/stages.2/")
    return [name for name in names if name.startswith(sensitive) or "/Add" in name or "/MatMul" in name]


def build_detector(description: Description) -> nn.Module:
    """A YOLOv3."""
    return YoloV3(DetectorConfig(**description["network"]))


def detector_contract(_network: nn.Module, description: Description, _data: Path) -> dict[str, Any]:
    """Strides, anchors, corners and how to decode."""
    return {
        "strides": list(DetectorConfig(**description["network"]).strides),
        "anchors": description["network"]["anchors"],
        "corners": description["network"]["corners"],
        "decode": "yolov3",
    }


def detector_images(data: Path) -> Iterator[FloatArray]:
    """Letterboxed scenes of the training split, in a fixed random order."""
    scenes = load_scenes(data, "train").scenes
    for index in np.random.default_rng(0).permutation(len(scenes)):
        _, stacked = letterboxed([scenes[index].picture], DETECTOR_SIZE)
        yield (stacked.float() / 255).contiguous().numpy()


def characters_contract(_network: nn.Module, description: Description, _data: Path) -> dict[str, Any]:
    """The names of the classes."""
    return {"alphabet": description["classes"]}


def batches(images: Iterator[FloatArray], count: int, size: int = CALIBRATION_BATCH) -> Iterator[FloatArray]:
    """The first `count` of `images` in batches of up to `size`."""
    rest = islice(images, count)
    while part := list(islice(rest, size)):
        yield np.concatenate(part)


def nothing(_names: Sequence[str]) -> list[str]:
    """Every layer may be INT8."""
    return []


KINDS: dict[str, Kind] = {
    "reader": Kind(
        lambda description: build_reader(description["network"]),
        ("logits",),
        INPUT_SIZE,
        False,
        reader_contract,
        reader_images,
        reader_kept,
        INPUT_SIZE,
        CalibrationMethod.Percentile,
    ),
    "detector": Kind(
        build_detector,
        ("head8", "head16", "head32"),
        DETECTOR_SIZE,
        True,
        detector_contract,
        detector_images,
        nothing,
        DETECTOR_GOLDEN_SIZE,
    ),
    "characters": Kind(
        lambda description: build_characters(description["network"]),
        ("logits",),
        CHARACTERS_SIZE,
        False,
        characters_contract,
        training_images,
        nothing,
        CHARACTERS_SIZE,
    ),
}
