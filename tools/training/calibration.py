"""Make a reader's confidence true: one temperature for all logits (Guo et al. 2017), fitted on `val`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from anpr_stream.types import Read
from anpr_stream.vision.ctc import decode, softmax
from tools.training.reader import LINES

BoolArray = npt.NDArray[np.bool_]

TEMPERATURES = np.exp(np.linspace(np.log(0.5), np.log(4.0), 31))


def read_all(logits: Tensor, temperature: float) -> list[Read]:
    """The read of each picture's logits (n, T, 37), as the runtime decodes them."""
    probabilities = softmax(logits.numpy(), temperature)
    return [decode(steps, LINES) for steps in probabilities]


def confidence_loss(reads: Sequence[Read], right: BoolArray) -> float:
    """Mean cross-entropy of `right` (n,) against the reads' confidences."""
    stated = np.clip([read.confidence for read in reads], 1e-6, 1 - 1e-6)
    return float(-np.mean(np.where(right, np.log(stated), np.log1p(-stated))))


def fit_temperature(logits: Tensor, records: Sequence[dict[str, Any]]) -> float:
    """The temperature at which the confidences of whole texts are truest.

    Which texts are right is judged at temperature 1, else one that makes all of them wrong and doubtful wins.
    """
    pairs = zip(read_all(logits, 1.0), records, strict=True)
    right = np.array([read.text == record["text"] for read, record in pairs])
    losses = [confidence_loss(read_all(logits, float(t)), right) for t in TEMPERATURES]
    return float(TEMPERATURES[int(np.argmin(losses))])
