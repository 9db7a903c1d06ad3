"""What is known of a rendered plate in a picture or a frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from anpr_stream.types import Box, Quad


@dataclass(frozen=True, slots=True)
class TruthPlate:
    """A plate that can be seen whole.

    Attributes:
        text: A-Z0-9, first line first.
        country: ISO 3166-1 alpha-2 in lower case.
        line_lengths: characters of each line.
        quad: corners in pixels of the picture.
        box: the upright box around `quad`.
        track_id: number of the vehicle in its clip, from 1; 0 in single pictures.
    """

    text: str
    country: str
    line_lengths: tuple[int, ...]
    quad: Quad
    box: Box
    track_id: int = 0

    @property
    def height_px(self) -> float:
        """Height of the box."""
        return self.box[3] - self.box[1]


def as_quad(corners: npt.NDArray[np.floating]) -> Quad:
    """Return (4, 2) corners as plain numbers."""
    first, second, third, fourth = ((float(x), float(y)) for x, y in corners)
    return first, second, third, fourth
