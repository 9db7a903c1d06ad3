"""Train the plate detector: `python -m tools.train_detector --data DATA --minutes 60`."""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import torch

from tools.options import ToolParser, real
from tools.refusal import exit_code
from tools.training.command import add_options, loop_options, prepare, samples_done, stream_seed, worker_count
from tools.training.detector import CONFIGS, YoloV3
from tools.training.detector_data import Picture, Scenes, cut_out, load_scenes
from tools.training.detector_task import (
    INPUT_SIZE,
    DetectorStream,
    DetectorTask,
    find_plates,
    stream_batches,
)
from tools.training.hard_scenes import weighed
from tools.training.loop import Loop, load_checkpoint, load_weights
from tools.training.packs import read_pack
from tools.training.unfold import unfold

UNFOLDING_BATCHES = 8
"""Batches on which the statistics of an exported network's normalisations are measured anew."""

CALM_SHARE = 0.15
"""The last part of the time, in which mosaics give way to whole pictures."""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = ToolParser("tools.train_detector", __doc__)
    made.add_argument("--data", type=Path, required=True, help="a folder of sets, or a detector pack")
    made.add_argument(
        "--crops", type=Path, help="a reader pack whose plates are pasted (for a detector pack)"
    )
    made.add_argument("--name", choices=CONFIGS, default="detector-cpu")
    made.add_argument(
        "--pretrained", type=Path, help="start from the weights of this checkpoint or exported FP32 .onnx"
    )
    made.add_argument(
        "--hard",
        type=real(),
        default=0.0,
        help="with --pretrained or --resume: draw scenes with plates it misses or makes up "
        "up to 1 + HARD times as often",
    )
    add_options(made, out=Path("runs/detector"), batch="pictures a step (cpu 16, cuda 64)", rate=2e-3)
    return made


def training_scenes(options: argparse.Namespace) -> Scenes:
    """Scenes to train on, with the plates to paste."""
    found = load_scenes(options.data, "train", crops=True)
    if options.crops is None:
        return found
    pack = read_pack(options.crops, "reader")
    cuts = (
        whole_plate(pack.picture(i), r["box"], r["aspect"])
        for i, r in enumerate(pack.records)
        if r["split"] == "train"
    )
    return Scenes(found.scenes, found.crops + [cut for cut in cuts if cut.size])


def whole_plate(picture: Picture, box: list[float], aspect: float) -> Picture:
    """The plate in `box` of a packed picture, which has margins and may be squeezed, at its own `aspect`."""
    cut = cut_out(picture, box)
    if not cut.size:
        return cut
    size = (max(1, round(cut.shape[0] * aspect)), cut.shape[0])
    return np.asarray(cv2.resize(cut, size, interpolation=cv2.INTER_AREA), np.uint8)


def build_task(options: argparse.Namespace, device: torch.device) -> DetectorTask:
    """Load the data and make network and stream."""
    cuda = device.type == "cuda"
    batch = options.batch or (64 if cuda else 16)
    scenes = training_scenes(options)
    model = build_model(options, scenes, batch, device)
    if options.hard:
        found = find_plates(model, model.config, [s.picture for s in scenes.scenes], INPUT_SIZE, device)
        scenes = replace(scenes, scenes=weighed(scenes.scenes, found, options.hard))
    calm_at_s = time.monotonic() + 60 * options.minutes * (1 - CALM_SHARE)
    seed = stream_seed(options.seed, samples_done(options))
    stream = DetectorStream(scenes, batch, seed, calm_at_s)
    batches = stream_batches(stream, worker_count(options, device), cuda)
    return DetectorTask(model, batches, load_scenes(options.data, "val").scenes, device)


def build_model(options: argparse.Namespace, scenes: Scenes, batch: int, device: torch.device) -> YoloV3:
    """The network on `device`, filled from `--pretrained` or `--resume`.

    Raises:
        TrainingError: the file is no checkpoint or exported network of this shape.
    """
    model = YoloV3(CONFIGS[options.name]).to(device)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    path: Path | None = options.pretrained or options.resume
    if path and path.suffix == ".onnx":
        shown = islice(DetectorStream(scenes, batch, options.seed, math.inf), UNFOLDING_BATCHES)
        unfold(model, path, [sample.to(device).pictures.float() / 255 for sample in shown])
    elif path:
        state = load_checkpoint(path)
        load_weights(model, state.get("ema", state["weights"]), path)
    return model


def train(options: argparse.Namespace) -> None:
    """Run the training that `options` ask for."""
    device = prepare(options)
    how = replace(
        loop_options(options, device),
        weight_decay=0.02,
        decay_minutes=options.minutes,
        ema_decay=0.998,
        clip_norm=10.0,
        pretrained=None,
    )
    Loop(build_task(options, device), how).run()


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse, train; 0, or 2 after one line on what is wrong."""
    options = parser().parse_args(arguments)
    return exit_code("train_detector", lambda: train(options))


if __name__ == "__main__":
    sys.exit(main())
