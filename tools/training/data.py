"""The reader's samples: plates of a pack kept decoded in memory, drawn with weights, augmented in workers."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from tools.training.augment import GENTLE, INPUT_SIZE, UNIT, Augmenter, Plate, Strength, plain_crop
from tools.training.packs import MAX_LENGTH, Pack, PackError, Picture, Record

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
CODES = {character: index + 1 for index, character in enumerate(ALPHABET)}
STORED_SIZE = (192, 96)
"""(width, height) in pixels at which plates lie in memory."""

UNKNOWN_SPLIT = -1
GENTLE_SHARE = 0.4

VIETNAM_LONG = re.compile(r"\d\d[A-Z][A-Z0-9]\d{5}")
VIETNAM_SHORT = re.compile(r"\d\d[A-Z][A-Z0-9]\d{4}")


def first_line_length(record: Record) -> int:
    """Characters on the first line of a plate, `UNKNOWN_SPLIT` where its text does not tell."""
    text = str(record["text"])
    if "first_line" in record:
        return int(record["first_line"])
    if record["lines"] == 1:
        return len(text)
    if record["country"] == "vn":
        if VIETNAM_LONG.fullmatch(text):
            return 4
        if VIETNAM_SHORT.fullmatch(text) and (text[3].isalpha() or record.get("vehicle") == "motorcycle"):
            return 4
    return UNKNOWN_SPLIT


@dataclass(frozen=True)
class Plates:
    """Readable plates, decoded; all arrays have one row a plate."""

    records: list[Record]
    pictures: npt.NDArray[np.uint8]
    """(n, 96, 192, 3) BGR."""
    boxes: npt.NDArray[np.float32]
    """(n, 4, 2) corners of the upright box in pixels of the stored picture."""
    quads: npt.NDArray[np.float32]
    """(n, 4, 2) corners of the plate, NaN where unknown."""

    def __len__(self) -> int:
        return len(self.records)

    def plate(self, index: int, rectified: bool = False) -> Plate:
        """Plate `index`, by its quad if `rectified` and the quad is known."""
        known = rectified and not np.isnan(self.quads[index, 0, 0])
        corners = self.quads[index] if known else self.boxes[index]
        record = self.records[index]
        return Plate(self.pictures[index], corners, float(record["aspect"]), float(record["height_px"]))


def unreadable(record: Record) -> str:
    """Why the reader cannot spell the text; empty if it can."""
    text = record["text"]
    if not text or not set(text) <= set(ALPHABET):
        return "have other characters than 0-9 and A-Z"
    return "" if len(text) <= MAX_LENGTH else f"are longer than {MAX_LENGTH} characters"


def left_out(pack: Pack) -> str:
    """How many plates `load_plates` leaves out of all splits, and why; empty if none."""
    reasons = Counter(filter(None, map(unreadable, pack.records)))
    told = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
    return f"left out {reasons.total()} plates whose texts the reader cannot spell: {told}" if told else ""


def load_plates(pack: Pack, splits: Sequence[str], some: int | None = None) -> Plates:
    """Decode the readable plates of `splits`: all, or `some` of them drawn at random, always the same.

    Raises:
        PackError: there is none.
    """
    chosen = [i for i, r in enumerate(pack.records) if r["split"] in splits and not unreadable(r)]
    if not chosen:
        raise PackError(f"the pack holds no readable plate of the {' or '.join(splits)} split")
    if some is not None:
        chosen = [chosen[i] for i in np.random.default_rng(0).permutation(len(chosen))[:some]]
    width, height = STORED_SIZE
    pictures = np.empty((len(chosen), height, width, 3), np.uint8)
    boxes = np.empty((len(chosen), 4, 2), np.float32)
    quads = np.full((len(chosen), 4, 2), np.nan, np.float32)
    for row, index in enumerate(chosen):
        record, picture = pack.records[index], pack.picture(index)
        scale = np.array(STORED_SIZE) / picture.shape[1::-1]
        pictures[row] = cv2.resize(picture, STORED_SIZE)
        start, stop = np.array(record["box"]).reshape(2, 2)
        boxes[row] = (start + UNIT * (stop - start)) * scale
        if record["quad"] is not None:
            quads[row] = np.array(record["quad"]) * scale
    return Plates([pack.records[i] for i in chosen], pictures, boxes, quads)


def sampling_weights(records: Sequence[Record], temperature: float) -> npt.NDArray[np.float64]:
    """Probability of each plate: groups of country and lines drawn by count ** temperature.

    1: as often as they come; 0: every group alike. Within a group, plates sharing a text share a place.
    """
    groups = [(record["country"], record["lines"]) for record in records]
    texts = Counter(record["text"] for record in records)
    within = np.array([1 / texts[record["text"]] for record in records])
    total: Counter[tuple[str, int]] = Counter()
    for group, weight in zip(groups, within, strict=True):
        total[group] += weight
    weights = np.array([w * total[g] ** (temperature - 1) for g, w in zip(groups, within, strict=True)])
    return np.asarray(weights / weights.sum(), np.float64)


@dataclass(frozen=True)
class Batch:
    """A training batch of the reader."""

    pictures: torch.Tensor
    """(n, 64, 128, 3) uint8 BGR."""
    targets: torch.Tensor
    """(n, MAX_LENGTH) int64 codes, 0 after the end."""
    lengths: torch.Tensor
    """(n,) int64 characters of each text."""
    splits: torch.Tensor
    """(n,) int64 characters on the first line, `UNKNOWN_SPLIT` where unknown."""

    def __len__(self) -> int:
        return len(self.pictures)

    def pin_memory(self) -> Batch:
        """The batch in page-locked memory, for the copy to a GPU."""
        return Batch(*(getattr(self, name).pin_memory() for name in self.__dataclass_fields__))

    def to(self, device: torch.device) -> Batch:
        """The batch on `device`."""
        fields = (getattr(self, name) for name in self.__dataclass_fields__)
        return Batch(*(tensor.to(device, non_blocking=True) for tensor in fields))


def encode_texts(records: Sequence[Record]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """`targets`, `lengths` and `splits` of a `Batch` for `records`."""
    targets = torch.zeros(len(records), MAX_LENGTH, dtype=torch.int64)
    for row, record in enumerate(records):
        targets[row, : len(record["text"])] = torch.tensor([CODES[c] for c in record["text"]])
    lengths = torch.tensor([len(record["text"]) for record in records])
    return targets, lengths, torch.tensor([first_line_length(record) for record in records])


@dataclass(frozen=True)
class Source:
    """Plates with the probability of each, and their share of a batch."""

    plates: Plates
    weights: npt.NDArray[np.float64]
    share: float


class ReaderStream(IterableDataset[Batch]):
    """Endless random batches; every worker draws its own.

    The share of gently augmented samples falls from 1 to `GENTLE_SHARE` over `gentle_samples`. With `views`
    above 1 a batch holds that many pictures of each plate, cut alike: the first ones of all its plates, then
    the second ones in the same order.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        backgrounds: npt.NDArray[np.uint8],
        batch: int,
        seed: int,
        gentle_samples: int,
        views: int = 1,
    ) -> None:
        self._sources = sources
        self._backgrounds = backgrounds
        self._batch = batch
        self._seed = seed
        self._gentle_samples = gentle_samples
        self._views = views

    def __iter__(self) -> Iterator[Batch]:
        worker = get_worker_info()
        rng = np.random.default_rng([self._seed, 0 if worker is None else worker.id])
        augment = Augmenter(rng, self._backgrounds)
        shares = np.array([source.share for source in self._sources])
        limits = [np.cumsum(source.weights) for source in self._sources]
        for number in itertools.count():
            made = number * self._batch * (1 if worker is None else worker.num_workers)
            gentle = max(GENTLE_SHARE, 1 - made / max(1, self._gentle_samples))
            counts = rng.multinomial(self._batch // self._views, shares / shares.sum())
            taken: list[list[Picture]] = []
            records: list[Record] = []
            for source, limit, count in zip(self._sources, limits, counts, strict=True):
                for index in np.searchsorted(limit, rng.random(count) * limit[-1]):
                    plate = source.plates.plate(int(index), rectified=bool(rng.random() < 0.5))
                    strengths = [GENTLE if rng.random() < gentle else Strength() for _ in range(self._views)]
                    taken.append(augment(plate, *strengths))
                    records.append(source.plates.records[index])
            pictures = np.stack([picture for view in zip(*taken, strict=True) for picture in view])
            yield Batch(torch.from_numpy(pictures), *encode_texts(records * self._views))


def stream_batches(stream: ReaderStream, workers: int, pin: bool) -> Iterator[Batch]:
    """Batches of `stream`, made ahead by `workers` processes."""
    ahead = 4 if workers else None
    return iter(DataLoader(stream, None, num_workers=workers, prefetch_factor=ahead, pin_memory=pin))


def plain_batch(plates: Plates, indices: Sequence[int], margin: float, rectified: bool = False) -> Batch:
    """Plates as the runtime cuts them, for validation."""
    pictures = np.stack([plain_crop(plates.plate(index, rectified), margin) for index in indices])
    return Batch(torch.from_numpy(pictures), *encode_texts([plates.records[index] for index in indices]))


def background_bank(plates: Plates, seed: int, count: int = 512) -> npt.NDArray[np.uint8]:
    """(count, 64, 128, 3) uint8 flat colours and enlarged patches, for what lies beyond a picture."""
    rng = np.random.default_rng(seed)
    bank = np.empty((count, INPUT_SIZE[1], INPUT_SIZE[0], 3), np.uint8)
    bank[:] = rng.integers(0, 256, (count, 1, 1, 3), np.uint8)
    for row in range(count // 3, count):
        picture = plates.pictures[rng.integers(len(plates))]
        side = int(rng.integers(6, 36))
        x, y = rng.integers(0, STORED_SIZE[0] - side), rng.integers(0, STORED_SIZE[1] - side)
        bank[row] = cv2.resize(picture[y : y + side, x : x + side], INPUT_SIZE)
    return bank
