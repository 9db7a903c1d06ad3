"""Glyph masks from installed fonts: made once with Pillow, then only copied.

Fonts are found under the usual folders by file name; families list substitutes, and the drawn letters
of OpenCV stand in where no font is installed, so that plates can be rendered on a bare machine.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from anpr_stream.types import ALPHABET, Image

CAP_PX = 64
"""Height of a capital in a mask."""
PAD_PX = 12
"""Rows above and below the capital, for tails and accents."""
FOLDERS = (
    "/usr/share/fonts",
    "/usr/local/share/fonts",
    str(Path.home() / ".local/share/fonts"),
    "C:/Windows/Fonts",
)

FAMILIES: dict[str, tuple[str, ...]] = {
    "fe": (
        "B612-Bold.otf",
        "B612Mono-Bold.otf",
        "tiresias_signfont_bold.ttf",
        "Play-Bold.ttf",
        "OSP-DIN.ttf",
    ),
    "din": ("OSP-DIN.ttf", "RG2014B.ttf", "RG2014C.ttf"),
    "highway": ("RG2014C.ttf", "RG2014D.ttf", "RG2014E.ttf", "RG2014EM.ttf"),
    "highway_narrow": ("RG2014B.ttf", "RG2014C.ttf"),
    "charles": ("RG2014D.ttf", "RG2014E.ttf", "NimbusSansNarrow-Bold.otf", "OpenSans-CondBold.ttf"),
    "russian": ("RobotoCondensed-Medium.ttf", "RG2014C.ttf", "RobotoCondensed-Regular.ttf", "OSP-DIN.ttf"),
    "vietnam": ("RobotoCondensed-Medium.ttf", "RobotoCondensed-Regular.ttf", "RG2014C.ttf", "OSP-DIN.ttf"),
    "china": (
        "RobotoCondensed-Medium.ttf",
        "RobotoCondensed-Bold.ttf",
        "NimbusSansNarrow-Bold.otf",
        "Play-Bold.ttf",
    ),
    "helvetica": (
        "NimbusSans-Bold.otf",
        "LiberationSans-Bold.ttf",
        "FreeSansBold.ttf",
        "NimbusSans-Regular.otf",
    ),
    "helvetica_wide": ("NimbusSans-Bold.otf", "Lato-Bold.ttf", "ClearSans-Bold.ttf"),
    "helvetica_narrow": (
        "NimbusSansNarrow-Bold.otf",
        "LiberationSansNarrow-Bold.ttf",
        "NimbusSansNarrow-Regular.otf",
    ),
    "arial": (
        "LiberationSans-Bold.ttf",
        "LiberationSans-Regular.ttf",
        "Roboto-Bold.ttf",
        "Roboto-Medium.ttf",
    ),
    "arial_narrow": (
        "LiberationSansNarrow-Bold.ttf",
        "LiberationSansNarrow-Regular.ttf",
        "RobotoCondensed-Bold.ttf",
    ),
    "condensed": (
        "RobotoCondensed-Bold.ttf",
        "RobotoCondensed-Medium.ttf",
        "OpenSans-CondBold.ttf",
        "Dosis-Bold.otf",
    ),
    "dies": ("NationalPark-Heavy.otf", "NationalPark-Regular.otf", "RG2014C.ttf", "RG2014D.ttf"),
    "routed": ("routed-gothic-narrow.ttf", "routed-gothic.ttf", "NationalPark-Regular.otf"),
    "routed_bold": ("routed-gothic.ttf", "NationalPark-Heavy.otf", "Dosis-ExtraBold.otf"),
    "rounded_bold": ("Dosis-ExtraBold.otf", "Dosis-Bold.otf", "Quicksand-Bold.ttf", "NationalPark-Heavy.otf"),
    "bebas": ("BebasNeue-Bold.otf", "BebasNeue-Regular.otf"),
    "humanist": (
        "OpenSans-Bold.ttf",
        "Lato-Heavy.ttf",
        "DejaVuSansCondensed-Bold.ttf",
        "tiresias_infofont_bold.ttf",
    ),
    "wide": ("DejaVuSans-Bold.ttf", "Inter-Bold.otf", "Lato-Black.ttf", "ClearSans-Bold.ttf"),
    "geometric": (
        "LeagueSpartan-Bold.otf",
        "LeagueSpartan-SemiBold.otf",
        "URWGothic-Demi.otf",
        "Play-Bold.ttf",
    ),
    "mono": ("JetBrainsMono-Bold.ttf", "Hack-Bold.ttf", "LiberationMono-Bold.ttf", "OCRB.otf"),
    "arabic": ("DejaVuSans-Bold.ttf", "DejaVuSans.ttf"),
    "chinese": ("wqy-zenhei.ttc",),
    "japanese": ("wqy-zenhei.ttc",),
    "korean": ("NanumGothicBold.ttf", "NanumBarunGothicBold.ttf"),
    "thai": ("FreeSerifBold.ttf", "FreeSerif.ttf"),
}
LATIN = tuple(FAMILIES)[:-5]
"""The families that hold the 36 characters."""
PACKAGES = {
    "fonts-b612": "B612", "fonts-tiresias": "tiresias", "fonts-play": "Play", "fonts-opendin": "OSP",
    "fonts-roadgeek": "RG2014", "fonts-urw-base35": "Nimbus URW", "fonts-open-sans": "OpenSans",
    "fonts-roboto-unhinted": "Roboto", "fonts-liberation": "Liberation", "fonts-freefont-ttf": "Free",
    "fonts-lato": "Lato", "fonts-clear-sans": "ClearSans", "fonts-dosis": "Dosis",
    "fonts-national-park": "NationalPark", "fonts-routed-gothic": "routed", "fonts-quicksand": "Quicksand",
    "fonts-bebas-neue": "BebasNeue", "fonts-dejavu-extra": "DejaVu", "fonts-inter": "Inter",
    "fonts-league-spartan": "LeagueSpartan", "fonts-jetbrains-mono": "JetBrains", "fonts-hack": "Hack",
    "fonts-ocr-b": "OCRB", "fonts-wqy-zenhei": "wqy", "fonts-nanum": "Nanum",
}  # fmt: skip
"""Debian package to the beginnings of its files' names."""


@dataclass(frozen=True)
class Glyphs:
    """The masks of one font.

    Attributes:
        name: the font's file.
        masks: character to (CAP_PX + 2 PAD_PX, w) uint8, 255 inside; the capital fills rows PAD_PX to
            PAD_PX + CAP_PX, and there is no empty column.
    """

    name: str
    masks: dict[str, Image] = field(repr=False)

    def __getitem__(self, character: str) -> Image:
        return self.masks[character]


@lru_cache(maxsize=1)
def installed() -> dict[str, Path]:
    """Return the font files under the usual folders by name; none without Pillow, which draws them."""
    if find_spec("PIL") is None:
        return {}
    found: dict[str, Path] = {}
    for folder in FOLDERS:
        for parent, _, names in os.walk(folder):
            found.update(
                (name, Path(parent) / name) for name in names if name.endswith((".ttf", ".otf", ".ttc"))
            )
    return found


def missing_packages() -> list[str]:
    """Return the Debian packages whose fonts are not installed, to be named in one line."""
    names = {name for files in FAMILIES.values() for name in files}
    absent = names - installed().keys()
    return [
        package
        for package, starts in PACKAGES.items()
        if any(n.startswith(tuple(starts.split())) for n in absent)
    ]


@lru_cache(maxsize=64)
def family(name: str) -> tuple[Glyphs, ...]:
    """Return the glyphs of a family's installed fonts; OpenCV's drawn letters where there are none."""
    paths = [installed()[file] for file in FAMILIES[name] if file in installed()]
    return tuple(map(_glyphs, paths)) or (_drawn_glyphs(),)


@lru_cache(maxsize=512)
def word(text: str, family_name: str) -> Image | None:
    """Return the mask of a word in another script, height CAP_PX, or None where no font is installed."""
    path = next((installed()[file] for file in FAMILIES[family_name] if file in installed()), None)
    if path is None or not text.strip():
        return None
    picture = _trimmed(_pillow_text(_font(path, CAP_PX), text, 4 * CAP_PX))
    return _resized(picture, CAP_PX)


@lru_cache(maxsize=256)
def _glyphs(path: Path) -> Glyphs:
    font = _font(path, _size_of_capital(path))
    top = font.getbbox("H")[1]
    masks = {char: _upright(_pillow_text(font, char, PAD_PX - top)) for char in ALPHABET}
    return Glyphs(path.name, masks | _marks())


@lru_cache(maxsize=1)
def _drawn_glyphs() -> Glyphs:
    canvases = {char: _drawn(char) for char in ALPHABET}
    rows = np.flatnonzero(canvases["H"].max(axis=1) > 128)
    pad = round(len(rows) * PAD_PX / CAP_PX)
    cut = slice(rows[0] - pad, rows[-1] + 1 + pad)
    masks = {char: _upright(_resized(canvas[cut], CAP_PX + 2 * PAD_PX)) for char, canvas in canvases.items()}
    return Glyphs("drawn", masks | _marks())


def _drawn(character: str) -> Image:
    canvas = np.zeros((260, 260), np.uint8)
    cv2.putText(canvas, character, (60, 180), cv2.FONT_HERSHEY_SIMPLEX, 4.0, 255, 13, cv2.LINE_AA)
    return canvas


def _font(path: Path, size_px: int) -> Any:
    from PIL import ImageFont

    return ImageFont.truetype(str(path), size_px, layout_engine=ImageFont.Layout.BASIC)


def _size_of_capital(path: Path) -> int:
    box = _font(path, 200).getbbox("H")
    height_px: float = box[3] - box[1]
    return round(200 * CAP_PX / height_px)


def _pillow_text(font: Any, text: str, top_px: int) -> Image:
    from PIL import Image as Pillow
    from PIL import ImageDraw

    size = (int(font.getlength(text)) + 4 * CAP_PX, max(CAP_PX + 2 * PAD_PX, 2 * top_px))
    canvas = Pillow.new("L", size, 0)
    ImageDraw.Draw(canvas).text((CAP_PX, top_px), text, font=font, fill=255)
    return np.asarray(canvas)


def _upright(canvas: Image) -> Image:
    """Cut empty columns only, so that the capital stays in its rows."""
    columns = np.flatnonzero(canvas.max(axis=0) > 40)
    return np.ascontiguousarray(canvas[: CAP_PX + 2 * PAD_PX, columns[0] : columns[-1] + 1])


def _trimmed(canvas: Image) -> Image:
    rows = np.flatnonzero(canvas.max(axis=1) > 40)
    columns = np.flatnonzero(canvas.max(axis=0) > 40)
    return canvas[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _resized(mask: Image, height_px: int) -> Image:
    width_px = max(1, round(mask.shape[1] * height_px / mask.shape[0]))
    return np.asarray(cv2.resize(mask, (width_px, height_px), interpolation=cv2.INTER_AREA), np.uint8)


def _marks() -> dict[str, Image]:
    """Hyphen and dots, which fonts draw too differently for plates."""
    hyphen = np.zeros((CAP_PX + 2 * PAD_PX, 22), np.uint8)
    hyphen[PAD_PX + 28 : PAD_PX + 37] = 255
    low, middle = np.zeros((2, CAP_PX + 2 * PAD_PX, 12), np.uint8)
    cv2.circle(low, (6, PAD_PX + CAP_PX - 6), 6, 255, -1)
    cv2.circle(middle, (6, PAD_PX + CAP_PX // 2), 6, 255, -1)
    return {"-": hyphen, ".": low, "·": middle}
