"""Do two engines find the same plates and read the same texts in the same pictures?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from anpr_stream.inference.select import LoadedNetwork
from anpr_stream.perception.detector import YoloDetector
from anpr_stream.perception.reader import CtcReader
from anpr_stream.synth.traffic import traffic_clip
from anpr_stream.types import Detection, Frame, PixelFormat, Planes, Read
from anpr_stream.vision.contract import DetectorContract, ReaderContract
from anpr_stream.vision.crops import cut_crop

CONFIDENT = 0.3
"""Plates and texts below this come and go with the last digit of a score and say nothing about parity."""


@dataclass(frozen=True, slots=True)
class Parity:
    """How far an engine is from ONNX Runtime on the CPU.

    Attributes:
        plates: number of plates compared.
        unmatched: plates that only one of the two found.
        box_px: largest difference of a box's edge, in pixels of the frame.
        score: largest difference of a detection's confidence.
        reads: number of reads compared.
        texts: number of reads with another text, of which either side is sure.
        confidence: largest difference of a read's confidence among equal texts.
    """

    plates: int
    unmatched: int
    box_px: float
    score: float
    reads: int
    texts: int
    confidence: float

    def holds(self, precision: str) -> bool:
        """Tell whether boxes are within 1 px, texts equal and confidences within 0.02.

        INT8 answers to accuracy on labelled pictures, not to parity.
        """
        if precision == "int8":
            return self.plates > 0
        near = self.box_px <= 1 and max(self.score, self.confidence) <= 0.02
        return self.plates > 0 and self.unmatched == 0 and self.texts == 0 and near


@cache
def traffic_frames(count: int, size: tuple[int, int] = (1280, 720), seed: int = 7) -> list[Frame]:
    """Return frames of a rendered clip, a fifth of a second apart, each as a camera of its own."""
    clip = traffic_clip(seed, size, fps=5.0, seconds=count / 5, vehicles=max(4, count // 4))
    return [
        Frame(f"camera {index}", index, index / 5, 0.0, *size, Planes(PixelFormat.BGR, (image,)))
        for index, (image, _) in enumerate(clip)
    ][:count]


def compare(
    right: Sequence[LoadedNetwork], other: Sequence[LoadedNetwork], frames: Sequence[Frame]
) -> Parity:
    """Run detector and reader of both sides over the same frames; both read the right side's crops."""
    found, found_other = (detector_of(side[0]).detect(frames) for side in (right, other))
    matched = [pair for pairs in map(match, found, found_other) for pair in pairs]
    pairs = [(one, two) for one, two in matched if one is not None and two is not None]
    crops = [
        cut_crop(frame, plate) for frame, plates in zip(frames, found, strict=True) for plate in sure(plates)
    ]
    reads = list(zip(*(reader_of(side[1]).read(crops) for side in (right, other)), strict=True))
    equal = [(one, two) for one, two in reads if one.text == two.text]
    return Parity(
        plates=len(matched),
        unmatched=len(matched) - len(pairs),
        box_px=worst(_edges(one, two) for one, two in pairs),
        score=worst(abs(one.confidence - two.confidence) for one, two in pairs),
        reads=len(reads),
        texts=sum(differ(one, two) for one, two in reads),
        confidence=worst(_gap(one, two) for one, two in equal),
    )


def detector_of(network: LoadedNetwork) -> YoloDetector:
    """Return the detector over a loaded network."""
    contract = network.model.contract
    assert isinstance(contract, DetectorContract)
    return YoloDetector(network.backend, contract)


def reader_of(network: LoadedNetwork) -> CtcReader:
    """Return the reader over a loaded network."""
    contract = network.model.contract
    assert isinstance(contract, ReaderContract)
    return CtcReader(network.backend, contract)


def sure(plates: Iterable[Detection]) -> list[Detection]:
    """Return the plates that parity is asked of."""
    return [plate for plate in plates if plate.confidence >= CONFIDENT]


def match(
    plates: Sequence[Detection], others: Sequence[Detection]
) -> list[tuple[Detection | None, Detection | None]]:
    """Pair the plates of one frame with the nearest of the other side; what stays alone pairs with None."""
    left = list(others)
    pairs: list[tuple[Detection | None, Detection | None]] = []
    for plate in sure(plates):
        near = [other for other in left if _edges(plate, other) <= _height(plate)]
        best = min(near, key=lambda other: _edges(plate, other), default=None)
        if best is not None:
            left.remove(best)
        pairs.append((plate, best))
    return pairs + [(None, other) for other in sure(left)]


def differ(one: Read, two: Read) -> bool:
    """Tell whether two reads have other texts and one of them is sure."""
    return one.text != two.text and max(one.confidence, two.confidence) >= CONFIDENT


def worst(values: Iterable[float]) -> float:
    """Return the largest value, 0 of none."""
    return max(values, default=0.0)


def _edges(one: Detection, two: Detection) -> float:
    return float(np.abs(np.subtract(one.box, two.box)).max())


def _height(plate: Detection) -> float:
    return plate.box[3] - plate.box[1]


def _gap(one: Read, two: Read) -> float:
    return abs(one.confidence - two.confidence)
