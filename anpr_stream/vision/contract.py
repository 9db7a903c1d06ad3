"""What a network's file says about itself: the JSON in its metadata property `anpr`."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from anpr_stream.errors import ModelError
from anpr_stream.types import ALPHABET

SCHEMA = 1
METADATA_KEY = "anpr"
CLASSES = len(ALPHABET) + 1
"""Characters and the CTC blank."""


@dataclass(frozen=True, slots=True)
class NetworkContract:
    """What every network tells.

    Attributes:
        name: e.g. `detector-cpu`.
        version: of the weights.
        input_name: of the one input, float32 (N, 3, H, W), BGR, 0..1.
        width: pixels; for detectors the size it was trained at, any multiple of 32 runs.
        height: likewise.
    """

    name: str
    version: str
    input_name: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class DetectorContract(NetworkContract):
    """A YOLOv3 with raw heads `head8`, `head16`, `head32` (one per stride).

    Attributes:
        strides: input pixels per cell, one per head.
        anchors: per head three (width, height) in input pixels.
        corners: each anchor also gives the plate's four corners.
    """

    strides: tuple[int, ...]
    anchors: tuple[tuple[tuple[float, float], ...], ...]
    corners: bool

    @property
    def heads(self) -> tuple[str, ...]:
        """Names of the outputs, one per stride."""
        return tuple(f"head{stride}" for stride in self.strides)


@dataclass(frozen=True, slots=True)
class ReaderContract(NetworkContract):
    """A CTC reader with output `logits` (N, lines * steps, 37), class 0 blank.

    Attributes:
        lines: lines of text; the steps of the first come first.
        temperature: the logits are divided by it before softmax (calibration, Guo et al. 2017).
        margin: fraction of the box added on each side of the crop.
    """

    lines: int
    temperature: float
    margin: float


@dataclass(frozen=True, slots=True)
class CharactersContract(NetworkContract):
    """A classifier of single characters with output `logits` (N, 36) in the order of `ALPHABET`."""


Contract: TypeAlias = DetectorContract | ReaderContract | CharactersContract


def parse_contract(text: str, where: str) -> Contract:
    """Read the metadata property of a network.

    Args:
        text: JSON.
        where: names the file in errors.

    Raises:
        ModelError: not JSON, another schema or kind, or a part is missing.
    """
    try:
        data = json.loads(text)
        if data["schema"] != SCHEMA:
            raise ModelError(
                f"{where}: contract schema {data['schema']}, this version reads {SCHEMA}: "
                "use a model of this release",
                "model-schema",
            )
        return _PARSERS[data["kind"]](data)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{where}: not a network of anpr_stream ({error!r})", "model-contract") from error


def _common(data: dict[str, Any]) -> dict[str, Any]:
    spec = data["input"]
    for key, expected in (("color", "bgr"), ("layout", "nchw")):
        if spec.get(key, expected) != expected:
            raise ValueError(f"input {key} {spec[key]!r}, expected {expected!r}")
    if data.get("alphabet", ALPHABET) != ALPHABET:
        raise ValueError(f"alphabet {data['alphabet']!r}")
    return {
        "name": str(data["name"]),
        "version": str(data["version"]),
        "input_name": str(spec["name"]),
        "width": int(spec["width"]),
        "height": int(spec["height"]),
    }


def _detector(data: dict[str, Any]) -> DetectorContract:
    if data.get("decode", "yolov3") != "yolov3":
        raise ValueError(f"decode {data['decode']!r}")
    anchors = tuple(tuple((float(w), float(h)) for w, h in head) for head in data["anchors"])
    strides = tuple(int(stride) for stride in data["strides"])
    if len(anchors) != len(strides):
        raise ValueError(f"{len(anchors)} sets of anchors for {len(strides)} strides")
    return DetectorContract(**_common(data), strides=strides, anchors=anchors, corners=bool(data["corners"]))


def _reader(data: dict[str, Any]) -> ReaderContract:
    if data.get("blank", 0) != 0:
        raise ValueError(f"blank {data['blank']}, expected 0")
    temperature = float(data.get("temperature", 1.0))
    if temperature <= 0:
        raise ValueError(f"temperature {temperature}")
    return ReaderContract(
        **_common(data),
        lines=int(data.get("lines", 1)),
        temperature=temperature,
        margin=float(data.get("margin", 0.0)),
    )


def _characters(data: dict[str, Any]) -> CharactersContract:
    return CharactersContract(**_common(data))


_PARSERS: dict[str, Callable[[dict[str, Any]], Contract]] = {
    "detector": _detector,
    "reader": _reader,
    "characters": _characters,
}
