"""Train the plate reader: `python -m tools.train_reader --data reader.pack --minutes 60`."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import torch

from tools.training.command import add_options, exit_code, loop_options, prepare, worker_count
from tools.training.data import (
    ReaderStream,
    Source,
    background_bank,
    load_plates,
    sampling_weights,
    stream_batches,
)
from tools.training.loop import Loop, TrainingError
from tools.training.packs import Pack, read_pack
from tools.training.reader import SIZES, Reader
from tools.training.reader_task import ReaderTask


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(prog="tools.train_reader", description=__doc__)
    made.add_argument("--data", type=Path, required=True, help="a reader pack (tools.pack_data)")
    made.add_argument("--synthetic", type=Path, nargs="*", default=[], help="packs of rendered plates")
    made.add_argument("--synthetic-share", type=float, default=0.35, help="of each batch")
    made.add_argument("--name", choices=SIZES, default="reader-cpu")
    made.add_argument("--decay-minutes", type=float, help="last minutes, in which the rate falls (30 %%)")
    made.add_argument("--pretrained", type=Path, help="start from the weights of this file")
    made.add_argument("--temperature", type=float, default=0.5, help="1: by number, 0: countries alike")
    made.add_argument("--gentle-samples", type=int, default=100_000, help="until full augmentation")
    add_options(made, out=Path("runs/reader"), batch="samples a step (cpu 128, cuda 1024)", rate=1.5e-3)
    return made


def build_task(options: argparse.Namespace, device: torch.device) -> ReaderTask:
    """Load the data and make network and stream."""
    cuda = device.type == "cuda"
    real = read_pack(options.data, "reader")
    share = options.synthetic_share if options.synthetic else 0.0
    sources = [build_source(real, 1 - share, options.temperature)]
    for path in options.synthetic:
        sources.append(build_source(read_pack(path, "reader"), share / len(options.synthetic), 1.0))
    workers = worker_count(options, device)
    backgrounds = background_bank(sources[0].plates, options.seed)
    batch = options.batch or (1024 if cuda else 128)
    stream = ReaderStream(sources, backgrounds, batch, options.seed, options.gentle_samples)
    model = Reader(SIZES[options.name]).to(device)
    model.stages.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    val = load_plates(real, ["val"])
    return ReaderTask(model, stream_batches(stream, workers, cuda), val, device, options.name)


def build_source(pack: Pack, share: float, temperature: float) -> Source:
    """The training plates of `pack`.

    Raises:
        TrainingError: the pack has none.
    """
    plates = load_plates(pack, ["train"])
    if not len(plates):
        raise TrainingError("the pack holds no readable plate of the train split")
    return Source(plates, sampling_weights(plates.records, temperature), share)


def train(options: argparse.Namespace) -> None:
    """Run the training that `options` ask for."""
    device = prepare(options)
    how = replace(loop_options(options, device), decay_minutes=options.decay_minutes)
    Loop(build_task(options, device), how).run()


def main(arguments: list[str] | None = None) -> int:
    """Parse, train; 0, or 2 after one line on what is wrong."""
    options = parser().parse_args(arguments)
    return exit_code("train_reader", lambda: train(options))


if __name__ == "__main__":
    sys.exit(main())
