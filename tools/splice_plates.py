"""New training plates out of parts of real ones: `python -m tools.splice_plates reader.pack ... --out FILE`.

Real plates of a country are few, and a reader learns their texts by heart instead of their characters. Two
plates of one country, with as many characters on as many lines, are cut between the same two characters
and joined: a text that no car carries, in the light, dirt and font of real ones. Where the characters stand
is told by a reader that reads both plates right: by the steps at which it spells them (CTC). The light of
the second plate is matched to the first one's. The same seed gives the same plates.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch

from anpr_stream.types import FloatArray
from anpr_stream.vision.ctc import greedy_runs
from tools.options import ToolParser, whole
from tools.refusal import ToolError, exit_code
from tools.training.augment import UNIT, plain_crop
from tools.training.data import ALPHABET, STORED_SIZE, Plates, load_plates
from tools.training.packs import Record, encode_jpeg, read_pack, write_pack
from tools.training.reader_task import MARGIN, open_reader, plate_logits

LEAST_HEIGHT_PX = 14.0
"""A plate lower than this in its photo has no edges left to cut along."""

KEPT_MARGIN = 0.15
"""Fraction of the plate around it in the pictures made."""

SEAM_PX = 3.0
"""Width over which two parts fade into each other."""

QUALITY = 92
"""Of the JPEG pictures."""

COUNT_POWER = 0.5
"""Kinds of plates are drawn by their number to this power, so that rare countries come more often."""


@dataclass(frozen=True)
class Character:
    """A character of a plate and its centre, 0 at the plate's left edge .. 1 at its right one."""

    text: str
    centre: float


Line = tuple[Character, ...]


@dataclass(frozen=True)
class Legible:
    """A plate that the reader read right: its place among all plates, its lines."""

    index: int
    lines: tuple[Line, ...]


def spelled_lines(logits: FloatArray) -> tuple[Line, ...]:
    """Return the lines that a reader spells, those without a character left out.

    Args:
        logits: (steps, classes), those of the first line and then those of the second.
    """
    return tuple(line for line in map(_spelled, np.split(logits, 2)) if line)


def _spelled(logits: FloatArray) -> Line:
    centres = [(code, (start + end) / 2 / len(logits)) for code, start, end in greedy_runs(logits)]
    return tuple(
        Character(ALPHABET[code - 1], centre * (1 + 2 * MARGIN) - MARGIN) for code, centre in centres
    )


def kinds(plates: Plates, logits: Iterable[FloatArray]) -> list[list[Legible]]:
    """Sort the plates that are read right by country and characters a line, two at least of a kind."""
    found: dict[tuple[str, ...], list[Legible]] = defaultdict(list)
    for index, (record, spelled) in enumerate(zip(plates.records, logits, strict=True)):
        lines = spelled_lines(spelled)
        text = "".join(character.text for line in lines for character in line)
        if (
            text == record["text"]
            and len(lines) == record["lines"]
            and record["height_px"] >= LEAST_HEIGHT_PX
        ):
            kind = (str(record["country"]), *(str(len(line)) for line in lines))
            found[kind].append(Legible(index, lines))
    return [some for _, some in sorted(found.items()) if len(some) > 1]


class Splicer:
    """Makes one plate of two."""

    def __init__(self, plates: Plates, rng: np.random.Generator) -> None:
        """Take the plates that `Legible.index` counts."""
        self._plates = plates
        self._rng = rng

    def __call__(self, first: Legible, second: Legible) -> tuple[Record, npt.NDArray[np.uint8]]:
        """Return the record and the picture, of `STORED_SIZE`, of parts of both plates."""
        picture = self._upright(first)
        other = matched(self._upright(second), picture)
        parts, texts = [], []
        for line, other_line in zip(first.lines, second.lines, strict=True):
            # Of a plate of two lines one may come whole from either.
            least = 1 if len(first.lines) == 1 and len(line) > 1 else 0
            cut = int(self._rng.integers(least, len(line) + 1 - least))
            parts.append(_joined(picture, other, line, other_line, cut))
            texts.append("".join(character.text for character in line[:cut] + other_line[cut:]))
        spliced = parts[0] if len(parts) == 1 else faded(parts[0], parts[1], STORED_SIZE[1] / 2, axis=0)
        return self._record(first, second, texts), spliced.astype(np.uint8)

    def _upright(self, plate: Legible) -> FloatArray:
        """Return a plate with `KEPT_MARGIN` as float32 of `STORED_SIZE`."""
        crop = plain_crop(self._plates.plate(plate.index), KEPT_MARGIN, STORED_SIZE)
        return np.asarray(crop, np.float32)

    def _record(self, first: Legible, second: Legible, texts: Sequence[str]) -> Record:
        one, other = (self._plates.records[plate.index] for plate in (first, second))
        box = (UNIT[[0, 2]] + KEPT_MARGIN * np.array([[1], [1]])) / (1 + 2 * KEPT_MARGIN) * STORED_SIZE
        return {
            **one,
            "set": "spliced",
            "image": "",
            "text": "".join(texts),
            "first_line": len(texts[0]),
            "box": box.ravel().round(2).tolist(),
            "quad": None,
            "height_px": min(one["height_px"], other["height_px"]),
        }


def _joined(picture: FloatArray, other: FloatArray, line: Line, other_line: Line, cut: int) -> FloatArray:
    """Return the left part of `picture` up to character `cut` of its line, and the right part of `other`."""
    if cut in (0, len(line)):
        return picture if cut else other
    here, there = (_between(some, cut) for some in (line, other_line))
    return faded(picture, moved(other, there, here), here, axis=1)


def _between(line: Line, cut: int) -> float:
    """Return the column between two characters, in pixels."""
    middle = (line[cut - 1].centre + line[cut].centre) / 2
    return (middle + KEPT_MARGIN) / (1 + 2 * KEPT_MARGIN) * STORED_SIZE[0]


def faded(before: FloatArray, after: FloatArray, seam: float, axis: int) -> FloatArray:
    """Return `before` up to a row (axis 0) or column (axis 1), and `after` from there on."""
    places = np.arange(before.shape[axis], dtype=np.float32)
    share = np.clip((places - seam) / SEAM_PX + 0.5, 0, 1)
    share = share[:, None, None] if axis == 0 else share[None, :, None]
    return np.asarray(before * (1 - share) + after * share, np.float32)


def moved(picture: FloatArray, column: float, to: float) -> FloatArray:
    """Return a picture whose column lies at `to`; its ends stay, what is between is stretched."""
    height, width = picture.shape[:2]
    source = np.interp(np.arange(width), [0, to, width - 1], [0, column, width - 1]).astype(np.float32)
    rows = np.repeat(np.arange(height, dtype=np.float32)[:, None], width, axis=1)
    return np.asarray(cv2.remap(picture, np.tile(source, (height, 1)), rows, cv2.INTER_LINEAR), np.float32)


def matched(picture: FloatArray, model: FloatArray) -> FloatArray:
    """Return a picture in the light of another one: each channel with its mean and deviation."""
    own, wanted = (some.reshape(-1, 3) for some in (picture, model))
    gain = np.clip(wanted.std(axis=0) / np.maximum(own.std(axis=0), 1), 0.5, 2)
    return np.asarray(np.clip((picture - own.mean(axis=0)) * gain + wanted.mean(axis=0), 0, 255), np.float32)


def splice_all(
    plates: Plates, logits: Iterable[FloatArray], count: int, seed: int
) -> Iterator[tuple[Record, bytes]]:
    """Make `count` plates.

    Raises:
        ToolError: no two plates go together.
    """
    groups = kinds(plates, logits)
    if not groups:
        raise ToolError("no two plates of one country, read right and of equal length: give more plates")
    rng = np.random.default_rng(seed)
    weights = np.array([len(group) ** COUNT_POWER for group in groups])
    splicer = Splicer(plates, rng)
    for kind in rng.choice(len(groups), count, p=weights / weights.sum()):
        first, second = rng.choice(len(groups[kind]), 2, replace=False)
        record, picture = splicer(groups[kind][first], groups[kind][second])
        yield record, encode_jpeg(picture, QUALITY)


def run(options: argparse.Namespace) -> None:
    """Make and write what `options` ask for."""
    torch.set_num_threads(options.threads)
    plates = load_plates(read_pack(options.data, "reader"), ["train"])
    reader, _ = open_reader(options.pretrained)
    logits = plate_logits(reader, plates, torch.device("cpu")).numpy()
    made = splice_all(plates, logits, options.count, options.seed)
    pack = write_pack(options.out, "reader", made)
    print(f"{options.out}: {len(pack)} plates, {options.out.stat().st_size / 1e6:.0f} MB")


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and splice; 0, or 2 after one line on what is wrong."""
    parser = ToolParser("tools.splice_plates", __doc__)
    parser.add_argument("data", type=Path, help="a reader pack (tools.pack_data)")
    parser.add_argument(
        "--pretrained", type=Path, required=True, help="checkpoint of a reader that reads them"
    )
    parser.add_argument("--count", type=whole(1), required=True, help="number of plates")
    parser.add_argument("--seed", type=whole(), required=True)
    parser.add_argument("--out", type=Path, required=True, help="the pack to write")
    parser.add_argument("--threads", type=whole(1), default=1)
    options = parser.parse_args(arguments)
    return exit_code("splice_plates", lambda: run(options))


if __name__ == "__main__":
    sys.exit(main())
