"""What lens, sensor and codec do to a picture."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from anpr_stream.synth.draw import Rng, noise
from anpr_stream.types import Image


def degrade(rng: Rng, image: Image, strength: float = 1.0) -> Image:
    """Return the picture as some camera would have delivered it; its size stays.

    Args:
        rng: decides which faults and how much.
        image: (H, W, 3) BGR.
        strength: 0 leaves it as it is; 1 is an ordinary camera, 2 a bad one.
    """
    if rng.random() < 0.4 * strength:
        image = motion_blurred(image, float(rng.uniform(1.5, 1.5 + 5 * strength)), float(rng.normal(0, 25)))
    if rng.random() < 0.4 * strength:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.3, 0.3 + strength))), np.uint8)
    if rng.random() < 0.2 * strength:
        image = night(rng, image)
    if rng.random() < 0.1 * strength:
        image = infra_red(image)
    if rng.random() < 0.5 * strength:
        image = noisy(rng, image, float(rng.uniform(1, 9 * strength)))
    if rng.random() < 0.3 * strength:
        return video_coded(image, int(rng.integers(8, 40)))
    return jpeg(image, int(rng.integers(30, 95)))


def low_resolution(image: Image, factor: float) -> Image:
    """Return the picture with the detail of one `factor` times smaller."""
    height, width = image.shape[:2]
    small = (max(1, round(width / factor)), max(1, round(height / factor)))
    return _resized(cv2.resize(image, small, interpolation=cv2.INTER_AREA), (width, height))


def motion_blurred(image: Image, length_px: float, angle_deg: float) -> Image:
    """Smear along a straight way."""
    return np.asarray(cv2.filter2D(image, -1, _streak(round(length_px, 1), round(angle_deg))), np.uint8)


def noisy(rng: Rng, image: Image, sigma: float) -> Image:
    """Add sensor noise with the given standard deviation in grey levels."""
    return np.asarray(cv2.add(image, noise(rng, image.shape, sigma), dtype=cv2.CV_8U), np.uint8)


def night(rng: Rng, image: Image) -> Image:
    """Darken all but what a plate's sheeting throws back, with a cast of lamp light."""
    luma = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    bright = cv2.GaussianBlur(luma, (0, 0), 2).astype(np.float32)[..., None] / 255
    cast = np.array([0.75, 0.95, 1.1]) * float(rng.uniform(0.35, 0.75))
    return np.clip(image * cast * (0.35 + 0.8 * bright), 0, 255).astype(np.uint8)


def infra_red(image: Image) -> Image:
    """Return the picture as an infra-red camera sees it: grey, bright sheeting, little background."""
    luma = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).astype(np.float32) / 255
    grey = np.clip(1.15 * luma**1.4 * 255, 0, 255).astype(np.uint8)
    return np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), np.uint8)


def jpeg(image: Image, quality: int) -> Image:
    """Compress as JPEG and back."""
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def video_coded(image: Image, quality: int) -> Image:
    """Return the picture with faults like those of H.264 at a low bit rate.

    Coarse block transforms with halved chroma, followed by a deblocking filter, which leaves smooth patches
    where there was fine detail.
    """
    return np.asarray(cv2.bilateralFilter(jpeg(image, quality), 5, 14, 2), np.uint8)


def _resized(image: object, size: tuple[int, int]) -> Image:
    return np.asarray(cv2.resize(np.asarray(image, np.uint8), size, interpolation=cv2.INTER_LINEAR), np.uint8)


@lru_cache(maxsize=512)
def _streak(length_px: float, angle_deg: int) -> npt.NDArray[np.float32]:
    side = 2 * int(np.ceil(length_px / 2)) + 1
    kernel = np.zeros((side, side), np.float32)
    reach = np.array([np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))]) * length_px / 2
    first, last = (np.rint((side - 1) / 2 + sign * reach).astype(int).tolist() for sign in (-1, 1))
    cv2.line(kernel, first, last, 1.0, 1)
    return np.asarray(kernel / kernel.sum(), np.float32)
