"""Plates and painted cars pasted into pictures, with exact truth, as samples for training the detector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from anpr_stream.plates.formats import PlateFormat
from anpr_stream.synth.degrade import degrade
from anpr_stream.synth.draw import Rng, pick
from anpr_stream.synth.faces import Face, render_face
from anpr_stream.synth.truth import TruthPlate, as_quad
from anpr_stream.synth.vehicles import paint_vehicle, pick_lines
from anpr_stream.types import FloatArray, Image
from anpr_stream.vision.geometry import quad_bounds

HEIGHT_PX = (8.0, 90.0)
"""Heights of plates, drawn evenly on a logarithmic scale."""
TURN_DEG = (32.0, 14.0, 5.0)
"""Standard deviations of a plate's turn about the upright, the level and the viewing axis."""
VIEW_DISTANCE = 4.0
"""Of the camera, in widths of what is seen: smaller makes stronger perspective."""
TRIES = 12
UNIT = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)


@dataclass(frozen=True, slots=True)
class Scene:
    """A picture with pasted plates.

    Attributes:
        image: (H, W, 3) BGR.
        plates: all plates that were pasted, whole and not covered.
    """

    image: Image = field(repr=False)
    plates: tuple[TruthPlate, ...]


@dataclass(frozen=True, slots=True)
class _Piece:
    """What is pasted: a plate or a car with one; `corners` (4, 2) of the plate in pixels of `image`."""

    image: Image
    mask: Image
    face: Face
    corners: FloatArray


def render_scene(
    rng: Rng, picture: Image, formats: Sequence[PlateFormat], count: int, strength: float = 1.0
) -> Scene:
    """Paste up to `count` plates into a picture and degrade it.

    Args:
        rng: decides everything.
        picture: (H, W, 3) BGR without plates.
        formats: of which plates are made.
        count: number of plates to try; fewer where there is no room.
        strength: of the degradation, see `degrade`.
    """
    image = picture.copy()
    plates: list[TruthPlate] = []
    taken: list[FloatArray] = []
    for _ in range(count):
        piece = _piece(rng, pick(rng, formats))
        outline = _find_place(rng, piece, image.shape[1::-1], taken)
        if outline is not None:
            plates.append(_paste(rng, image, piece, outline))
            taken.append(outline)
    return Scene(degrade(rng, image, strength), tuple(plates))


def _piece(rng: Rng, plate_format: PlateFormat) -> _Piece:
    if rng.random() < 0.5:
        vehicle = paint_vehicle(rng, plate_format, front=bool(rng.random() < 0.5))
        return _Piece(vehicle.image, vehicle.mask, vehicle.face, vehicle.corners)
    lines = pick_lines(rng, plate_format)
    width_mm, height_mm = plate_format.appearance.sizes_mm.get(lines, (520, 110))
    size = (round(100 * width_mm / height_mm), 100)
    face = render_face(rng, plate_format, size, lines)
    border = int(rng.integers(0, 12))
    shade = [int(pick(rng, (20, 40, 200)))] * 3
    image = cv2.copyMakeBorder(face.image, border, border, border, border, cv2.BORDER_CONSTANT, value=shade)
    corners = UNIT * np.array(size, np.float32) + border
    return _Piece(np.asarray(image, np.uint8), np.full(image.shape[:2], 255, np.uint8), face, corners)


def _find_place(rng: Rng, piece: _Piece, size: tuple[int, int], taken: list[FloatArray]) -> FloatArray | None:
    """Return the four corners of a piece in the picture, clear of the others, or None where it finds none."""
    for _ in range(TRIES):
        height_px = float(np.exp(rng.uniform(*np.log(HEIGHT_PX))))
        scale = height_px / float(np.ptp(piece.corners[:, 1]))
        shape = turned(rng, piece.mask.shape[1] * scale, piece.mask.shape[0] * scale)
        room = np.array(size) - np.ptp(shape, axis=0) - 2
        if (room <= 0).any():
            continue
        outline = np.asarray(shape - shape.min(axis=0) + 1 + rng.random(2) * room, np.float32)
        if not any(cv2.intersectConvexConvex(outline, other)[0] > 0 for other in taken):
            return outline
    return None


def turned(rng: Rng, width: float, height: float) -> npt.NDArray[np.float64]:
    """Return the corners (4, 2) of a rectangle that is turned in space and seen through a pinhole."""
    yaw, pitch, roll = np.radians(rng.normal(0, 1, 3) * TURN_DEG / np.array((2.0, 1.0, 1.0)))
    flat = (UNIT - 0.5) * (width, height)
    x, y = (
        flat[:, 0] * np.cos(roll) - flat[:, 1] * np.sin(roll),
        flat[:, 0] * np.sin(roll) + flat[:, 1] * np.cos(roll),
    )
    depth = 1 + (x * np.sin(yaw) + y * np.sin(pitch)) / (VIEW_DISTANCE * max(width, height))
    return np.stack([x * np.cos(yaw) / depth, y * np.cos(pitch) / depth], axis=1)


def _paste(rng: Rng, image: Image, piece: _Piece, outline: FloatArray) -> TruthPlate:
    """Blend a piece into the picture at about its brightness."""
    left, top = np.floor(outline.min(axis=0)).astype(int).tolist()
    right, bottom = (np.ceil(outline.max(axis=0)) + 1).astype(int).tolist()
    area = image[top:bottom, left:right]
    source = _near_size(piece, float(np.ptp(outline[:, 1])))
    matrix = _homography(source, outline - np.array((left, top)))
    mask = cv2.warpPerspective(source.mask, matrix, area.shape[1::-1])
    gain = float(np.clip(area.mean() / 120 * rng.uniform(0.8, 1.25), 0.3, 1.3))
    drawn = cv2.convertScaleAbs(cv2.warpPerspective(source.image, matrix, area.shape[1::-1]), alpha=gain)
    share = cv2.merge([mask] * 3)
    kept = cv2.multiply(area, cv2.bitwise_not(share), scale=1 / 255)
    area[:] = cv2.add(kept, cv2.multiply(drawn, share, scale=1 / 255))
    corners = cv2.perspectiveTransform(piece.corners[None], _homography(piece, outline))[0]
    face, quad = piece.face, as_quad(corners)
    return TruthPlate(face.text, face.format.country, face.line_lengths, quad, quad_bounds(quad))


def _homography(piece: _Piece, outline: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    corners = (UNIT * piece.mask.shape[1::-1]).astype(np.float32)
    return np.asarray(cv2.getPerspectiveTransform(corners, outline.astype(np.float32)), np.float64)


def _near_size(piece: _Piece, height_px: float) -> _Piece:
    """Shrink a piece to about the height at which it is seen, so that fine detail does not flicker."""
    factor = min(1.0, 1.2 * height_px / piece.mask.shape[0])
    size = (max(2, round(piece.mask.shape[1] * factor)), max(2, round(piece.mask.shape[0] * factor)))
    image, mask = (cv2.resize(one, size, interpolation=cv2.INTER_AREA) for one in (piece.image, piece.mask))
    return _Piece(
        np.asarray(image, np.uint8),
        np.asarray(mask, np.uint8),
        piece.face,
        piece.corners * np.float32(factor),
    )
