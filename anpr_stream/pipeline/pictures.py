"""Single pictures: more search and more looks at each plate, since there is no second frame."""

from __future__ import annotations

from dataclasses import dataclass

from anpr_stream.config.schema import Settings
from anpr_stream.pipeline.networks import Networks
from anpr_stream.types import ALPHABET, Crop, Detection, Frame, Read
from anpr_stream.vision.crops import cut_crop


@dataclass(frozen=True, slots=True)
class PicturePlate:
    """A plate of one picture and what was read of it."""

    detection: Detection
    read: Read

    @property
    def rank(self) -> float:
        """How sure it is that this is a plate with this text."""
        return self.detection.confidence * self.read.confidence

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
    """Find and read all plates of a picture, the surest first.

    Raises:
        BackendError: an engine failed.
    """
    found = networks.detector.detect_falling(frame, settings.pictures)
    crops: list[Crop] = [cut_crop(frame, detection) for detection in found]
    plates = [PicturePlate(*pair) for pair in zip(found, networks.reader.read(crops), strict=True)]
    return sorted(plates, key=lambda plate: -plate.rank)
