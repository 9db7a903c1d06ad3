"""Plates in small pictures with a margin, as samples for training the reader: many a second."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from anpr_stream.plates.formats import PlateFormat
from anpr_stream.synth import fonts
from anpr_stream.synth.banks import NEUTRAL, light_maps
from anpr_stream.synth.draw import Rng, jittered, paste, pick, stretched, warped
from anpr_stream.synth.faces import Artwork, render_face
from anpr_stream.synth.truth import as_quad
from anpr_stream.types import Image, Quad

CANVAS = (192, 96)
"""Width and height of a sample in pixels."""
SCENE = (256, 128)
"""Width and height of what is rendered around a plate before it is seen from the side."""
HAZE = 0.2
"""Share of samples with little contrast: haze, flare, over- or underexposed sheeting."""
CAR_COLOURS = (
    (30, 30, 30),
    (60, 60, 60),
    (190, 190, 190),
    (225, 225, 225),
    (120, 50, 30),
    (40, 40, 150),
    (90, 90, 90),
)


@dataclass(frozen=True, slots=True)
class SynthPlate:
    """A rendered plate with its truth.

    Attributes:
        image: (96, 192, 3) BGR; the plate is stretched to fill most of it whatever its real shape.
        text: A-Z0-9, first line first.
        quad: corners in pixels of `image`.
        line_lengths: characters of each line.
        country: ISO 3166-1 alpha-2 in lower case.
        aspect: width over height of the real plate.
    """

    image: Image = field(repr=False)
    text: str
    quad: Quad
    line_lengths: tuple[int, ...]
    country: str
    aspect: float


def render_plate(
    rng: Rng,
    plate_format: PlateFormat,
    lines: int | None = None,
    artwork: Artwork | None = None,
    surroundings: Sequence[Image] = (),
) -> SynthPlate:
    """Render one plate of a format with its surroundings.

    Args:
        rng: decides everything; the same state gives the same sample.
        plate_format: series and appearance.
        lines: 1 or 2; any that the format has for None.
        artwork: sheet in place of the format's colours.
        surroundings: (128, 256, 3) pictures to lie behind; painted ones for none.
    """
    size = (int(rng.integers(132, 160)), int(rng.integers(60, 76)))
    face = render_face(rng, plate_format, size, lines, artwork)
    scene = _background(rng, surroundings)
    left, top = (SCENE[0] - size[0]) // 2, (SCENE[1] - size[1]) // 2
    if rng.random() < 0.45:
        _frame(rng, scene, (left, top, left + size[0], top + size[1]))
    scene[top : top + size[1], left : left + size[0]] = face.image
    corners = np.array(
        [[left, top], [left + size[0], top], [left + size[0], top + size[1]], [left, top + size[1]]],
        np.float64,
    )
    matrix = random_view(rng, corners, face.aspect)
    quad = cv2.perspectiveTransform(corners[None], matrix)[0]
    image = _lit(rng, warped(scene, matrix, CANVAS))
    return SynthPlate(image, face.text, as_quad(quad), face.line_lengths, plate_format.country, face.aspect)


def random_view(rng: Rng, corners: npt.NDArray[np.float64], aspect: float) -> npt.NDArray[np.float64]:
    """Return the homography of a plate seen a little from the side.

    The turn is that of the real plate: `corners` are those of its stretched picture.
    """
    unit = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]]) * (aspect, 1.0)
    angle = float(rng.normal(0, 0.04))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    lean = np.array([[1.0, float(rng.normal(0, 0.11))], [float(rng.normal(0, 0.03)), 1.0]])
    moved = unit @ (turn @ lean).T + rng.normal(0, 0.03, (4, 2))
    span = np.ptp(corners, axis=0)
    target = corners.mean(axis=0) + moved * span / (aspect, 1.0)
    centre = np.array(CANVAS) / 2
    away = target - corners.mean(axis=0)
    target = centre + away * np.minimum(1.0, (centre - 4) / np.abs(away).max(axis=0))
    return np.asarray(
        cv2.getPerspectiveTransform(corners.astype(np.float32), target.astype(np.float32)), np.float64
    )


def _background(rng: Rng, surroundings: Sequence[Image]) -> Image:
    if len(surroundings) and rng.random() < 0.5:
        return np.array(pick(rng, surroundings), np.uint8)
    return np.array(_panel(int(rng.integers(256))), np.uint8)


@lru_cache(maxsize=256)
def _panel(seed: int) -> Image:
    """A piece of a car's rear: painted sheet, a recess, a dark bumper, grille slats."""
    rng = np.random.default_rng(seed)
    width, height = SCENE
    paint_colour = np.array(jittered(rng, pick(rng, CAR_COLOURS), 12))
    light = np.linspace(rng.uniform(0.6, 1.2), rng.uniform(0.6, 1.2), height)[:, None, None]
    panel = np.clip(np.broadcast_to(paint_colour * light, (height, width, 3)), 0, 255).astype(np.uint8)
    for _ in range(int(rng.integers(0, 5))):
        y, shade = int(rng.integers(height)), int(rng.integers(10, 230))
        cv2.line(
            panel,
            (0, y),
            (width, y + int(rng.integers(-6, 7))),
            jittered(rng, (shade,) * 3, 6),
            int(rng.integers(1, 7)),
        )
    return np.asarray(cv2.GaussianBlur(panel, (0, 0), float(rng.uniform(0.6, 2.5))), np.uint8)


def _frame(rng: Rng, scene: Image, box: tuple[int, int, int, int]) -> None:
    """Draw a holder around the plate, perhaps with a dealer's words."""
    x1, y1, x2, y2 = box
    shade = int(pick(rng, (18, 30, 60, 200)))
    side, above, below = (rng.uniform(0.005, 0.05, 3) * (x2 - x1)).astype(int).tolist()
    dealer = rng.random() < 0.5
    below += int(rng.integers(5, 10)) if dealer else 0
    cv2.rectangle(scene, (x1 - side, y1 - above), (x2 + side, y2 + below), (shade,) * 3, -1)
    if dealer:
        glyphs = pick(rng, fonts.family(pick(rng, ("helvetica", "condensed", "wide"))))
        letters = list(glyphs.masks)
        x = x1 + float(rng.uniform(0.05, 0.4)) * (x2 - x1)
        for _ in range(int(rng.integers(4, 15))):
            mask = stretched(glyphs[pick(rng, letters[10:])], float(rng.uniform(3, 5)), below * 0.95)
            paste(scene, mask, (255 - shade,) * 3, x, y2 + 0.5)
            x += 5.5


def _lit(rng: Rng, image: Image) -> Image:
    """Light of the day: unevenness, shadow, glare, dirt; sometimes infra-red or dusk."""
    if rng.random() < 0.55:
        light = cv2.resize(pick(rng, light_maps()), CANVAS)
        image = np.asarray(cv2.multiply(image, light, scale=1 / NEUTRAL), np.uint8)
    gamma, gain = float(np.exp(rng.normal(0, 0.22))), float(np.exp(rng.normal(-0.08, 0.2)))
    cast = np.exp(rng.normal(0, 0.035, 3)) * gain
    table = np.clip((np.linspace(0, 1, 256)[:, None] ** gamma) * cast * 255, 0, 255).astype(np.uint8)
    image = np.asarray(cv2.LUT(image, table[None]), np.uint8)
    if rng.random() < HAZE:
        thin = float(rng.uniform(0.3, 0.85))
        image = cv2.convertScaleAbs(image, alpha=thin, beta=255 * (1 - thin) * float(rng.random())).astype(
            np.uint8
        )
    if rng.random() < 0.08:
        image = np.asarray(
            cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR), np.uint8
        )
    return image
