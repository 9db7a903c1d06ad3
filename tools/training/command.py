"""What the command lines of all trainings share."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable

import cv2
import torch

from tools.training.detector_data import DataError
from tools.training.loop import TrainingError, pick_device
from tools.training.packs import PackError

REFUSED = 2


def prepare(options: argparse.Namespace) -> torch.device:
    """Set seed and threads as `options` say and return their device.

    Raises:
        TrainingError: there is no such device here.
    """
    torch.manual_seed(options.seed)
    # A worker forked after OpenCV has begun threads of its own would wait for them for ever.
    cv2.setNumThreads(1)
    if options.threads:
        torch.set_num_threads(options.threads)
    return pick_device(options.device)


def worker_count(options: argparse.Namespace, device: torch.device) -> int:
    """Processes that augment: as set, else one beside a CPU and all cores beside a GPU."""
    if options.workers is not None:
        return int(options.workers)
    return (os.cpu_count() or 1) if device.type == "cuda" else 1


def exit_code(program: str, train: Callable[[], None]) -> int:
    """Train; 0, or 2 after one line on what is wrong."""
    try:
        train()
    except (TrainingError, DataError, PackError) as error:
        print(f"{program}: {error}", file=sys.stderr)
        return REFUSED
    return 0
