"""Where the characters of a plate stand: millimetres of the plate, from its top left."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from anpr_stream.synth.draw import Rng
from anpr_stream.synth.fonts import CAP_PX, Glyphs
from anpr_stream.types import Image

SPACES = {" ": 0.34, "@": 0.62}
"""Width of what is not printed as a mask, in heights of a capital."""


@dataclass(frozen=True, slots=True)
class Style:
    """How a person or a machine sets the characters.

    Attributes:
        glyphs: the font.
        tracking: gap between neighbours in heights of a capital.
        widening: factor on the width of the characters.
        monospaced: every character stands in the middle of an equal cell.
        fill: part of the free width that the line should take at least.
        wobble: standard deviation of a character's place in heights of a capital.
        letter_scale: height of letters as a part of that of digits.
    """

    glyphs: Glyphs
    tracking: float
    widening: float
    monospaced: bool
    fill: float
    wobble: float
    letter_scale: float = 1.0


@dataclass(frozen=True, slots=True)
class Placed:
    """A character, mark or emblem in its place.

    Attributes:
        symbol: what is printed there; `@` is an emblem, a space never appears.
        mask: its shape, None for emblems.
        box_mm: `x y width height`; of the capital, the mask has more above and below.
    """

    symbol: str
    mask: Image | None
    box_mm: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class _Item:
    symbol: str
    mask: Image | None
    width: float
    lead: float = 0.0
    scale: float = 1.0


@dataclass(frozen=True, slots=True)
class _Row:
    """Where a line begins and how its widths, in heights of a capital, become millimetres."""

    x_mm: float
    y_mm: float
    cap_mm: float
    squeeze: float
    tracking: float


def set_line(
    rng: Rng, printed: str, style: Style, area_mm: tuple[float, float, float, float], foreign: Image | None
) -> list[Placed]:
    """Set one line of text in the middle of an area.

    Args:
        rng: for the wobble.
        printed: characters, separators and `@ ~` as patterns have them.
        style: font and spacing.
        area_mm: `x y width height`; the height is that of a capital.
        foreign: what is printed for `~`.
    """
    x_mm, y_mm, width_mm, cap_mm = area_mm
    items = list(_items(printed, style, foreign))
    inks = sum(item.width for item in items)
    gaps = max(1, len(items) - 1)
    tracking = style.tracking
    natural = inks + gaps * tracking
    free = width_mm / cap_mm
    if natural < free * style.fill:
        tracking += min(0.2, (free * style.fill - natural) / gaps)
    squeeze = min(1.0, free / (inks + gaps * tracking))
    used = squeeze * (inks + gaps * tracking)
    left_mm = x_mm + cap_mm * max(0.0, free - used) / 2
    row = _Row(left_mm, y_mm, cap_mm, squeeze, tracking)
    return list(_placed(rng, items, row, style.wobble))


def _items(printed: str, style: Style, foreign: Image | None) -> Iterator[_Item]:
    cell = style.widening * 0.56
    for symbol in printed:
        mask = foreign if symbol == "~" else style.glyphs.masks.get(symbol)
        if symbol == "~" and mask is None:
            continue
        scale = style.letter_scale if symbol.isalpha() else 0.8 if symbol == "~" else 1.0
        width = SPACES.get(symbol, 0.0) if mask is None else style.widening * scale * mask.shape[1] / CAP_PX
        if style.monospaced and symbol.isalnum():
            shown = min(width, cell)
            yield _Item(symbol, mask, cell, (cell - shown) / 2, scale)
        else:
            lead = 0.18 if symbol == "~" else 0.0
            yield _Item(symbol, mask, width + 2 * lead, lead, scale)


def _placed(rng: Rng, items: list[_Item], row: _Row, wobble: float) -> Iterator[Placed]:
    shifts = rng.normal(0, wobble * row.cap_mm, (len(items), 2)).tolist()
    unit_mm = row.squeeze * row.cap_mm
    cursor_mm = row.x_mm
    for item, (right_mm, down_mm) in zip(items, shifts, strict=True):
        if item.symbol != " ":
            left_mm = cursor_mm + item.lead * unit_mm + right_mm
            top_mm = row.y_mm + down_mm + row.cap_mm * (1.0 - item.scale)
            inner_mm = (item.width - 2 * item.lead) * unit_mm
            yield Placed(item.symbol, item.mask, (left_mm, top_mm, inner_mm, row.cap_mm * item.scale))
        cursor_mm += (item.width + row.tracking) * unit_mm


def random_style(rng: Rng, glyphs: Glyphs, monospaced: bool, letter_scale: float) -> Style:
    """Return a font with the spacing of some maker of plates."""
    return Style(
        glyphs=glyphs,
        tracking=float(rng.uniform(0.08, 0.2)),
        widening=float(np.exp(rng.normal(0.0, 0.09))),
        monospaced=monospaced,
        fill=float(rng.uniform(0.72, 0.94)),
        wobble=float(abs(rng.normal(0, 0.006))),
        letter_scale=letter_scale,
    )
