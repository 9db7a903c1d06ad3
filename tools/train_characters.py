"""Train the character classifier: `python -m tools.train_characters --data chars36 --minutes 15`.

Recipe: the set's own split, augmentation without flips, AdamW with a falling rate, early stopping on the loss
over `val`, the best checkpoint kept, class names saved with the network.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tools.options import ToolParser, share
from tools.refusal import exit_code
from tools.training.characters import CharactersConfig, CharactersNet
from tools.training.characters_data import glyphs_of_plates, load_glyphs
from tools.training.characters_task import CharactersTask, GlyphStream, Source, stream_batches
from tools.training.command import add_options, loop_options, prepare, samples_done, stream_seed, worker_count
from tools.training.detector_data import DataError
from tools.training.loop import Loop


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = ToolParser("tools.train_characters", __doc__)
    made.add_argument("--data", type=Path, required=True, help="folder with chars.npz, or the file")
    made.add_argument(
        "--plates", type=Path, help="a reader pack: characters cut from its plates are mixed in"
    )
    made.add_argument("--plates-share", type=share, default=0.35, help="of each batch")
    made.add_argument("--pretrained", type=Path, help="start from the weights of this file")
    add_options(
        made,
        out=Path("runs/characters"),
        batch="characters a step (cpu 128, cuda 1024)",
        rate=1e-3,
        validate_samples=25_000,
        patience=8,
    )
    return made


def sources(options: argparse.Namespace) -> list[Source]:
    """What to draw batches from.

    Raises:
        DataError: the pack's plates gave no character.
    """
    drawn = load_glyphs(options.data, "train")
    if options.plates is None:
        return [Source(drawn, 1.0)]
    cut = glyphs_of_plates(options.plates, "train")
    if not len(cut):
        raise DataError(f"{options.plates}: no plate of it could be cut into its characters")
    return [Source(drawn, 1 - options.plates_share), Source(cut, options.plates_share)]


def train(options: argparse.Namespace) -> None:
    """Run the training that `options` ask for."""
    device = prepare(options)
    cuda = device.type == "cuda"
    workers = worker_count(options, device)
    seed = stream_seed(options.seed, samples_done(options))
    stream = GlyphStream(sources(options), options.batch or (1024 if cuda else 128), seed)
    model = CharactersNet(CharactersConfig()).to(device)
    val = load_glyphs(options.data, "val")
    task = CharactersTask(model, stream_batches(stream, workers), val, device)
    Loop(task, loop_options(options, device)).run()


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse, train; 0, or 2 after one line on what is wrong."""
    options = parser().parse_args(arguments)
    return exit_code("train_characters", lambda: train(options))


if __name__ == "__main__":
    sys.exit(main())
