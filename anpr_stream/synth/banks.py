"""Random surfaces made once: dirt, unevenness and soft light as maps to multiply with."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from anpr_stream.types import Image

NEUTRAL = 160
"""Value of a light map that changes nothing."""
MAP_SIZE = (256, 128)
"""Width and height of the maps."""


@lru_cache(maxsize=1)
def light_maps() -> tuple[Image, ...]:
    """96 of (128, 256, 3) uint8: gradients, shadows, glare and dirt; `NEUTRAL` is even light."""
    rng = np.random.default_rng(20)
    makers = (_gradient, _gradient, _shadow, _glare, _gradient, _dirt)
    maps = [makers[index % len(makers)](rng) for index in range(96)]
    return tuple(cv2.merge([light.astype(np.uint8)] * 3).astype(np.uint8) for light in maps)


@lru_cache(maxsize=1)
def textures() -> tuple[Image, ...]:
    """48 of (128, 256, 3) uint8 faint grain of sheeting and paint, `NEUTRAL` being none."""
    rng = np.random.default_rng(21)
    return tuple(_texture(rng) for _ in range(48))


@lru_cache(maxsize=1)
def chips() -> tuple[Image, ...]:
    """32 of (128, 256) uint8: 255 where paint holds, 0 where it has come off in flakes and scratches."""
    rng = np.random.default_rng(22)
    return tuple(_chips(rng) for _ in range(32))


def _chips(rng: np.random.Generator) -> Image:
    flakes = _blurred_noise(rng, rng.uniform(1.0, 4.0)) + 0.7 * _blurred_noise(rng, 12.0)
    holds = np.clip((rng.uniform(1.3, 2.4) - flakes) * 4 * 255, 0, 255).astype(np.uint8)
    for _ in range(int(rng.integers(0, 6))):
        ends = (rng.uniform(-0.2, 1.2, (2, 2)) * MAP_SIZE).astype(int).tolist()
        cv2.line(holds, ends[0], ends[1], 0, int(rng.integers(1, 3)), cv2.LINE_AA)
    return holds


def _blurred_noise(rng: np.random.Generator, scale_px: float) -> npt.NDArray[np.float32]:
    noise = rng.normal(0, 1, (MAP_SIZE[1], MAP_SIZE[0])).astype(np.float32)
    soft = cv2.GaussianBlur(noise, (0, 0), scale_px)
    return np.asarray(soft / max(1e-6, float(soft.std())), np.float32)


def _gradient(rng: np.random.Generator) -> npt.NDArray[np.float32]:
    across, down = np.meshgrid(np.linspace(-1, 1, MAP_SIZE[0]), np.linspace(-1, 1, MAP_SIZE[1]))
    slope = rng.normal(0, 0.16, 2)
    light = np.clip(NEUTRAL * (1 + slope[0] * across + slope[1] * down), 0, 255)
    return np.asarray(light, np.float32)


def _shadow(rng: np.random.Generator) -> npt.NDArray[np.float32]:
    light = np.full(MAP_SIZE[::-1], NEUTRAL, np.float32)
    points = (rng.uniform(-0.4, 1.4, (4, 2)) * MAP_SIZE).astype(np.int32)
    cv2.fillConvexPoly(light, cv2.convexHull(points), float(rng.uniform(50, 110)))
    return np.asarray(cv2.GaussianBlur(light, (0, 0), float(rng.uniform(0.8, 9))), np.float32)


def _glare(rng: np.random.Generator) -> npt.NDArray[np.float32]:
    light = np.full(MAP_SIZE[::-1], NEUTRAL, np.float32)
    centre = (rng.random(2) * MAP_SIZE).astype(int).tolist()
    axes = rng.integers(12, 70, 2).tolist()
    cv2.ellipse(light, centre, axes, float(rng.uniform(0, 180)), 0, 360, 255.0, -1)
    return np.asarray(cv2.GaussianBlur(light, (0, 0), float(rng.uniform(6, 25))), np.float32)


def _dirt(rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Splashes that darken, thicker towards one edge."""
    coarse, fine = _blurred_noise(rng, rng.uniform(4, 14)), _blurred_noise(rng, rng.uniform(0.6, 2))
    towards = np.linspace(rng.uniform(-1, 1), rng.uniform(-1, 1), MAP_SIZE[1])[:, None]
    amount = np.clip(coarse + 0.6 * fine + towards - rng.uniform(0.6, 1.8), 0, 2)
    return np.asarray(np.clip(NEUTRAL * (1 - rng.uniform(0.1, 0.32) * amount), 30, 255), np.float32)


def _texture(rng: np.random.Generator) -> Image:
    grain = rng.uniform(0.5, 5) * _blurred_noise(rng, rng.uniform(0.4, 1.2))
    uneven = rng.uniform(1, 8) * _blurred_noise(rng, rng.uniform(8, 30))
    return np.asarray(cv2.merge([np.clip(NEUTRAL + grain + uneven, 0, 255).astype(np.uint8)] * 3), np.uint8)
