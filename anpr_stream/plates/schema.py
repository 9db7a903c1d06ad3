"""What a country's format file holds."""

from __future__ import annotations

from pydantic import Field

from anpr_stream.config.section import Section
from anpr_stream.plates.patterns import LETTERS


class Appearance(Section):
    """How a plate looks; used to render plates only."""

    sizes_mm: dict[int, tuple[int, int]] = Field(default={1: (520, 110), 2: (280, 200)})
    """Width and height in millimetres by number of lines."""
    colours: tuple[tuple[str, str], ...] = (("#f4f4f0", "#101010"),)
    """Background and text colour pairs, the commonest first (drawn more often)."""
    fonts: tuple[str, ...] = ("fe", "din")
    """Font families of `anpr_stream.synth.fonts`, the likeliest first."""
    text_height: float = Field(default=0.68, gt=0.2, lt=1.0)
    """Height of the characters as a part of the plate's height (one line) or of half of it."""
    text_centre: float = Field(default=0.5, gt=0.2, lt=0.8)
    """Middle of the characters as a part of the plate's height, from the top."""
    letter_scale: float = Field(default=1.0, gt=0.4, le=1.0)
    """Height of letters as a part of that of digits (Russia: 58 to 76 mm)."""
    strip: str = ""
    """Text of the band at the left edge (`D` in a blue EU band); empty for none."""
    strip_colour: str = "#1038a0"
    """Colour of the band."""
    strip_share: float = Field(default=0.9, ge=0.0, le=1.0)
    """Part of the plates that carry the bands."""
    strip_right: str = ""
    """Text of a second band at the right edge; a space draws it empty."""
    region: str = ""
    """Letters that stand with a flag under what follows a `|`; empty for none."""
    header: str = ""
    """Colour of a bar along the upper edge, in which the small print stands (Mercosur); empty for none."""
    rim: str = ""
    """Colour of a broad rim around the sheet; empty for none."""
    foreign: tuple[str, ...] = ()
    """Words in another script, of which one is printed for each `~` of a pattern."""
    foreign_font: str = "arabic"
    """Font family of `foreign`."""
    border: bool = True
    """A frame line in the text's colour."""
    small: tuple[str, ...] = ()
    """Small print at the edge that is not part of the text (state names, month and year)."""


class FormatEntry(Section):
    """One series of plates of a country."""

    name: str = Field(pattern=r"^[a-z0-9_]+$")
    """Unique in its file, e.g. `private_2014`."""
    patterns: tuple[str, ...] = Field(min_length=1)
    """Ways to write it, see `anpr_stream.plates.patterns`; `/` parts two lines."""
    letters: str | None = None
    """What `A` stands for here; the file's `letters` if left out."""
    weight: float = Field(default=1.0, gt=0.0, le=1.0)
    """How common the series is on the roads of its country, the commonest 1."""
    max_length: int = 10
    """Longer combinations of the pattern are not issued."""
    examples: tuple[str, ...] = Field(min_length=3)
    """Real or plausible texts, with separators or without; each must match."""
    plate: Appearance | None = None
    """What differs from the file's `plate`."""


class CountryFile(Section):
    """One country's formats, `configs/formats/<country>.yaml`."""

    country: str = Field(pattern=r"^[a-z]{2}$")
    """ISO 3166-1 alpha-2 in lower case."""
    name: str
    """The country's name."""
    letters: str = Field(default=LETTERS, pattern=r"^[A-Z]+$")
    """What `A` stands for in its patterns."""
    sets: dict[str, str] = Field(default={})
    """Named sets for `<name>`: characters (`ABC`), or words with spaces between (`B HH M 01..81`)."""
    formats: tuple[FormatEntry, ...] = Field(min_length=1)
    """The series, the commonest first."""
    plate: Appearance = Appearance()
    """How its plates look."""
