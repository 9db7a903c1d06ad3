"""Single pictures: more search and more looks at each plate, since there is no second frame."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from anpr_stream.config.models import PictureSettings
from anpr_stream.config.schema import Settings
from anpr_stream.pipeline.networks import Networks
from anpr_stream.plates.formats import FormatSet, load_formats
from anpr_stream.types import ALPHABET, Candidate, Detection, Frame, Read
from anpr_stream.vision.crops import cut_crop
from anpr_stream.vision.geometry import iou

SAME_PLATE_IOU = 0.4

CUT_OUT_PX = 320
"""A picture no wider than this is often a plate that somebody cut out."""

PRIOR_WEIGHT = 0.8
"""Of the formats' log prior; 0.6 to 1.2 read the same `val` photos right."""


@dataclass(frozen=True, slots=True)
class PicturePlate:
    """A plate of one picture and what was read of it."""

    detection: Detection
    read: Read

    @property
    def rank(self) -> float:
        """How sure it is that this is a plate with this text; an unread one comes last."""
        return self.detection.confidence * self.read.confidence if self.read.text else 0.0

    @property
    def char_confidences(self) -> tuple[float, ...]:
        """Probability of each character of the text."""
        rows = zip(self.read.character_probabilities, self.read.text, strict=True)
        return tuple(float(row[ALPHABET.index(character)]) for row, character in rows)


def for_pictures(settings: Settings) -> Settings:
    """Return the settings with the reader's margins for pictures."""
    reader = settings.reader.model_copy(update={"margins": settings.pictures.margins})
    return settings.model_copy(update={"reader": reader})


def read_picture(frame: Frame, networks: Networks, settings: Settings) -> list[PicturePlate]:
    """Find and read the plates of a picture, the surest first.

    The search goes on, with weaker plates and then a larger input, until a text is sure. Doubtful plates are
    told only with a sure text, or the best of them where there is nothing else; what has no legible text must
    be a plate beyond doubt. A picture may be a plate that was cut out already: a small one is read as a whole
    first, a larger one when the search gave no sure text.

    Raises:
        BackendError: an engine failed.
    """
    sure, formats = settings.pictures.sure, load_formats(settings.formats or None)
    is_small = frame.width <= CUT_OUT_PX
    whole = _read_as_one_plate(frame, networks, formats, settings) if is_small else None
    if whole and _has_text(whole, sure):
        return [whole]
    plates: list[PicturePlate] = []
    for found in networks.detector.search(frame, settings.pictures):
        plates += _read(frame, found, networks, formats)
        if any(_has_text(plate, sure) for plate in plates):
            break
    else:
        if not is_small:
            whole = _read_as_one_plate(frame, networks, formats, settings)
    told = _worth_telling(plates, settings.pictures)
    # A plate that was found has the better box.
    if whole and not any(plate.read.text == whole.read.text or plate.rank >= whole.rank for plate in told):
        return [whole]
    return told


def _read(
    frame: Frame, found: Sequence[Detection], networks: Networks, formats: FormatSet
) -> list[PicturePlate]:
    reads = networks.reader.read([cut_crop(frame, detection) for detection in found])
    return [PicturePlate(each, weighed(read, formats)) for each, read in zip(found, reads, strict=True)]


def _read_as_one_plate(
    frame: Frame, networks: Networks, formats: FormatSet, settings: Settings
) -> PicturePlate | None:
    """Read all of a picture as one plate; None if it is none.

    No detector speaks for it: its text must be legible and hold a digit, as words on signs do not.
    """
    if frame.height < settings.tracking.budget.min_plate_height_px:
        return None
    box = (0.0, 0.0, float(frame.width), float(frame.height))
    (plate,) = _read(frame, [Detection(box, 1.0)], networks, formats)
    if not _has_text(plate, settings.pictures.legible) or plate.read.text.isalpha():
        return None
    return replace(plate, detection=Detection(box, plate.read.confidence))


def _worth_telling(plates: Sequence[PicturePlate], settings: PictureSettings) -> list[PicturePlate]:
    """Return the plates to tell, each once, the surest first."""
    clear = max(settings.thresholds)
    ranked = _distinct(sorted(plates, key=lambda plate: -plate.rank))
    ranked = [plate for plate in ranked if _is_plate(plate, settings)]
    told = [p for p in ranked if p.detection.confidence >= clear or _has_text(p, settings.sure)]
    return told or ranked[:1]


def weighed(read: Read, formats: FormatSet) -> Read:
    """Weigh the candidates of a read by the formats' prior, too; what they add up to stays.

    The text changes only to one of its own length, whose characters are known one by one.
    """
    odds = [c.confidence * math.exp(PRIOR_WEIGHT * formats.score(c.text)) for c in read.candidates]
    if not sum(odds):
        return read
    scale = sum(candidate.confidence for candidate in read.candidates) / sum(odds)
    known = [Candidate(c.text, odd * scale) for c, odd in zip(read.candidates, odds, strict=True)]
    best = max((c for c in known if len(c.text) == len(read.text)), key=lambda c: c.confidence)
    ranked = sorted(known, key=lambda candidate: (candidate is not best, -candidate.confidence))
    return replace(read, text=best.text, confidence=best.confidence, candidates=tuple(ranked))


def _has_text(plate: PicturePlate, least: float) -> bool:
    return bool(plate.read.text) and plate.read.confidence >= least


def _is_plate(plate: PicturePlate, settings: PictureSettings) -> bool:
    return _has_text(plate, settings.legible) or plate.detection.confidence >= settings.unread


def _distinct(plates: Sequence[PicturePlate]) -> list[PicturePlate]:
    """Leave out plates that lie over a better one: both searches may have found it."""
    kept: list[PicturePlate] = []
    for plate in plates:
        boxes = np.array([better.detection.box for better in kept], np.float32).reshape(-1, 4)
        if not (iou(np.array([plate.detection.box], np.float32), boxes) > SAME_PLATE_IOU).any():
            kept.append(plate)
    return kept
