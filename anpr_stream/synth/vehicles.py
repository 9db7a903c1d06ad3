"""Painted rears and fronts of cars with a plate, seen straight on."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

from anpr_stream.plates.formats import PlateFormat
from anpr_stream.synth.draw import Colour, Rng, jittered, pick
from anpr_stream.synth.faces import Face, render_face
from anpr_stream.types import FloatArray, Image

PX_PER_M = 420.0
SIZE_M = (1.84, 1.5)
"""Width and height of a car, from the road to the roof."""
PAINTS: tuple[Colour, ...] = (
    (28, 28, 30),
    (70, 70, 72),
    (190, 190, 192),
    (228, 230, 230),
    (110, 60, 30),
    (36, 36, 150),
    (60, 74, 50),
)


@dataclass(frozen=True, slots=True)
class Vehicle:
    """A car seen from behind or from the front.

    Attributes:
        image: (630, 773, 3) BGR.
        mask: (630, 773) uint8, 255 on the car.
        face: its plate.
        corners: (4, 2) corners of the plate in pixels of `image`.
        paint: colour of the body.
    """

    image: Image = field(repr=False)
    mask: Image = field(repr=False)
    face: Face
    corners: FloatArray = field(repr=False)
    paint: Colour


def paint_vehicle(rng: Rng, plate_format: PlateFormat, front: bool) -> Vehicle:
    """Paint a car with a random plate of a format."""
    width, height = (round(side * PX_PER_M) for side in SIZE_M)
    image = np.zeros((height, width, 3), np.uint8)
    mask = np.zeros((height, width), np.uint8)
    paint = jittered(rng, pick(rng, PAINTS), 12)
    _body(image, mask, paint)
    _lamps(rng, image, front)
    if front:
        _grille(image)
    face, corners = _mount_plate(rng, image, plate_format, front)
    return Vehicle(image, mask, face, corners, paint)


def _body(image: Image, mask: Image, paint: Colour) -> None:
    height, width = mask.shape
    outline = np.array(
        [
            [0.13, 0.02],
            [0.87, 0.02],
            [0.97, 0.42],
            [1.0, 0.55],
            [1.0, 0.88],
            [0.0, 0.88],
            [0.0, 0.55],
            [0.03, 0.42],
        ]
    ) * (width - 1, height - 1)
    cv2.fillPoly(mask, [np.rint(outline).astype(np.int32)], 255)
    for x in (0.03, 0.8):
        cv2.rectangle(
            mask, (round(x * width), round(0.8 * height)), (round((x + 0.17) * width), height), 255, -1
        )
    shade = np.linspace(1.12, 0.62, height)[:, None, None]
    image[:] = np.clip(np.array(paint) * shade, 0, 255)
    glass = np.array([[0.19, 0.07], [0.81, 0.07], [0.9, 0.38], [0.1, 0.38]]) * (width, height)
    cv2.fillPoly(image, [np.rint(glass).astype(np.int32)], (52, 46, 40), cv2.LINE_AA)
    cv2.line(
        image,
        (round(0.2 * width), round(0.12 * height)),
        (round(0.5 * width), round(0.1 * height)),
        (120, 112, 104),
        9,
    )
    cv2.rectangle(image, (0, round(0.78 * height)), (width, round(0.88 * height)), (34, 34, 34), -1)
    cv2.line(image, (0, round(0.46 * height)), (width, round(0.46 * height)), (30, 30, 30), 2, cv2.LINE_AA)
    for x in (0.03, 0.8):
        cv2.rectangle(
            image,
            (round(x * width), round(0.86 * height)),
            (round((x + 0.17) * width), height),
            (16, 16, 16),
            -1,
        )


def _lamps(rng: Rng, image: Image, front: bool) -> None:
    height, width = image.shape[:2]
    colour = jittered(rng, (215, 225, 228) if front else (36, 30, 170), 14)
    wide, high = float(rng.uniform(0.1, 0.18)) * width, float(rng.uniform(0.06, 0.14)) * height
    for centre_x in (0.12 * width, 0.88 * width):
        first = (round(centre_x - wide / 2), round(0.5 * height))
        last = (round(centre_x + wide / 2), round(0.5 * height + high))
        cv2.rectangle(image, first, last, colour, -1)
        cv2.rectangle(image, first, last, (24, 24, 24), 2)


def _grille(image: Image) -> None:
    height, width = image.shape[:2]
    for number in range(4):
        y = round((0.51 + 0.03 * number) * height)
        cv2.line(image, (round(0.32 * width), y), (round(0.68 * width), y), (22, 22, 22), 7)


def _mount_plate(rng: Rng, image: Image, plate_format: PlateFormat, front: bool) -> tuple[Face, FloatArray]:
    """Render the plate at its true size and screw it on."""
    lines = pick_lines(rng, plate_format)
    width_mm, height_mm = plate_format.appearance.sizes_mm.get(lines, (520, 110))
    size = (round(width_mm * PX_PER_M / 1000), round(height_mm * PX_PER_M / 1000))
    face = render_face(rng, plate_format, size, lines)
    centre = np.array([0.5 + float(rng.normal(0, 0.01)), 0.75 if front else float(rng.uniform(0.6, 0.72))])
    left, top = np.rint(centre * image.shape[1::-1] - np.array(size) / 2).astype(int).tolist()
    border = int(rng.integers(2, 9))
    cv2.rectangle(
        image,
        (left - border, top - border),
        (left + size[0] + border, top + size[1] + border),
        (20, 20, 20),
        -1,
    )
    image[top : top + size[1], left : left + size[0]] = face.image
    unit = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    return face, (unit * np.array(size) + (left, top)).astype(np.float32)


def pick_lines(rng: Rng, plate_format: PlateFormat) -> int:
    """Return 1 or 2: mostly one line where a format has both, as cars do."""
    known = sorted({shape.lines for shape in plate_format.shapes})
    return known[0] if rng.random() < 0.85 else known[-1]
