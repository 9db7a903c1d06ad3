"""Plate formats of the countries: loading, matching, scoring and repair by position.

A format is a soft prior. A text that no format knows pays a fixed, modest penalty (`UNKNOWN`);
it is never impossible.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml
from pydantic import ValidationError

from anpr_stream.config.formats import format_files, format_names
from anpr_stream.config.packaged import packaged
from anpr_stream.errors import ConfigError
from anpr_stream.plates.patterns import Shape, compile_pattern
from anpr_stream.plates.schema import Appearance, CountryFile, FormatEntry
from anpr_stream.plates.text import normalise
from anpr_stream.types import ALPHABET, FloatArray

UNKNOWN = math.log(0.03)
"""Log prior of a text without a format; the commonest format of a country has 0."""
RARE = math.log(0.15)
_FLOOR = 1e-6
"""No character is impossible to a reader, so that a format may overrule it."""


@dataclass(frozen=True, slots=True)
class PlateFormat:
    """One series of one country.

    Attributes:
        name: e.g. `tw.private_2014`.
        country: ISO 3166-1 alpha-2 in lower case.
        shapes: all ways to fill and print it.
        log_weight: log of its weight among the formats of its country, `UNKNOWN` to 0.
        examples: normalised texts that match.
        appearance: how its plates look.
    """

    name: str
    country: str
    shapes: tuple[Shape, ...] = field(repr=False)
    log_weight: float
    examples: tuple[str, ...] = field(repr=False)
    appearance: Appearance = field(repr=False)


@dataclass(frozen=True, slots=True)
class Repair:
    """One possible text of a plate.

    Attributes:
        text: A-Z0-9.
        log_probability: of the characters plus the log prior of the format.
        format: None where the characters alone made the text.
    """

    text: str
    log_probability: float
    format: PlateFormat | None


@dataclass(frozen=True)
class FormatSet:
    """The formats that a camera expects. Pure; a call takes well under a millisecond."""

    formats: tuple[PlateFormat, ...]

    def match(self, text: str) -> tuple[PlateFormat, ...]:
        """Return all formats that a text of A-Z0-9 fits, the likeliest first."""
        known = self._patterns.get(len(text), ())
        return tuple(plate_format for plate_format, pattern in known if pattern.fullmatch(text))

    def best(self, text: str) -> PlateFormat | None:
        """Return the likeliest format that the text fits."""
        return next(iter(self.match(text)), None)

    def country(self, text: str) -> str | None:
        """Return the country that a text tells, None where formats of several countries fit alike.

        Formats much rarer at home (`RARE`) than the likeliest one that fits are not counted.
        """
        known = self.match(text)
        countries = {one.country for one in known if one.log_weight > known[0].log_weight + RARE}
        return countries.pop() if len(countries) == 1 else None

    def score(self, text: str) -> float:
        """Return the log prior of a text: 0 for the commonest formats, `UNKNOWN` at worst."""
        best = self.best(text)
        return best.log_weight if best else UNKNOWN

    def rerank(
        self, probabilities: FloatArray, alternatives: Sequence[FloatArray] = (), limit: int = 5
    ) -> list[Repair]:
        """Return the likeliest texts under characters and formats together, best first.

        Each format gives its exact best text: the maximum per position, over characters or, where
        a format lists area codes, over whole codes. The characters' own text always takes part, at
        the cost of `UNKNOWN`.

        Args:
            probabilities: (L, 36) distributions over `ALPHABET`, one per character.
            alternatives: further alignments of the same plate, e.g. one character shorter; only lengths
                offered here or by `probabilities` are tried.
            limit: most texts to return per alignment.
        """
        found: dict[str, Repair] = {}
        for matrix in (probabilities, *alternatives):
            for repair in self._repairs(np.log(np.maximum(matrix, _FLOOR)), limit):
                known = found.get(repair.text)
                if known is None or known.log_probability < repair.log_probability:
                    found[repair.text] = repair
        return sorted(found.values(), key=lambda repair: -repair.log_probability)

    def _repairs(self, logs: npt.NDArray[np.floating[Any]], limit: int) -> Iterator[Repair]:
        text = "".join(ALPHABET[best] for best in logs.argmax(axis=1))
        yield Repair(text, float(logs.max(axis=1).sum()) + UNKNOWN, None)
        table = self._tables.get(len(logs))
        if table is not None:
            yield from table.repairs(logs, limit)

    @cached_property
    def _patterns(self) -> dict[int, list[tuple[PlateFormat, re.Pattern[str]]]]:
        by_length: dict[int, list[tuple[PlateFormat, re.Pattern[str]]]] = {}
        for plate_format in sorted(self.formats, key=lambda known: -known.log_weight):
            for length in sorted({shape.length for shape in plate_format.shapes}):
                alternatives = {shape.regex() for shape in plate_format.shapes if shape.length == length}
                pattern = re.compile("|".join(sorted(alternatives)))
                by_length.setdefault(length, []).append((plate_format, pattern))
        return by_length

    @cached_property
    def _tables(self) -> dict[int, _Table]:
        by_length: dict[int, dict[tuple[tuple[str, ...], ...], PlateFormat]] = {}
        for plate_format in sorted(self.formats, key=lambda known: -known.log_weight):
            for shape in plate_format.shapes:
                by_length.setdefault(shape.length, {}).setdefault(shape.segments, plate_format)
        return {length: _Table.of(shapes) for length, shapes in by_length.items()}


@dataclass(frozen=True)
class _Table:
    """All shapes of one length, laid out for one vectorised pass.

    Attributes:
        words: (W, longest word) places in the flattened (L, 36) logs; a place past the end counts nothing.
        spellings: the W words.
        bounds: (S + 1,) where each slot's words begin, and the end; a slot is a segment at a position.
        shapes: (F, most segments) slots of each shape; slot S counts nothing.
        owners: the F formats.
        priors: (F,) their log weights.
    """

    words: npt.NDArray[np.intp]
    spellings: tuple[str, ...]
    bounds: list[int]
    shapes: npt.NDArray[np.intp]
    owners: tuple[PlateFormat, ...]
    priors: npt.NDArray[np.float64]

    @staticmethod
    def of(owners: dict[tuple[tuple[str, ...], ...], PlateFormat]) -> _Table:
        slots: dict[tuple[int, tuple[str, ...]], int] = {}
        rows = [[slots.setdefault(slot, len(slots)) for slot in _slots(segments)] for segments in owners]
        length = max(position + len(words[0]) for position, words in slots)
        words = [(position, word) for position, all_words in slots for word in all_words]
        sizes = [len(all_words) for _, all_words in slots]
        return _Table(
            words=_padded((_places(position, word) for position, word in words), length * len(ALPHABET)),
            spellings=tuple(word for _, word in words),
            bounds=[0, *itertools.accumulate(sizes)],
            shapes=_padded(rows, len(slots)),
            owners=tuple(owners.values()),
            priors=np.array([owner.log_weight for owner in owners.values()]),
        )

    def repairs(self, logs: npt.NDArray[np.floating[Any]], limit: int) -> Iterator[Repair]:
        """Yield the best text of the best `limit` shapes."""
        word_scores = np.append(logs, 0.0)[self.words].sum(axis=1)
        slot_scores = np.append(np.maximum.reduceat(word_scores, self.bounds[:-1]), 0.0)
        scores = slot_scores[self.shapes].sum(axis=1) + self.priors
        for row in np.argsort(-scores)[:limit]:
            slots = self.shapes[row]
            text = "".join(
                self._word(slot, word_scores) for slot in slots.tolist() if slot < len(self.bounds) - 1
            )
            yield Repair(text, float(scores[row]), self.owners[row])

    def _word(self, slot: int, word_scores: npt.NDArray[np.floating[Any]]) -> str:
        start, end = self.bounds[slot : slot + 2]
        return self.spellings[start + int(word_scores[start:end].argmax())]


def _slots(segments: tuple[tuple[str, ...], ...]) -> Iterator[tuple[int, tuple[str, ...]]]:
    position = 0
    for words in segments:
        yield position, words
        position += len(words[0])


def _places(position: int, word: str) -> list[int]:
    return [(position + offset) * len(ALPHABET) + ALPHABET.index(char) for offset, char in enumerate(word)]


def _padded(rows: Iterable[list[int]], filler: int) -> npt.NDArray[np.intp]:
    listed = list(rows)
    table = np.full((len(listed), max(map(len, listed))), filler, dtype=np.intp)
    for target, row in zip(table, listed, strict=True):
        target[: len(row)] = row
    return table


@lru_cache(maxsize=8)
def _load(names: tuple[str, ...] | None, folder: Path) -> FormatSet:
    files = format_files(folder)
    wanted = list(files) if names is None else list(_countries(names, folder))
    return FormatSet(tuple(known for country in wanted for known in _read(files[country])))


def load_formats(names: Sequence[str] | None = None, folder: Path | None = None) -> FormatSet:
    """Load formats by country (`tw`) or group (`eu`, `asia`, see `groups.yaml`); all of them for None.

    Args:
        names: countries and groups, in any order.
        folder: where the YAML files are; those that come with the package for None.

    Raises:
        ConfigError: an unknown name, or a file that cannot be used (the message has file, line and key).
    """
    return _load(None if names is None else tuple(names), folder or packaged("configs") / "formats")


def _countries(names: Sequence[str], folder: Path) -> dict[str, None]:
    known = format_names(folder)
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ConfigError(
            f"no plate format called {', '.join(unknown)}; known are {', '.join(sorted(known))}"
        )
    return dict.fromkeys(country for name in names for country in known[name])


def _read(path: Path) -> Iterator[PlateFormat]:
    text = path.read_text("utf-8")
    try:
        country = CountryFile.model_validate(yaml.load(text, Loader=_LOADER))
    except yaml.YAMLError as error:
        raise ConfigError(f"{path.name}: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        raise ConfigError("\n".join(_faults(path.name, text, error))) from error
    for number, entry in enumerate(country.formats):
        try:
            yield _compiled(country, entry)
        except ValueError as error:
            line = _line(text, ("formats", number, "patterns"))
            raise ConfigError(f"{path.name}:{line}: formats.{entry.name}: {error}") from error


_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _compiled(country: CountryFile, entry: FormatEntry) -> PlateFormat:
    letters = entry.letters or country.letters
    shapes = [
        shape for pattern in entry.patterns for shape in compile_pattern(pattern, letters, country.sets)
    ]
    own = entry.plate.model_dump(exclude_unset=True) if entry.plate else {}
    return PlateFormat(
        name=f"{country.country}.{entry.name}",
        country=country.country,
        shapes=tuple(shape for shape in shapes if shape.length <= entry.max_length),
        log_weight=max(math.log(entry.weight), UNKNOWN),
        examples=tuple(map(normalise, entry.examples)),
        appearance=country.plate.model_copy(update=own),
    )


def _faults(name: str, text: str, error: ValidationError) -> Iterator[str]:
    for fault in error.errors():
        key = ".".join(map(str, fault["loc"]))
        yield f"{name}:{_line(text, fault['loc'])}: {key}: {fault['msg']}"


def _line(text: str, location: tuple[int | str, ...]) -> int:
    """Return the line, from 1, of the deepest part of a location that the file holds."""
    nodes: list[yaml.Node | None] = [yaml.compose(text, Loader=_LOADER)]
    for key in location:
        nodes.append(_child(nodes[-1], key))
    return max((node.start_mark.line + 1 for node in nodes if node), default=1)


def _child(node: yaml.Node | None, key: int | str) -> yaml.Node | None:
    if isinstance(node, yaml.SequenceNode) and isinstance(key, int):
        return next(iter(node.value[key : key + 1]), None)
    if isinstance(node, yaml.MappingNode):
        return next((value for name, value in node.value if name.value == str(key)), None)
    return None
