"""Plates as a detector and a camera make them: one warp to the network's input, then cheap light and dirt.

Everything dear (noise, blur kernels, shadows, backgrounds) is prepared once; a sample costs a few
OpenCV calls on a picture of the input's size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from tools.training.packs import Picture

Image = cv2.typing.MatLike
"""(height, width, 3) uint8 BGR, as OpenCV hands it on."""
FloatArray = npt.NDArray[np.float32]
UNIT = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
HALF_PX = np.float32(0.5)
INPUT_SIZE = (128, 64)
"""(width, height) of the reader's input in pixels."""


@dataclass(frozen=True)
class Plate:
    """A plate in a stored picture."""

    picture: Picture
    corners: FloatArray
    """(4, 2) pixels of `picture`, clockwise from the plate's top left."""
    aspect: float
    """Width over height of the plate in its source, before the picture was stored."""
    height_px: float = 64.0
    """Of the plate in its source."""


@dataclass(frozen=True)
class Strength:
    """How much is done to a sample. Higher: robuster and slower to learn; lower: the reverse."""

    margin: tuple[float, float] = (-0.06, 0.18)
    rotation_deg: float = 6.0
    shear: float = 0.2
    perspective: float = 0.03
    rectified: float = 0.4
    """Share cut by the plate's corners, not by the box around it: little slant is left then."""
    low_resolution: float = 0.35
    height_px: tuple[float, float] = (12.0, 44.0)
    blur: float = 0.25
    light: float = 0.9
    grey: float = 0.2
    inverted: float = 0.04
    shadow: float = 0.2
    noise: float = 0.3
    jpeg: float = 0.35
    cutout: float = 0.12


RECTIFIED_SLANT = 0.4
"""Of all rotation and shear, what is left in a plate cut by its corners."""

SMALL_PX = 20.0
"""A plate no higher than this in its source has little to lose: its resolution is not lowered further."""

GENTLE = Strength(
    margin=(0.0, 0.12),
    rotation_deg=1.5,
    shear=0.05,
    perspective=0.01,
    low_resolution=0.1,
    height_px=(20.0, 44.0),
    blur=0.05,
    light=0.5,
    inverted=0.0,
    shadow=0.05,
    noise=0.1,
    jpeg=0.1,
    cutout=0.0,
)
"""For the beginning, while the network has yet to find the characters."""


def warp_matrix(
    corners: FloatArray, margins: npt.ArrayLike, size: tuple[int, int], view: FloatArray = UNIT
) -> npt.NDArray[np.float64]:
    """Homography from the stored picture to `size` (width, height) pixels.

    Args:
        corners: (4, 2) of the plate in the stored picture.
        margins: left, top, right, bottom as fractions of the box around `view`.
        size: of the cut.
        view: (4, 2) where a camera sees the corners, in any unit; the box around them is cut.
    """
    low, high = view.min(axis=0), view.max(axis=0)
    near, far = np.asarray(margins, np.float32).reshape(2, 2) * (high - low)
    cut = (low - near) + UNIT * ((high + far) - (low - near))
    to_picture = cv2.getPerspectiveTransform(view.astype(np.float32), corners.astype(np.float32))
    source = cv2.perspectiveTransform(cut[None].astype(np.float32), to_picture)[0]
    # Corners are measured from the picture's edge, OpenCV's warps from the middle of the first pixel.
    target = UNIT * np.array(size, np.float32)
    return np.asarray(cv2.getPerspectiveTransform(source - HALF_PX, target - HALF_PX), np.float64)


def plain_crop(plate: Plate, margin: float, size: tuple[int, int] = INPUT_SIZE) -> Picture:
    """The plate as the runtime cuts it: `margin` on each side, edges replicated, no augmentation."""
    matrix = warp_matrix(plate.corners, [margin] * 4, size)
    return np.asarray(_stretched(plate.picture, matrix, size), np.uint8)


def _stretched(picture: Picture, matrix: npt.NDArray[np.float64], size: tuple[int, int]) -> Image:
    return cv2.warpPerspective(picture, matrix, size, borderMode=cv2.BORDER_REPLICATE)


def _warp(picture: Picture, matrix: npt.NDArray[np.float64], background: Picture | None) -> Image:
    if background is None:
        return _stretched(picture, matrix, INPUT_SIZE)
    filled = background.copy()
    return cv2.warpPerspective(picture, matrix, INPUT_SIZE, dst=filled, borderMode=cv2.BORDER_TRANSPARENT)


class Augmenter:
    """Makes training samples; one object per worker, deterministic by its generator."""

    def __init__(self, rng: np.random.Generator, backgrounds: npt.NDArray[np.uint8]) -> None:
        """`backgrounds` (n, 64, 128, 3) uint8 BGR fill what lies beyond a stored picture."""
        self._rng = rng
        self._backgrounds = backgrounds
        self._noise = noise_bank(rng)
        self._kernels = blur_kernels(rng)
        self._shadows = shadow_bank(rng)

    def __call__(self, plate: Plate, *strengths: Strength) -> list[Picture]:
        """Pictures of `plate` from one place, one for each strength: (64, 128, 3) uint8 BGR.

        The first strength says how the plate is seen; light and dirt are drawn anew for each picture.
        """
        sample = self._cut(plate, strengths[0])
        return [self._taken(sample.copy(), plate, strength) for strength in strengths]

    def _taken(self, sample: Image, plate: Plate, strength: Strength) -> Picture:
        chance = self._rng.random(8)
        if chance[0] < strength.light:
            sample = self._light(sample, strength)
        if chance[1] < strength.shadow:
            sample = cv2.multiply(sample, self._pick(self._shadows), scale=1 / 160)
        if chance[2] < strength.cutout:
            self._cover(sample)
        small = chance[3] < strength.low_resolution and plate.height_px > SMALL_PX
        if not small and chance[5] < strength.blur:
            sample = cv2.filter2D(sample, -1, self._pick_kernel(), borderType=cv2.BORDER_REPLICATE)
        if chance[4] < strength.grey:
            sample = cv2.cvtColor(cv2.cvtColor(sample, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
        if small:
            sample = self._shrink(sample, plate.aspect, strength)
        if chance[6] < strength.noise:
            sample = self._noisy(sample)
        if chance[7] < strength.jpeg:
            sample = self._compress(sample)
        if small:
            sample = cv2.resize(sample, INPUT_SIZE, interpolation=cv2.INTER_LINEAR)
        return np.asarray(sample, np.uint8)

    def _cut(self, plate: Plate, strength: Strength) -> Image:
        rng = self._rng
        slant = RECTIFIED_SLANT if rng.random() < strength.rectified else 1.0
        angle = np.radians(rng.normal(0, strength.rotation_deg * slant))
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        lean = np.array([[1, rng.normal(0, strength.shear * slant)], [0, 1]])
        aspect = np.array([max(plate.aspect, 0.5), 1.0])
        view = (UNIT - 0.5) * aspect @ (turn @ lean).T
        view += rng.normal(0, strength.perspective, (4, 2)) * aspect
        matrix = warp_matrix(plate.corners, rng.uniform(*strength.margin, 4), INPUT_SIZE, view)
        background = self._pick(self._backgrounds) if rng.random() < 0.5 else None
        return _warp(plate.picture, matrix, background)

    def _light(self, sample: Image, strength: Strength) -> Image:
        rng = self._rng
        gamma = np.exp(rng.normal(0, 0.3))
        gain = np.exp(rng.normal(0, 0.2)) * np.exp(rng.normal(0, 0.07, 3))
        table = (np.linspace(0, 1, 256) ** gamma)[:, None] * gain + rng.normal(0, 0.07)
        if rng.random() < strength.inverted:
            table = 1 - table
        return np.asarray(cv2.LUT(sample, (np.clip(table, 0, 1) * 255).astype(np.uint8)[None]))

    def _cover(self, sample: Image) -> None:
        """Hide a strip or a spot no wider than a thin character."""
        rng = self._rng
        x, y = rng.integers(0, INPUT_SIZE[0]), rng.integers(0, INPUT_SIZE[1])
        width, height = rng.integers(2, 7), rng.integers(2, 24)
        sample[y : y + height, x : x + width] = rng.integers(0, 256, 3, np.uint8)

    def _shrink(self, sample: Image, aspect: float, strength: Strength) -> Image:
        low, high = np.log(strength.height_px)
        height = np.exp(self._rng.uniform(low, high)) * 1.2
        width = np.clip(height * aspect, 24, INPUT_SIZE[0])
        size = (int(width), int(np.clip(height, 8, INPUT_SIZE[1])))
        return cv2.resize(sample, size, interpolation=cv2.INTER_AREA)

    def _noisy(self, sample: Image) -> Image:
        noise = self._pick(self._noise)[: sample.shape[0], : sample.shape[1]]
        return cv2.add(sample, noise, dtype=cv2.CV_8U)

    def _compress(self, sample: Image) -> Image:
        quality = int(self._rng.integers(15, 80))
        _, encoded = cv2.imencode(".jpg", sample, [cv2.IMWRITE_JPEG_QUALITY, quality])
        dirty: Image = cv2.imdecode(encoded, cv2.IMREAD_COLOR)  # type: ignore[assignment]
        return dirty

    def _pick_kernel(self) -> FloatArray:
        return self._kernels[self._rng.integers(len(self._kernels))]

    def _pick(self, bank: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return np.asarray(bank[self._rng.integers(len(bank))])


def noise_bank(rng: np.random.Generator, count: int = 96) -> npt.NDArray[np.int16]:
    """(count, 64, 128, 3) int16: sensor noise of many strengths, some of it the same in all channels."""
    sigma = rng.uniform(2, 14, (count, 1, 1, 1))
    coloured = rng.normal(0, 1, (count, INPUT_SIZE[1], INPUT_SIZE[0], 3))
    grey = rng.normal(0, 1, (count, INPUT_SIZE[1], INPUT_SIZE[0], 1))
    share = rng.random((count, 1, 1, 1))
    return ((share * grey + (1 - share) * coloured) * sigma).astype(np.int16)


def blur_kernels(rng: np.random.Generator, count: int = 128) -> list[FloatArray]:
    """Motion streaks (mostly level) and defocus discs, each summing to 1."""
    kernels = []
    for index in range(count):
        side = int(rng.choice([3, 5, 7, 9, 11]))
        kernel = np.zeros((side, side), np.float32)
        middle = (side - 1) / 2
        if index % 3:
            angle = rng.normal(0, 0.5)
            reach = middle * np.array([np.cos(angle), np.sin(angle)])
            ends = [tuple(round(v) for v in middle + sign * reach) for sign in (-1, 1)]
            cv2.line(kernel, ends[0], ends[1], 1.0, 1)
        else:
            kernel = cv2.getGaussianKernel(side, -1) @ cv2.getGaussianKernel(side, -1).T
        kernels.append((kernel / kernel.sum()).astype(np.float32))
    return kernels


def shadow_bank(rng: np.random.Generator, count: int = 64) -> npt.NDArray[np.uint8]:
    """(count, 64, 128, 3) uint8 light maps, 160 being neutral: hard shadow edges and soft glare."""
    maps = np.full((count, INPUT_SIZE[1], INPUT_SIZE[0]), 160, np.float32)
    for light in maps:
        points = rng.uniform(-0.5, 1.5, (3, 2)) * INPUT_SIZE
        cv2.fillPoly(light, [points.astype(np.int32)], float(rng.uniform(60, 255)))
        light[:] = cv2.GaussianBlur(light, (0, 0), float(rng.uniform(0.5, 12)))
    return np.repeat(maps[..., None], 3, axis=3).astype(np.uint8)
