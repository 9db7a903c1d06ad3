"""Training plates weighed by how a reader reads them: more of what it misreads, none of what teaches wrong.

Importance by loss after Katharopoulos and Fleuret 2018, "Not all samples are created equal"; confident
disagreement as a sign of a wrong label after Northcutt et al. 2021, "Confident learning".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from tools.training.data import Plates, encode_texts
from tools.training.losses import ctc_losses
from tools.training.reader_task import plate_logits, spell_all

ILLEGIBLE_PX = 20.0
"""A plate no higher than this may be too small to read, though a machine read it in a larger picture."""
ILLEGIBLE_LOSS = 5.0
"""Nats by which such a plate's text surprises a reader that knows most others."""
SURE = 0.8
"""Confidence from which another text than a machine's is the better one."""


@dataclass(frozen=True)
class Hardness:
    """What a reader makes of training plates; arrays with one row a plate."""

    misread: npt.NDArray[np.float64]
    """Probability of another text than the label, 0..1."""
    illegible: npt.NDArray[np.bool_]
    mislabelled: npt.NDArray[np.bool_]

    def factors(self, strength: float) -> npt.NDArray[np.float64]:
        """How often to draw each plate: 1 if well read, up to 1 + `strength` if misread, 0 if bad."""
        dropped = self.illegible | self.mislabelled
        return np.where(dropped, 0.0, 1.0 + strength * self.misread)


def look_at(model: nn.Module, plates: Plates, device: torch.device) -> Hardness:
    """Read `plates` as they are."""
    logits = plate_logits(model, plates, device)
    targets, lengths, _ = encode_texts(plates.records)
    losses = ctc_losses(logits, targets, lengths).numpy().astype(np.float64)
    machine = np.array([bool(record["machine"]) for record in plates.records])
    small = np.array([float(record["height_px"]) <= ILLEGIBLE_PX for record in plates.records])
    texts = spell_all(logits)
    other = np.array([text != record["text"] for text, record in zip(texts, plates.records, strict=True)])
    sure = logits.softmax(2).amax(2).prod(1).numpy() > SURE
    return Hardness(1 - np.exp(-losses), machine & small & (losses > ILLEGIBLE_LOSS), machine & other & sure)
