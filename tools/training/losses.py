"""The reader's loss: CTC over both lines, helped through its silent start by an evenly spread alignment."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

BLANK = 0
EDGE = 0.1
"""Share of a line's steps on each side that an evenly spread text leaves blank: margin and frame."""


def ctc_loss(logits: Tensor, targets: Tensor, lengths: Tensor) -> Tensor:
    """Mean over the batch of CTC's loss per character, float32.

    `logits` (n, T, classes), `targets` (n, longest) codes, `lengths` (n,).
    """
    return _ctc(logits, targets, lengths, "mean", zero_infinity=True)


def ctc_losses(logits: Tensor, targets: Tensor, lengths: Tensor) -> Tensor:
    """(n,) CTC's loss of each whole text in nats, float32; shapes as in `ctc_loss`."""
    return _ctc(logits, targets, lengths, "none", zero_infinity=False)


def _ctc(logits: Tensor, targets: Tensor, lengths: Tensor, reduction: str, zero_infinity: bool) -> Tensor:
    scores = logits.float().log_softmax(2).transpose(0, 1)
    steps = torch.full_like(lengths, scores.shape[0])
    return functional.ctc_loss(scores, targets, steps, lengths, BLANK, reduction, zero_infinity)


def even_alignment(targets: Tensor, lengths: Tensor, splits: Tensor, steps: int) -> Tensor:
    """(n, 2 * steps) int64: each line's characters spread evenly, blank between them and at the edges.

    `splits` (n,) characters on the first line, >= 0.
    """
    first = _spread(targets, torch.zeros_like(splits), splits, steps)
    return torch.cat([first, _spread(targets, splits, lengths - splits, steps)], 1)


def _spread(targets: Tensor, start: Tensor, count: Tensor, steps: int) -> Tensor:
    position = (torch.arange(steps, device=targets.device) + 0.5) / steps
    place = (position - EDGE) / (1 - 2 * EDGE) * count[:, None]
    index = place.floor().long()
    inside = (index >= 0) & (index < count[:, None]) & ((place - index) < 0.75)
    index = (index + start[:, None]).clamp(0, targets.shape[1] - 1)
    return torch.where(inside, targets.gather(1, index), BLANK)


def alignment_loss(logits: Tensor, targets: Tensor, lengths: Tensor, splits: Tensor) -> Tensor:
    """Cross-entropy against `even_alignment` per character, so as large as CTC's loss.

    Only over the texts whose lines are known; 0 if there is none.
    """
    known = splits >= 0
    if not known.any():
        return logits.sum() * 0
    wanted = even_alignment(targets[known], lengths[known], splits[known], logits.shape[1] // 2)
    steps = functional.cross_entropy(logits[known].float().transpose(1, 2), wanted, reduction="none")
    return (steps.sum(1) / lengths[known]).mean()


def reader_loss(
    logits: Tensor, targets: Tensor, lengths: Tensor, splits: Tensor, alignment: float
) -> tuple[Tensor, dict[str, Tensor]]:
    """CTC and alignment loss mixed, `alignment` (0..1) being the share of the latter; also both by name."""
    ctc = ctc_loss(logits, targets, lengths)
    if alignment <= 0:
        return ctc, {"ctc": ctc.detach()}
    aligned = alignment_loss(logits, targets, lengths, splits)
    return (1 - alignment) * ctc + alignment * aligned, {"ctc": ctc.detach(), "alignment": aligned.detach()}


def view_loss(logits: Tensor, lengths: Tensor) -> Tensor:
    """How far two views of the same plates are apart: CR-CTC's consistency (Yao et al. 2024), per character.

    `logits` (2 n, T, classes), the second half of the same plates in the same order as the first. Each view
    is drawn to what the other says, not the other way: the divergence of the steps' distributions, with the
    gradient stopped in the one that is aimed at.
    """
    first, second = logits.float().log_softmax(2).chunk(2)
    apart = _divergence(first, second.detach()) + _divergence(second, first.detach())
    return (apart / 2 / lengths[: len(first)]).mean()


def _divergence(scores: Tensor, aim: Tensor) -> Tensor:
    """(n,) Kullback and Leibler's, summed over the steps; both (n, T, classes) logarithms."""
    return functional.kl_div(scores, aim, reduction="none", log_target=True).sum((1, 2))
