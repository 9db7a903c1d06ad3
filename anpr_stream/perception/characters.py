"""Texts of cut-out plates, character by character: OpenCV cuts, a MobileNet names each piece.

Kept beside the CTC reader for plates whose characters stand apart and for networks of single characters.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import cv2
import numpy as np

from anpr_stream.config.models import ReaderSettings
from anpr_stream.interfaces import Backend
from anpr_stream.types import ALPHABET, Crop, FloatArray, Read
from anpr_stream.vision.crops import reading_quad, stretch
from anpr_stream.vision.ctc import BLANK, decode, softmax
from anpr_stream.vision.geometry import quad_sides
from anpr_stream.vision.segment import Characters, glyph_batch, segment

PLATE_HEIGHT_PX = 96
"""Height at which plates are cut into characters."""
ASPECTS = (0.5, 8.0)
"""Plates are looked at as if their aspect lay between these."""


class CharacterReader:
    """A `PlateReader` that segments and classifies."""

    def __init__(self, backend: Backend, settings: ReaderSettings | None = None) -> None:
        """Wrap a loaded network of the kind `characters`; the caller closes the backend."""
        self._backend = backend
        self._settings = settings or ReaderSettings()

    def read(self, crops: Sequence[Crop]) -> list[Read]:
        """Return one read per crop, in order; an illegible crop gives an empty text.

        Raises:
            BackendError: the engine failed.
        """
        plates = [segment(self._upright(crop)) for crop in crops]
        ends = list(accumulate(len(plate.glyphs) for plate in plates))
        if not ends or not ends[-1]:
            return [self._decode(plate, _NOTHING) for plate in plates]
        glyphs = np.concatenate([plate.glyphs for plate in plates])
        classes = softmax(self._backend.run(glyph_batch(glyphs))["logits"])
        parts = np.split(classes, ends[:-1])
        return [self._decode(plate, part) for plate, part in zip(plates, parts, strict=True)]

    def _upright(self, crop: Crop) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        """Cut the plate without margin at its own aspect, grey."""
        quad = reading_quad(crop.detection, 0.0, self._settings.rectify)
        width, height = quad_sides(quad)
        aspect = min(max(width / max(height, 1.0), ASPECTS[0]), ASPECTS[1])
        plate = stretch(crop.frame, quad, round(PLATE_HEIGHT_PX * aspect), PLATE_HEIGHT_PX)
        return np.asarray(cv2.cvtColor(plate, cv2.COLOR_BGR2GRAY), np.uint8)

    def _decode(self, plate: Characters, classes: FloatArray) -> Read:
        """Spell the characters as CTC steps with sure blanks between: one decoder serves both readers."""
        lengths = [len(line) for line in plate.lines]
        steps = np.zeros(
            (max(1, len(lengths)), 2 * max(lengths, default=0) + 1, 1 + len(ALPHABET)), np.float32
        )
        steps[..., BLANK] = 1
        parts = np.split(classes, list(accumulate(lengths))[:-1])
        for line, part in zip(steps, parts, strict=False):
            line[1 : 2 * len(part) : 2, BLANK] = 0
            line[1 : 2 * len(part) : 2, BLANK + 1 :] = part
        settings = self._settings
        flat = steps.reshape(-1, steps.shape[-1])
        return decode(flat, len(steps), settings.beam_width, settings.max_candidates)


_NOTHING = np.empty((0, len(ALPHABET)), np.float32)
