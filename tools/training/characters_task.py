"""The character classifier's training: where its samples come from, its loss, its figures on `val`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from anpr_stream.types import ALPHABET
from tools.evaluation.characters import Indices, report
from tools.training.characters import CharactersNet
from tools.training.characters_data import Glyphs, augment, plain
from tools.training.loop import SCORE, Metrics

SMOOTHING = 0.05
"""Look-alikes cannot be told apart: certainty beyond this teaches nothing."""


@dataclass(frozen=True)
class GlyphBatch:
    """`pictures`: (n, 80, 80) uint8; `labels`: (n,) int64."""

    pictures: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Source:
    """Glyphs and their share of each batch."""

    glyphs: Glyphs
    share: float


class GlyphStream(IterableDataset[GlyphBatch]):
    """Augmented batches without end, every character equally often."""

    def __init__(self, sources: Sequence[Source], batch: int, seed: int) -> None:
        self._sources = sources
        self._batch = batch
        self._seed = seed

    def __iter__(self) -> Iterator[GlyphBatch]:
        worker = get_worker_info()
        random = np.random.default_rng(self._seed + (worker.id if worker else 0))
        shares = [source.share for source in self._sources]
        places = [
            [np.flatnonzero(source.glyphs.labels == label) for label in range(len(ALPHABET))]
            for source in self._sources
        ]
        while True:
            pictures, labels = [], []
            for choice in random.choice(len(shares), self._batch, p=shares):
                known = [index for index, found in enumerate(places[choice]) if len(found)]
                label = known[random.integers(len(known))]
                place = random.choice(places[choice][label])
                pictures.append(augment(self._sources[choice].glyphs.pictures[place], random))
                labels.append(label)
            yield GlyphBatch(torch.from_numpy(np.stack(pictures)), torch.tensor(labels))


def stream_batches(stream: GlyphStream, workers: int) -> Iterator[GlyphBatch]:
    """Batches of `stream`, made ahead by `workers` processes."""
    return iter(
        DataLoader(stream, batch_size=None, num_workers=workers, prefetch_factor=4 if workers else None)
    )


class CharactersTask:
    """A `Task` of the loop."""

    def __init__(
        self, model: CharactersNet, stream: Iterator[GlyphBatch], val: Glyphs, device: torch.device
    ) -> None:
        self._model = model
        self._stream = stream
        self._val = val
        self._device = device

    @property
    def model(self) -> CharactersNet:
        """The network in training."""
        return self._model

    def describe(self) -> dict[str, Any]:
        """Kind, name, network and the names of the classes."""
        network = self._model.config.as_dict()
        return {"kind": "characters", "name": "characters", "network": network, "classes": ALPHABET}

    def batches(self) -> Iterator[GlyphBatch]:
        """Augmented characters."""
        return self._stream

    def loss(self, batch: GlyphBatch, samples: int) -> tuple[Tensor, dict[str, Tensor]]:
        """Cross-entropy with smoothed labels; the same from the first sample to the last."""
        # A CPU filters single channels faster in float32 than in bfloat16 (551 to 388 pictures a second).
        with torch.autocast(self._device.type, enabled=self._device.type == "cuda"):
            logits = self._model(to_input(batch.pictures.to(self._device)))
        labels = batch.labels.to(self._device)
        return functional.cross_entropy(logits.float(), labels, label_smoothing=SMOOTHING), {}

    def validate(self, model: nn.Module) -> Metrics:
        """Minus the loss on `val` (the score, for early stopping); shares right, look-alikes equal or not."""
        logits = classify(model, self._val, self._device)
        labels = torch.from_numpy(self._val.labels)
        figures = report(self._val.labels, indices(logits), ALPHABET)
        return {
            SCORE: -float(functional.cross_entropy(logits, labels)),
            "right": figures.right,
            "right_equal": figures.right_look_alikes_equal,
        }


def to_input(pictures: Tensor) -> Tensor:
    """(n, 80, 80) uint8 to (n, 3, 80, 80) float32 of 0..1."""
    grey = pictures[:, None].float() / 255
    return grey.expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)


@torch.inference_mode()
def classify(model: nn.Module, glyphs: Glyphs, device: torch.device, batch: int = 256) -> Tensor:
    """(n, 36) float32 logits of all `glyphs`."""
    model.eval()
    parts = []
    for start in range(0, len(glyphs), batch):
        stacked = np.stack([plain(glyph) for glyph in glyphs.pictures[start : start + batch]])
        parts.append(model(to_input(torch.from_numpy(stacked).to(device))).float().cpu())
    return torch.cat(parts)


def indices(logits: Tensor) -> Indices:
    """(n,) int64 best classes."""
    return np.asarray(logits.argmax(1).numpy(), np.int64)
