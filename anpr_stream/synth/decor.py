"""What stands on a plate beside its text: bands, emblems, small print, bolts, stickers."""

from __future__ import annotations

from collections.abc import Sequence

import cv2

from anpr_stream.plates.schema import Appearance
from anpr_stream.synth import fonts
from anpr_stream.synth.draw import Colour, Rng, colour, jittered, paste, pick, stretched
from anpr_stream.types import Image

BAND_MM = 42.0
GOLD = (40, 200, 240)
WHITE = (240, 240, 240)
BLUE = (150, 60, 30)
FLAG = (WHITE, (160, 60, 30), (40, 40, 190))
EMBLEM_COLOURS = ((60, 60, 190), (60, 140, 60), (160, 90, 40), (70, 190, 220), (120, 120, 120), (40, 40, 150))


def bands(rng: Rng, image: Image, look: Appearance, x_px_mm: float) -> tuple[float, float]:
    """Draw the bands at the edges; return their widths in pixels, left and right."""
    left = right = 0.0
    if look.strip and rng.random() < look.strip_share:
        left = _band(rng, image, look.strip_colour, BAND_MM * x_px_mm, False)
        _label(rng, image, look.strip, (0.0, left), _readable_on(look.strip_colour))
    if look.strip_right and rng.random() < look.strip_share:
        right = _band(rng, image, look.strip_colour, BAND_MM * x_px_mm, True)
        label = f"{int(rng.integers(1, 96)):02d}" if look.strip_right.strip() else ""
        _label(rng, image, label, (image.shape[1] - right, image.shape[1]), _readable_on(look.strip_colour))
    return left, right


def rim_and_header(rng: Rng, image: Image, look: Appearance) -> None:
    """Draw the bar along the upper edge and the broad rim that some plates have."""
    height, width = image.shape[:2]
    if look.header:
        image[: round(height * float(rng.uniform(0.2, 0.27)))] = jittered(rng, colour(look.header), 14)
    if look.rim:
        thick = max(2, round(height * float(rng.uniform(0.05, 0.12))))
        cv2.rectangle(image, (0, 0), (width - 1, height - 1), jittered(rng, colour(look.rim), 10), thick)


def _band(rng: Rng, image: Image, shade: str, width_px: float, at_right: bool) -> float:
    height, width = image.shape[:2]
    width_px *= float(rng.uniform(0.85, 1.1))
    start = width - round(width_px) if at_right else 0
    image[:, start : start + round(width_px)] = jittered(rng, colour(shade), 16)
    centre = (round(start + width_px / 2), round(height * 0.3))
    axes = (max(1, round(width_px * 0.3)), max(1, round(height * 0.15)))
    for angle in range(0, 360, 45):
        cv2.ellipse(image, centre, axes, 0, angle, angle + 14, GOLD, 1, cv2.LINE_AA)
    return width_px


def _readable_on(shade: str) -> Colour:
    return WHITE if sum(colour(shade)) < 450 else BLUE


def _label(rng: Rng, image: Image, text: str, sides: tuple[float, float], ink: Colour) -> None:
    if not text:
        return
    glyphs = pick(rng, fonts.family("helvetica"))
    height = image.shape[0]
    wide = min(0.3 * (sides[1] - sides[0]), 0.9 * (sides[1] - sides[0]) / len(text))
    for number, char in enumerate(text):
        x = (sides[0] + sides[1]) / 2 + (number - len(text) / 2) * wide
        paste(image, stretched(glyphs[char], 0.85 * wide, 0.34 * height), ink, x, 0.58 * height)


def small_print(rng: Rng, image: Image, look: Appearance, ink: Colour, printed_already: bool) -> None:
    """Write a line of small print at the upper or lower edge."""
    if not look.small or printed_already or rng.random() < 0.15:
        return
    text = pick(rng, look.small)
    height, width = image.shape[:2]
    shade = jittered(rng, ink if rng.random() < 0.6 else pick(rng, EMBLEM_COLOURS), 20)
    if look.header:
        shade = WHITE
    top = bool(look.header) or look.text_centre > 0.5 or (look.text_centre == 0.5 and rng.random() < 0.7)
    high = float(rng.uniform(0.09, 0.16)) * height
    mask = fonts.word(text, "wide" if text.isascii() or "·" in text else look.foreign_font)
    if mask is not None:
        wide = min(0.8 * width, len(text) * high * 0.62 * width / (height * 2.2))
        y = (0.04 if top else 0.95) * height - (0 if top else high)
        paste(image, stretched(mask, wide, high), shade, (width - wide) * float(rng.uniform(0.3, 0.7)), y)


def emblems(rng: Rng, image: Image, boxes: Sequence[tuple[float, float, float, float]]) -> None:
    """Draw a seal, a coat of arms or two inspection stickers in each box of pixels `x y width height`."""
    for x, y, wide, high in boxes:
        count = int(rng.integers(1, 3))
        for number in range(count):
            centre = (round(x + wide / 2), round(y + high * (number + 0.5) / count))
            axes = (max(1, round(wide * 0.42)), max(1, round(high * min(0.3, 0.42 / count))))
            cv2.ellipse(
                image, centre, axes, 0, 0, 360, jittered(rng, pick(rng, EMBLEM_COLOURS)), -1, cv2.LINE_AA
            )
            inner = (max(1, axes[0] // 2), max(1, axes[1] // 2))
            cv2.ellipse(image, centre, inner, 0, 0, 360, jittered(rng, (200, 200, 200), 40), -1, cv2.LINE_AA)


def region_marks(
    rng: Rng, image: Image, look: Appearance, bars: Sequence[tuple[float, float, float, float]], ink: Colour
) -> None:
    """Write letters and a flag under the region that stands right of each bar (pixels `x y width height`)."""
    for x, y, _, high in bars if look.region else ():
        glyphs = pick(rng, fonts.family("helvetica"))
        room, top = image.shape[1] - x, y + 0.78 * high
        for number, char in enumerate(look.region):
            mask = stretched(glyphs[char], 0.13 * room, 0.2 * high)
            paste(image, mask, ink, x + (0.12 + 0.15 * number) * room, top)
        for number, shade in enumerate(FLAG):
            left, upper = round(x + 0.64 * room), round(top + (0.2 + 0.2 * number) * 0.2 * high)
            cv2.rectangle(
                image, (left, upper), (round(x + 0.85 * room), round(upper + 0.04 * high)), shade, -1
            )


def fittings(rng: Rng, image: Image, look: Appearance) -> None:
    """Add bolts and stickers, clear of the characters' middles."""
    height, width = image.shape[:2]
    if rng.random() < 0.45:
        for x, y in pick(rng, BOLTS):
            _bolt(rng, image, (round(x * width), round(y * height)))
    if rng.random() < (0.45 if look.text_height < 0.5 else 0.02):
        for x in pick(rng, ((0.06,), (0.94,), (0.06, 0.94))):
            y = float(pick(rng, (0.1, 0.88)))
            _sticker(rng, image, (x * width, y * height), height)


BOLTS = (
    ((0.22, 0.09), (0.78, 0.09)),
    ((0.22, 0.09), (0.78, 0.09), (0.22, 0.91), (0.78, 0.91)),
    ((0.04, 0.5), (0.96, 0.5)),
    ((0.3, 0.07), (0.7, 0.07)),
    ((0.5, 0.08),),
)


def _bolt(rng: Rng, image: Image, centre: tuple[int, int]) -> None:
    radius = max(1, round(image.shape[0] * float(rng.uniform(0.02, 0.045))))
    shade = int(rng.integers(20, 230))
    cv2.circle(image, centre, radius, (shade, shade, shade), -1, cv2.LINE_AA)
    cv2.circle(image, centre, max(1, radius // 2), (shade // 2,) * 3, -1, cv2.LINE_AA)


def _sticker(rng: Rng, image: Image, centre: tuple[float, float], height: int) -> None:
    half_x, half_y = (
        round(height * float(rng.uniform(0.08, 0.16))),
        round(height * float(rng.uniform(0.06, 0.11))),
    )
    x, y = round(centre[0]), round(centre[1])
    cv2.rectangle(
        image, (x - half_x, y - half_y), (x + half_x, y + half_y), rng.integers(0, 256, 3).tolist(), -1
    )
    glyphs = pick(rng, fonts.family("helvetica"))
    for number in range(2):
        mask = stretched(glyphs[str(int(rng.integers(10)))], half_x * 0.7, half_y * 1.3)
        paste(
            image,
            mask,
            rng.integers(0, 256, 3).tolist(),
            x - half_x * 0.8 + number * half_x * 0.8,
            y - half_y * 0.7,
        )
