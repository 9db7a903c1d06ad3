"""One spelling for plate texts, wherever they come from: reads, lists, labels."""

from __future__ import annotations

import unicodedata

from anpr_stream.types import ALPHABET

_TWINS = str.maketrans(
    {
        **dict(zip("АВЕКМНОРСТУХІЈЅ", "ABEKMHOPCTYXIJS", strict=True)),
        **dict(zip("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ABEZHIKMNOPTYX", strict=True)),
        **dict(zip("ØĐŁŒÆẞ", ("O", "D", "L", "OE", "AE", "SS"), strict=True)),
    }
)
"""Capitals that no Unicode decomposition leads to the Latin letter which a register holds."""

_ALIKE = str.maketrans("OI", "01")
"""Letters that many countries print like digits; many comparisons of plate readers count them as equal."""


def normalise(text: str, keep: str = "") -> str:
    """Return a text as plates are compared: A-Z and 0-9 only.

    Full-width forms, accents, Arabic-Indic and other decimal digits, and the Cyrillic and Greek twins
    of Latin capitals are turned into plain ones; separators and everything else are left out.

    Args:
        text: what a person typed or a label holds, in any case.
        keep: further characters that stay, e.g. wildcards of a list entry.
    """
    capitals = unicodedata.normalize("NFKC", text).upper()
    plain = unicodedata.normalize("NFKD", capitals.translate(_TWINS))
    return "".join(kept for kept in map(_digit, plain) if kept in ALPHABET or kept in keep)


def alike(text: str) -> str:
    """Return a text with O as 0 and I as 1: equal for two texts that many countries print alike."""
    return text.translate(_ALIKE)


def _digit(character: str) -> str:
    return str(unicodedata.decimal(character, character))
