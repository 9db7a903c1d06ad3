"""A trained reader's weights in a wider one that at first computes the same.

Units that are new read what they like and are read by nothing old: their outgoing weights are zero and learn
(function-preserving growth, Chen et al. 2015, "Net2Net: accelerating learning via knowledge transfer").
"""

from __future__ import annotations

from torch import Tensor

from tools.training.reader import LINES, ROWS, Reader

GROUPS = {
    "stages.": (1, 1),
    "project.": (LINES, ROWS),
    "gru1.": (3, 1),
    "gru2.": (3, 1),
    "head.": (1, 2),
}
"""How many alike groups a layer's outputs and inputs are made of: lines, rows, gates, directions."""


def widen(narrow: Reader, wide: Reader) -> None:
    """Fill `wide`, whose `channels`, `dense` and `gru` are at least those of `narrow`, from it.

    Raises:
        ValueError: the networks differ in more than that.
    """
    old, new = narrow.state_dict(), wide.state_dict()
    if old.keys() != new.keys():
        raise ValueError("another number of blocks")
    wide.load_state_dict({name: _grown(name, old[name], new[name]) for name in new})


def _grown(name: str, old: Tensor, new: Tensor) -> Tensor:
    """`old` in the first units of each group of `new`; what old units would hear of new ones is zero."""
    if old.shape == new.shape:
        return old
    groups = next((groups for layer, groups in GROUPS.items() if name.startswith(layer)), None)
    if groups is None or any(a > b for a, b in zip(old.shape, new.shape, strict=True)):
        raise ValueError(f"{name} is {tuple(old.shape)}, not {tuple(new.shape)}")
    rows, columns = groups if old.ndim > 1 else (groups[0], 1)
    whole = new.clone().reshape(rows, new.shape[0] // rows, columns, -1)
    part = old.reshape(rows, old.shape[0] // rows, columns, -1)
    outputs, inputs = part.shape[1], part.shape[3]
    whole[:, :outputs, :, inputs:] = 0
    whole[:, :outputs, :, :inputs] = part
    return whole.reshape(new.shape)
