"""The reader's training: where its samples come from, its loss, its figures on `val`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tools.training.data import ALPHABET, Batch, Plates, plain_batch
from tools.training.loop import SCORE, Metrics, TrainingError, load_checkpoint, load_weights
from tools.training.losses import reader_loss, view_loss
from tools.training.packs import Record
from tools.training.reader import Reader, build_reader, describe

MARGIN = 0.05
"""Fraction of the plate's box on each side of the crops to read: what the exported contract says."""

ALIGNED_SAMPLES = 60_000
"""Samples until the alignment loss has faded out; by then CTC has begun to spell."""


@dataclass(frozen=True)
class ReaderTask:
    """A `Task` of the loop."""

    model: Reader
    stream: Iterator[Batch]
    val: Plates
    device: torch.device
    name: str
    aligned_samples: int = ALIGNED_SAMPLES
    agreement: float = 0.0
    """Weight of `view_loss`; above 0 the stream gives two views of each plate."""

    def describe(self) -> dict[str, Any]:
        """Kind, name, network and margin."""
        return {
            "kind": "reader",
            "name": self.name,
            "network": describe(self.model.size),
            "margin": MARGIN,
            "aligned_samples": self.aligned_samples,
        }

    def batches(self) -> Iterator[Batch]:
        """Augmented plates."""
        return self.stream

    def loss(self, batch: Batch, samples: int) -> tuple[Tensor, dict[str, Tensor]]:
        """CTC, at first with the even alignment beside it."""
        moved = batch.to(self.device)
        logits = self.model(to_input(moved.pictures))
        weight = max(0.0, 1 - samples / self.aligned_samples) if self.aligned_samples else 0.0
        with torch.autocast(self.device.type, enabled=False):
            loss, parts = reader_loss(logits.float(), moved.targets, moved.lengths, moved.splits, weight)
            if self.agreement:
                apart = view_loss(logits, moved.lengths)
                loss, parts = loss + self.agreement * apart, {**parts, "apart": apart.detach()}
            return loss, parts

    def validate(self, model: nn.Module) -> Metrics:
        """Exact reads: all (the score), by lines, by country."""
        texts = read_plates(model, self.val, self.device)
        right = [text == record["text"] for text, record in zip(texts, self.val.records, strict=True)]
        return exact_by_group(right, self.val.records)


def open_reader(path: Path) -> tuple[Reader, dict[str, Any]]:
    """Return the network of a reader's checkpoint, with its averaged weights, and all that the file holds.

    Raises:
        TrainingError: it is no checkpoint of a reader.
    """
    state = load_checkpoint(path)
    kind = state.get("description", {}).get("kind")
    if kind != "reader":
        raise TrainingError(f"{path}: no checkpoint of a reader, but of kind {kind!r}")
    reader = build_reader(state["description"]["network"])
    load_weights(reader, state.get("ema", state["weights"]), path)
    return reader, state


def to_input(pictures: Tensor) -> Tensor:
    """(n, h, w, 3) uint8 to (n, 3, h, w) float32 0..1 in channels-last memory."""
    return pictures.permute(0, 3, 1, 2).float() / 255


def exact_by_group(right: Sequence[bool], records: Sequence[Record], least: int = 10) -> Metrics:
    """Share of right reads: `SCORE` over all, one and two lines, countries with `least` plates."""
    groups: dict[str, list[bool]] = defaultdict(list)
    for hit, record in zip(right, records, strict=True):
        groups[SCORE].append(hit)
        groups[f"lines{record['lines']}"].append(hit)
        groups[str(record["country"])].append(hit)
    kept = {name: hits for name, hits in sorted(groups.items()) if len(hits) >= least or name == SCORE}
    return {name: round(float(np.mean(hits)), 4) for name, hits in kept.items()}


@torch.inference_mode()
def plate_logits(model: nn.Module, plates: Plates, device: torch.device, size: int = 64) -> Tensor:
    """(n, 64, 37) float32 logits of all `plates` at the contract's margin."""
    model.eval()
    parts = []
    for start in range(0, len(plates), size):
        batch = plain_batch(plates, range(start, min(start + size, len(plates))), MARGIN)
        parts.append(model(to_input(batch.pictures.to(device))).float().cpu())
    return torch.cat(parts)


def spell_all(logits: Tensor) -> list[str]:
    """The text of each row of `logits`, decoded greedily."""
    return [spell(codes) for codes in logits.argmax(2).tolist()]


def read_plates(model: nn.Module, plates: Plates, device: torch.device) -> list[str]:
    """The text of each plate, decoded greedily."""
    return spell_all(plate_logits(model, plates, device))


def spell(codes: Sequence[int]) -> str:
    """CTC's best path: repeats merged, blanks dropped."""
    merged = [code for code, before in zip(codes, [0, *codes[:-1]], strict=True) if code != before]
    return "".join(ALPHABET[code - 1] for code in merged if code)
