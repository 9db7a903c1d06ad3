"""Make a reader's confidence true: one temperature for all logits (Guo et al. 2017), fitted on `val`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from anpr_stream.types import Read
from anpr_stream.vision.ctc import decode, softmax
from tools.training.reader import LINES

TEMPERATURES = np.exp(np.linspace(np.log(0.5), np.log(4.0), 31))


def read_all(logits: Tensor, temperature: float) -> list[Read]:
    """The read of each picture's logits (n, T, 37), as the runtime decodes them."""
    probabilities = softmax(logits.numpy(), temperature)
    return [decode(steps, LINES) for steps in probabilities]


def text_loss(reads: Sequence[Read], records: Sequence[dict[str, Any]]) -> float:
    """Mean cross-entropy of "the text is right" against the reads' confidences."""
    right = np.array([read.text == record["text"] for read, record in zip(reads, records, strict=True)])
    stated = np.clip([read.confidence for read in reads], 1e-6, 1 - 1e-6)
    return float(-np.mean(np.where(right, np.log(stated), np.log1p(-stated))))


def fit_temperature(logits: Tensor, records: Sequence[dict[str, Any]]) -> float:
    """The temperature at which the confidences of whole texts are truest."""
    with torch.inference_mode():
        losses = [text_loss(read_all(logits, float(t)), records) for t in TEMPERATURES]
    return float(TEMPERATURES[int(np.argmin(losses))])
