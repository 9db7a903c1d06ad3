"""Train the plate reader: `python -m tools.train_reader --data reader.pack --minutes 60`."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import torch

from tools.options import ToolParser, real, share, whole
from tools.refusal import exit_code
from tools.training.command import add_options, loop_options, prepare, samples_done, stream_seed, worker_count
from tools.training.data import (
    ReaderStream,
    Source,
    background_bank,
    left_out,
    load_plates,
    sampling_weights,
    stream_batches,
)
from tools.training.hard_plates import look_at
from tools.training.loop import Loop, TrainingError
from tools.training.packs import Pack, read_pack
from tools.training.reader import SIZES, Reader
from tools.training.reader_task import ALIGNED_SAMPLES, ReaderTask, open_reader
from tools.training.widen import widen


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = ToolParser("tools.train_reader", __doc__)
    made.add_argument("--data", type=Path, required=True, help="a reader pack (tools.pack_data)")
    made.add_argument("--synthetic", type=Path, nargs="*", default=[], help="packs of rendered plates")
    made.add_argument("--synthetic-share", type=share, default=0.35, help="of each batch")
    made.add_argument("--name", choices=SIZES, default="reader-cpu")
    made.add_argument("--decay-minutes", type=real(), help="last minutes, in which the rate falls (30 %%)")
    made.add_argument(
        "--pretrained",
        type=Path,
        help="start from the weights of this checkpoint, be it of a narrower reader",
    )
    made.add_argument("--temperature", type=real(), default=0.5, help="1: by number, 0: countries alike")
    made.add_argument(
        "--hard",
        type=real(),
        default=0.0,
        help="with --pretrained or --resume: draw plates it misreads up to 1 + HARD times as often, "
        "and leave out those that look illegible or wrongly labelled by a machine",
    )
    made.add_argument("--gentle-samples", type=whole(), default=100_000, help="until full augmentation")
    made.add_argument(
        "--agreement",
        type=real(),
        default=0.0,
        help="take each plate in two lights, and weigh by this that both are read alike (0.2 as in CR-CTC)",
    )
    add_options(made, out=Path("runs/reader"), batch="samples a step (cpu 128, cuda 1024)", rate=1.5e-3)
    return made


def build_task(options: argparse.Namespace, device: torch.device) -> ReaderTask:
    """Load the data and make network and stream."""
    cuda = device.type == "cuda"
    model, aligned_samples = build_model(options)
    model.to(device)
    model.stages.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    real = read_pack(options.data, "reader")
    if told := left_out(real):
        print(told)
    share = options.synthetic_share if options.synthetic else 0.0
    val = load_plates(real, ["val"])
    first = build_source(real, 1 - share, options.temperature)
    if options.hard:
        first = harder(first, model, device, options.hard)
    rendered = (read_pack(path, "reader") for path in options.synthetic)
    others = [build_source(pack, share / len(options.synthetic), 1.0) for pack in rendered]
    backgrounds = background_bank(first.plates, options.seed)
    batch = options.batch or (1024 if cuda else 128)
    done = samples_done(options)
    gentle, seed = max(0, options.gentle_samples - done), stream_seed(options.seed, done)
    stream = ReaderStream([first, *others], backgrounds, batch, seed, gentle, 2 if options.agreement else 1)
    batches = stream_batches(stream, worker_count(options, device), cuda)
    return ReaderTask(model, batches, val, device, options.name, aligned_samples, options.agreement)


def build_model(options: argparse.Namespace) -> tuple[Reader, int]:
    """The network as the checkpoint to go on from has it, and the samples until alignment has faded out.

    Raises:
        TrainingError: the file is no checkpoint of a reader that fits.
    """
    model, path = Reader(SIZES[options.name]), options.pretrained or options.resume
    if path is None:
        return model, ALIGNED_SAMPLES
    narrow, state = open_reader(path)
    try:
        widen(narrow, model)
    except ValueError as error:
        raise TrainingError(f"{path}: its network does not fit into the one to train: {error}") from error
    # A network that reads has found its alignment.
    return model, 0 if options.pretrained else state["description"].get("aligned_samples", ALIGNED_SAMPLES)


def build_source(pack: Pack, share: float, temperature: float) -> Source:
    """The training plates of `pack`.

    Raises:
        PackError: the pack has none.
    """
    plates = load_plates(pack, ["train"])
    return Source(plates, sampling_weights(plates.records, temperature), share)


def harder(source: Source, model: Reader, device: torch.device, strength: float) -> Source:
    """`source` with its plates weighed by how `model` reads them."""
    seen = look_at(model, source.plates, device)
    print(
        f"{len(source.plates)} plates: {(seen.misread > 0.5).sum()} misread; "
        f"left out {seen.illegible.sum()} illegible, {seen.mislabelled.sum()} with a doubtful label"
    )
    weights = source.weights * seen.factors(strength)
    return replace(source, weights=weights / weights.sum())


def train(options: argparse.Namespace) -> None:
    """Run the training that `options` ask for."""
    device = prepare(options)
    how = replace(loop_options(options, device), decay_minutes=options.decay_minutes, pretrained=None)
    Loop(build_task(options, device), how).run()


def main(arguments: list[str] | None = None) -> int:
    """Parse, train; 0, or 2 after one line on what is wrong."""
    options = parser().parse_args(arguments)
    return exit_code("train_reader", lambda: train(options))


if __name__ == "__main__":
    sys.exit(main())
