"""The small language of plate patterns, e.g. `A{1,3}-A{1,2} 19{0,3}`.

| token | meaning |
|---|---|
| `A` `9` `1` `*` | a letter of the format, any digit, a digit but 0, a letter or a digit |
| `[KLM]` | one of these characters |
| `<name>` | a set of the file: one of its characters or words |
| `{2}` `{1,3}` `?` | so many of the token before |
| ` ` `-` `.` `·` | printed gap, hyphen, dot, raised dot; not part of the text |
| `@` | an emblem or seal, printed only |
| `~` | a word or character of another script, printed only |
| `|` | what follows stands in a box of its own, smaller (region of Russian plates) |
| `/` | the second line begins |

A pattern expands into shapes, each of one length and one word length per segment, so that matching,
scoring and repair can work by position.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from anpr_stream.types import ALPHABET

DIGITS = ALPHABET[:10]
LETTERS = ALPHABET[10:]
Words: TypeAlias = tuple[str, ...]
"""Texts of equal length, one of which fills a segment."""

_TOKEN = re.compile(
    r"(?:(?P<plain>[A91*])|\[(?P<inline>[A-Z0-9]+)\]|<(?P<name>\w+)>)"
    r"(?:\{(?P<low>\d)(?:,(?P<high>\d))?\}|(?P<maybe>\?))?"
    r"|(?P<separator>[-. ·@~|/])"
)


@dataclass(frozen=True, slots=True)
class Shape:
    """One way to fill a plate: segments of fixed length and what is printed between them.

    Attributes:
        segments: per segment the words that may stand there.
        separators: printed before each segment and after the last, so one more than segments.
    """

    segments: tuple[Words, ...]
    separators: tuple[str, ...]

    @property
    def length(self) -> int:
        """Number of characters of the text."""
        return sum(len(words[0]) for words in self.segments)

    @property
    def lines(self) -> int:
        """Number of printed lines, 1 or 2."""
        return 1 + any("/" in separator for separator in self.separators)

    def regex(self) -> str:
        """Return a regular expression for the text without separators."""
        return "".join(map(_segment_regex, self.segments))

    def printed(self, words: tuple[str, ...]) -> str:
        """Return the words, one per segment, with the separators between them."""
        pairs = zip(self.separators, words, strict=False)
        return "".join(separator + word for separator, word in pairs) + self.separators[-1]

    def split(self, text: str) -> tuple[str, ...]:
        """Cut a text of this shape's length into one word per segment."""
        widths = itertools.accumulate((len(words[0]) for words in self.segments), initial=0)
        return tuple(text[start:end] for start, end in itertools.pairwise(widths))


@dataclass(frozen=True, slots=True)
class _Element:
    words: Words
    low: int
    high: int


def compile_pattern(pattern: str, letters: str, sets: Mapping[str, str]) -> tuple[Shape, ...]:
    """Return all shapes of a pattern.

    Args:
        pattern: in the language of this module.
        letters: what `A` stands for.
        sets: by name: characters (`ABC`), or words with spaces between (`HH B M`, `01..81`).

    Raises:
        ValueError: a token is not understood or a set is not known.
    """
    parts = list(_parse(pattern, letters, sets))
    elements = [part for part in parts if isinstance(part, _Element)]
    counts = itertools.product(*(range(element.low, element.high + 1) for element in elements))
    return tuple(
        dict.fromkeys(shape for chosen in counts for shape in _shapes(parts, iter(chosen)) if shape.segments)
    )


def _parse(pattern: str, letters: str, sets: Mapping[str, str]) -> Iterator[_Element | str]:
    position = 0
    while position < len(pattern):
        token = _TOKEN.match(pattern, position)
        if token is None:
            raise ValueError(f"cannot read the pattern {pattern!r} from {pattern[position:]!r} on")
        position = token.end()
        yield token["separator"] or _element(token, letters, sets)


def _element(token: re.Match[str], letters: str, sets: Mapping[str, str]) -> _Element:
    plain = {"A": letters, "9": DIGITS, "1": DIGITS[1:], "*": DIGITS + letters}
    if token["name"] is not None and token["name"] not in sets:
        raise ValueError(f"unknown set <{token['name']}>; known are {', '.join(sets) or 'none'}")
    content = sets[token["name"]] if token["name"] else token["inline"] or plain[token["plain"]]
    low = 0 if token["maybe"] else int(token["low"] or 1)
    high = 1 if token["maybe"] else int(token["high"] or low)
    return _Element(tuple(_words(content)), low, high)


def _words(content: str) -> Iterator[str]:
    if " " not in content and ".." not in content:
        yield from content
    for word in content.split() if " " in content or ".." in content else ():
        first, _, last = word.partition("..")
        yield from (f"{n:0{len(first)}d}" for n in range(int(first), int(last) + 1)) if last else (first,)


def _shapes(parts: list[_Element | str], counts: Iterator[int]) -> Iterator[Shape]:
    segments: list[Words] = []
    separators = [""]
    for part in parts:
        if isinstance(part, str):
            separators[-1] = _joined(separators[-1], part)
            continue
        for _ in range(next(counts)):
            segments.append(part.words)
            separators.append("")
    for choice in itertools.product(*map(_by_length, segments)):
        yield Shape(tuple(choice), tuple(separators))


def _joined(before: str, separator: str) -> str:
    """Merge separators that meet where an optional token is absent; a line break swallows gaps."""
    if "/" in (before + separator):
        return (before + separator).replace(" ", "")
    return before if separator in before else before + separator


def _by_length(words: Words) -> list[Words]:
    ordered = sorted(words, key=len)
    return [tuple(group) for _, group in itertools.groupby(ordered, key=len)]


def _segment_regex(words: Words) -> str:
    if len(words[0]) == 1:
        return f"[{''.join(words)}]"
    return f"(?:{'|'.join(words)})"
