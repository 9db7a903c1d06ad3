"""The flat face of a plate after its format file: sheet, band, characters, emblems, small print, wear."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import cv2
import numpy as np

from anpr_stream.plates.formats import PlateFormat
from anpr_stream.plates.patterns import Shape
from anpr_stream.plates.schema import Appearance
from anpr_stream.synth import decor, fonts
from anpr_stream.synth.banks import NEUTRAL, chips, textures
from anpr_stream.synth.draw import Colour, Rng, colour, jittered, paint, pick, stamp, stretched
from anpr_stream.synth.fonts import CAP_PX, PAD_PX
from anpr_stream.synth.layout import Placed, Style, random_style, set_line
from anpr_stream.types import Image

OTHER_FONT = 0.1
"""Share of plates in a font that their country does not use: home-made, foreign or worn ones."""
SMALL_FIRST_LINE = 0.1
"""Share of two-line plates whose first line is smaller than the second."""
MIN_CONTRAST = 55
MONOSPACED = {"fe", "mono", "russian", "china"}
FADED = 0.14
"""Share of plates whose paint has faded, so that the characters show by their relief more than by colour."""
CHIPPED = 0.1
"""Share of plates whose characters have lost paint."""
_EMBOSS = np.array([[-1, -1, 0], [-1, 0, 1], [0, 1, 1]], np.float32)


@dataclass(frozen=True, slots=True)
class Artwork:
    """A sheet that is already printed, its serial painted over.

    Attributes:
        image: (H, W, 3) BGR.
        ink: colour of the serial that was painted over.
    """

    image: Image
    ink: Colour


@dataclass(frozen=True, slots=True)
class Face:
    """A plate seen straight on.

    Attributes:
        image: (H, W, 3) BGR, the plate alone, edge to edge.
        text: A-Z0-9, first line first.
        line_lengths: characters of each line.
        format: what it was made after.
        aspect: width over height of the real plate, whatever the shape of `image`.
    """

    image: Image = field(repr=False)
    text: str
    line_lengths: tuple[int, ...]
    format: PlateFormat
    aspect: float


@dataclass(frozen=True, slots=True)
class _Sheet:
    """The plate while it is drawn: pixels, and how many of them make a millimetre."""

    image: Image
    x_px_mm: float
    y_px_mm: float


def render_face(
    rng: Rng,
    plate_format: PlateFormat,
    size: tuple[int, int],
    lines: int | None = None,
    artwork: Artwork | None = None,
) -> Face:
    """Render a random plate of a format.

    Args:
        rng: decides everything.
        plate_format: series and appearance.
        size: width and height of the image in pixels; the plate is stretched to it.
        lines: 1 or 2; any that the format has for None.
        artwork: background in place of the format's colours.
    """
    look = plate_format.appearance
    shape = pick_shape(rng, plate_format, lines)
    words = tuple(pick(rng, choice) for choice in shape.segments)
    printed = shape.printed(words).split("/")
    width_mm, height_mm = look.sizes_mm.get(shape.lines, (520, 110))
    background, ink = _colours(rng, look, artwork)
    image = _sheet(rng, size, background, artwork)
    sheet = _Sheet(image, size[0] / width_mm, size[1] / height_mm)
    decor.rim_and_header(rng, image, look)
    left, right = decor.bands(rng, image, look, sheet.x_px_mm)
    placed = _place(rng, look, printed, (left / sheet.x_px_mm, width_mm - right / sheet.x_px_mm), height_mm)
    decor.small_print(rng, image, look, ink, bool(artwork))
    image = _inked(rng, sheet, placed, ink, look)
    decor.emblems(rng, image, [_pixels(sheet, item) for item in placed if item.symbol == "@"])
    decor.region_marks(rng, image, look, [_pixels(sheet, item) for item in placed if item.symbol == "|"], ink)
    decor.fittings(rng, image, look)
    lengths = tuple(sum(char.isalnum() for char in line) for line in printed)
    return Face(image, "".join(words), lengths, plate_format, width_mm / height_mm)


def pick_shape(rng: Rng, plate_format: PlateFormat, lines: int | None) -> Shape:
    """Return a random shape of a format; those with more combinations are issued more often."""
    shapes, weights = _weighted(plate_format.shapes, lines)
    return shapes[int(np.searchsorted(weights, rng.random() * weights[-1]))]


@lru_cache(maxsize=1024)
def _weighted(
    shapes: tuple[Shape, ...], lines: int | None
) -> tuple[tuple[Shape, ...], np.ndarray[tuple[int], np.dtype[np.float64]]]:
    wanted = tuple(shape for shape in shapes if lines in (None, shape.lines)) or shapes
    combinations = [float(np.prod([len(words) for words in shape.segments], dtype=float)) for shape in wanted]
    return wanted, np.cumsum(np.power(combinations, 0.2))


def _colours(rng: Rng, look: Appearance, artwork: Artwork | None) -> tuple[Colour, Colour]:
    background, ink = map(colour, pick(rng, look.colours, 1.6))
    if artwork is not None:
        return background, jittered(rng, _legible(artwork), 10)
    return jittered(rng, background, 5), jittered(rng, ink, 9)


def _legible(artwork: Artwork) -> Colour:
    """Return the serial's own colour, or black or white where that would not stand out from the sheet."""
    height = artwork.image.shape[0]
    luma = float(artwork.image[height // 3 : 2 * height // 3].mean())
    if abs(luma - sum(artwork.ink) / 3) > MIN_CONTRAST:
        return artwork.ink
    return (20, 20, 20) if luma > 110 else (235, 235, 235)


def _sheet(rng: Rng, size: tuple[int, int], background: Colour, artwork: Artwork | None) -> Image:
    if artwork is not None:
        image = np.asarray(cv2.resize(artwork.image, size, interpolation=cv2.INTER_AREA), np.uint8)
    else:
        image = np.full((size[1], size[0], 3), background, np.uint8)
    texture = cv2.resize(pick(rng, textures()), size)
    return np.asarray(cv2.multiply(image, texture, scale=1 / NEUTRAL), np.uint8)


def _place(
    rng: Rng, look: Appearance, printed: list[str], sides_mm: tuple[float, float], height_mm: float
) -> list[Placed]:
    family = pick(rng, look.fonts, 1.5) if rng.random() > OTHER_FONT else pick(rng, fonts.LATIN)
    style = random_style(rng, pick(rng, fonts.family(family), 1.4), family in MONOSPACED, look.letter_scale)
    foreign = _foreign_word(rng, look)
    margin_mm = float(rng.uniform(0.02, 0.06)) * (sides_mm[1] - sides_mm[0])
    left_mm, width_mm = sides_mm[0] + margin_mm, sides_mm[1] - sides_mm[0] - 2 * margin_mm
    placed: list[Placed] = []
    for line, (top_mm, cap_mm) in zip(printed, _rows(rng, look, len(printed), height_mm), strict=True):
        placed += _with_region(rng, line, style, (left_mm, top_mm, width_mm, cap_mm), foreign)
    return placed


def _foreign_word(rng: Rng, look: Appearance) -> Image | None:
    """Return a random word of the format in its script; Arabic words are set narrow on many plates."""
    word = fonts.word(pick(rng, look.foreign), look.foreign_font) if look.foreign else None
    if word is None or look.foreign_font != "arabic":
        return word
    return stretched(word, word.shape[1] * float(rng.uniform(0.5, 1.0)), word.shape[0])


def _rows(rng: Rng, look: Appearance, lines: int, height_mm: float) -> list[tuple[float, float]]:
    """Return top and height of each line's capitals."""
    inked_mm = look.text_height * height_mm * float(rng.uniform(0.9, 1.08))
    middle_mm = height_mm * (look.text_centre + float(rng.normal(0, 0.012)))
    if lines == 1:
        return [(middle_mm - inked_mm / 2, inked_mm)]
    inked_mm = min(1.15 * inked_mm, 0.88 * height_mm)
    gap_mm = (height_mm - inked_mm) * float(rng.uniform(0.2, 0.38))
    upper = (
        float(rng.uniform(0.34, 0.45)) if rng.random() < SMALL_FIRST_LINE else float(rng.normal(0.5, 0.012))
    )
    top_mm = middle_mm - (inked_mm + gap_mm) / 2
    return [(top_mm, upper * inked_mm), (top_mm + upper * inked_mm + gap_mm, (1 - upper) * inked_mm)]


def _with_region(
    rng: Rng, line: str, style: Style, area: tuple[float, float, float, float], foreign: Image | None
) -> list[Placed]:
    """Set a line; what follows `|` stands smaller in a box at the right."""
    main, bar, region = line.partition("|")
    if not bar:
        return set_line(rng, main, style, area, foreign)
    x_mm, y_mm, width_mm, cap_mm = area
    share = 0.74
    inner = (x_mm, y_mm, width_mm * share - 0.06 * cap_mm, cap_mm)
    box = (x_mm + width_mm * (share + 0.035), y_mm - 0.06 * cap_mm, width_mm * (0.965 - share), cap_mm * 0.76)
    bar_mm = (x_mm + width_mm * share, y_mm - 0.16 * cap_mm, 0.04 * cap_mm, 1.32 * cap_mm)
    placed = set_line(rng, main, style, inner, foreign) + set_line(rng, region, style, box, None)
    return [*placed, Placed("|", np.full((CAP_PX + 2 * PAD_PX, 4), 255, np.uint8), bar_mm)]


def _inked(rng: Rng, sheet: _Sheet, placed: list[Placed], ink: Colour, look: Appearance) -> Image:
    height, width = sheet.image.shape[:2]
    mask = np.zeros((height, width), np.uint8)
    for item in placed:
        if item.mask is not None:
            x, y, wide, high = _pixels(sheet, item)
            if item.mask.shape[0] == CAP_PX + 2 * PAD_PX:
                extra = high * PAD_PX / CAP_PX
                y, high = y - extra, high + 2 * extra
            stamp(mask, stretched(item.mask, wide, high), x, y)
    mask = _worn(rng, mask)
    if look.border and rng.random() < 0.75:
        inset = float(rng.uniform(0.004, 0.03)) * height
        corners = [round(inset), round(inset * 0.8), round(width - inset), round(height - inset * 0.8)]
        cv2.rectangle(mask, tuple(corners[:2]), tuple(corners[2:]), 230, 1 if height < 160 else height // 80)
    faded = float(rng.uniform(0.3, 0.85)) if rng.random() < FADED else 0.0
    strength = float(rng.uniform(0.05, 0.16)) if faded else pick(rng, (0.0, 0.0, 0.02, 0.05, 0.09))
    return _embossed(rng, paint(sheet.image, _thinned(mask, 1.0 - faded), ink), mask, strength)


def _thinned(mask: Image, opacity: float) -> Image:
    return mask if opacity == 1.0 else np.asarray(cv2.convertScaleAbs(mask, alpha=opacity), np.uint8)


def _worn(rng: Rng, mask: Image) -> Image:
    """Chipped, thicker, thinner or slanted characters."""
    if rng.random() < CHIPPED:
        mask = np.asarray(cv2.bitwise_and(mask, cv2.resize(pick(rng, chips()), mask.shape[1::-1])), np.uint8)
    roll = rng.random()
    if roll < 0.12:
        mask = np.asarray(cv2.dilate(mask, np.ones((2, 2), np.uint8)), np.uint8)
    elif roll < 0.2:
        mask = np.asarray(cv2.erode(mask, np.ones((2, 2), np.uint8)), np.uint8)
    elif roll < 0.24:
        lean = float(rng.normal(0, 0.12))
        matrix = np.array([[1, lean, -lean * mask.shape[0] / 2], [0, 1, 0]])
        mask = np.asarray(cv2.warpAffine(mask, matrix, mask.shape[1::-1]), np.uint8)
    return mask


def _embossed(rng: Rng, image: Image, mask: Image, strength: float) -> Image:
    """Light and shade along the raised edges of the characters."""
    strength *= pick(rng, (-1.0, 1.0))
    if strength == 0.0:
        return image
    relief = cv2.filter2D(mask, cv2.CV_16S, _EMBOSS)
    shade = (cv2.merge([relief] * 3) * strength).astype(np.int16)
    return np.asarray(cv2.add(image, shade, dtype=cv2.CV_8U), np.uint8)


def _pixels(sheet: _Sheet, item: Placed) -> tuple[float, float, float, float]:
    x_mm, y_mm, wide_mm, high_mm = item.box_mm
    return x_mm * sheet.x_px_mm, y_mm * sheet.y_px_mm, wide_mm * sheet.x_px_mm, high_mm * sheet.y_px_mm
