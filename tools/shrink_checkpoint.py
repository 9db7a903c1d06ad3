"""Make a checkpoint small enough to keep: `python -m tools.shrink_checkpoint runs/reader/last.pt reader.pt`.

Weights go to float16, the optimiser's moments, whose squares float16 cannot hold, to bfloat16. The file is
a checkpoint like any other: `--resume` and `--pretrained` take it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch

from tools.options import ToolParser
from tools.refusal import exit_code
from tools.training.loop import load_checkpoint, save_checkpoint

KEPT_AS = {"weights": torch.float16, "ema": torch.float16, "optimizer": torch.bfloat16}


def shrunk(value: Any, dtype: torch.dtype) -> Any:
    """`value` with every float tensor in it, of any depth, as `dtype`; counters of one element stay."""
    if isinstance(value, torch.Tensor):
        return value.to(dtype) if value.is_floating_point() and value.numel() > 1 else value
    if isinstance(value, dict):
        return {key: shrunk(part, dtype) for key, part in value.items()}
    if isinstance(value, list):
        return [shrunk(part, dtype) for part in value]
    return value


def shrink(source: Path, target: Path) -> None:
    """Write the checkpoint `source` to `target`, small.

    Raises:
        TrainingError: `source` is no checkpoint, or `target` cannot be written.
    """
    state = load_checkpoint(source)
    small = {key: shrunk(part, KEPT_AS[key]) if key in KEPT_AS else part for key, part in state.items()}
    save_checkpoint(small, target)
    print(f"{target}: {target.stat().st_size / 1e6:.1f} MB")


def main(arguments: list[str] | None = None) -> int:
    """Parse, shrink; 0, or 2 after one line on what is wrong."""
    parser = ToolParser("tools.shrink_checkpoint", __doc__)
    parser.add_argument("source", type=Path, help="last.pt or best.pt of a training")
    parser.add_argument("target", type=Path, help="the file to write")
    options = parser.parse_args(arguments)
    return exit_code("shrink_checkpoint", lambda: shrink(options.source, options.target))


if __name__ == "__main__":
    sys.exit(main())
