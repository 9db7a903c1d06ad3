"""Small drawing helpers shared by the renderers: colours, random picks, masks in place."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, TypeAlias, TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from anpr_stream.types import Image

Rng: TypeAlias = np.random.Generator
Colour: TypeAlias = tuple[int, int, int]
"""Blue, green, red, 0..255."""
Item = TypeVar("Item")


def pick(rng: Rng, items: Sequence[Item], favour_first: float = 1.0) -> Item:
    """Return a random item; `favour_first` above 1 draws the first ones more often."""
    return items[int(len(items) * rng.random() ** favour_first)]


@lru_cache(maxsize=1024)
def colour(hexadecimal: str) -> Colour:
    """Return `#rrggbb` as blue, green, red."""
    value = int(hexadecimal[1:], 16)
    return value & 255, value >> 8 & 255, value >> 16


def jittered(rng: Rng, base: Colour, spread: float = 14.0) -> Colour:
    """Return a colour near `base`."""
    blue, green, red = np.clip(np.asarray(base) + rng.normal(0, spread, 3), 0, 255).astype(int).tolist()
    return blue, green, red


def noise(rng: Rng, shape: tuple[int, ...], sigma: float) -> npt.NDArray[np.int16]:
    """Return (H, W, 3) int16 normal noise; OpenCV makes it five times faster than NumPy."""
    values = np.empty(shape, np.int16)
    cv2.setRNGSeed(int(rng.integers(1 << 31)))
    cv2.randn(values, np.zeros(3), np.full(3, sigma))
    return values


def stretched(mask: Image, width_px: float, height_px: float) -> Image:
    """Return a mask at another size of at least one pixel each way."""
    size = (max(1, round(width_px)), max(1, round(height_px)))
    return np.asarray(cv2.resize(mask, size, interpolation=cv2.INTER_AREA), np.uint8)


def stamp(target: Image, mask: Image, x: float, y: float) -> None:
    """Merge a mask into a larger one with its top left at `x y`; what sticks out is cut."""
    left, top = round(x), round(y)
    from_x, from_y = max(0, -left), max(0, -top)
    part = mask[from_y : target.shape[0] - top, from_x : target.shape[1] - left]
    if part.size:
        area = target[top + from_y :, left + from_x :][: part.shape[0], : part.shape[1]]
        np.maximum(area, part, out=area)


def paint(image: Image, mask: Image, ink: Colour) -> Image:
    """Return the image (H, W, 3) with `ink` where the mask (H, W) is 255."""
    share = cv2.merge((mask, mask, mask))
    return np.asarray(
        cv2.add(
            cv2.multiply(image, cv2.bitwise_not(share), scale=1 / 255),
            cv2.multiply(np.full_like(image, ink), share, scale=1 / 255),
        ),
        np.uint8,
    )


def paste(image: Image, mask: Image, ink: Colour, x: float, y: float) -> None:
    """Paint a small mask in place with its top left at `x y`; what sticks out is cut."""
    left, top = max(0, round(x)), max(0, round(y))
    part = image[top : top + mask.shape[0], left : left + mask.shape[1]]
    if part.size:
        part[:] = paint(part, mask[: part.shape[0], : part.shape[1]], ink)


def warped(image: Image, matrix: npt.NDArray[Any], size: tuple[int, int]) -> Image:
    """Return the image under a homography, its edges mirrored outwards."""
    return np.asarray(
        cv2.warpPerspective(image, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101),
        np.uint8,
    )
