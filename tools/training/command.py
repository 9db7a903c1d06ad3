"""What the command lines of all trainings share."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import cv2
import numpy as np
import torch

from tools.options import positive, real, whole
from tools.training.loop import LoopOptions, TrainingError, load_checkpoint, pick_device


def add_options(
    parser: argparse.ArgumentParser,
    *,
    out: Path,
    batch: str,
    rate: float,
    validate_samples: int = 20_000,
    patience: int = 0,
) -> None:
    """Add what every training takes; `batch` is the help of `--batch`, the others are defaults."""
    parser.add_argument("--out", type=Path, default=out, help="folder for checkpoints and curves")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--minutes", type=real(), required=True, help="training ends in time and saves")
    parser.add_argument("--resume", type=Path, help="go on from this last.pt")
    parser.add_argument("--batch", type=whole(1), help=batch)
    parser.add_argument("--rate", type=positive, default=rate, help="learning rate")
    parser.add_argument("--workers", type=whole(), help="processes that augment (cpu 1, cuda all cores)")
    parser.add_argument("--threads", type=whole(), default=0, help="threads on a CPU; 0: PyTorch's choice")
    parser.add_argument("--validate-samples", type=whole(1), default=validate_samples)
    parser.add_argument(
        "--patience", type=whole(), default=patience, help="validations without gain that end it; 0: none"
    )
    parser.add_argument("--seed", type=whole(), default=1)


def loop_options(options: argparse.Namespace, device: torch.device) -> LoopOptions:
    """Return what every training takes from its command line; the rest are the loop's defaults."""
    return LoopOptions(
        out=options.out,
        minutes=options.minutes,
        device=device,
        learning_rate=options.rate,
        validate_samples=options.validate_samples,
        patience=options.patience,
        resume=options.resume,
        pretrained=options.pretrained,
    )


def prepare(options: argparse.Namespace) -> torch.device:
    """Set seed and threads as `options` say and return their device.

    Raises:
        TrainingError: there is no such device here, or the options do not go together.
    """
    _check(options)
    torch.manual_seed(options.seed)
    # A worker forked after OpenCV has begun threads of its own would wait for them for ever.
    cv2.setNumThreads(1)
    if options.threads:
        torch.set_num_threads(options.threads)
    return pick_device(options.device)


def _check(options: argparse.Namespace) -> None:
    """Refuse what would be lost or mean nothing."""
    if getattr(options, "hard", 0) and not (options.pretrained or options.resume):
        raise TrainingError("--hard weighs by a trained network: name one with --pretrained or --resume")
    there = [options.out / name for name in ("last.pt", "best.pt") if (options.out / name).exists()]
    if there and not options.resume:
        raise TrainingError(f"{there[0]} is there already: go on with --resume, or name another --out")


def samples_done(options: argparse.Namespace) -> int:
    """Samples that the training to be resumed has seen, 0 for a new one.

    Raises:
        TrainingError: the file is no checkpoint.
    """
    state = load_checkpoint(options.resume) if options.resume else {}
    return int(state.get("progress", {}).get("samples", 0))


def stream_seed(seed: int, done: int) -> int:
    """Seed of the samples: a training that has seen `done` samples already draws others than those."""
    return int(np.random.SeedSequence([seed, done]).generate_state(1)[0]) if done else seed


def worker_count(options: argparse.Namespace, device: torch.device) -> int:
    """Processes that augment: as set, else one beside a CPU and all cores beside a GPU."""
    if options.workers is not None:
        return int(options.workers)
    return (os.cpu_count() or 1) if device.type == "cuda" else 1
