"""`evaluate characters`: single characters through the network as it is shipped."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from anpr_stream.errors import ModelError
from anpr_stream.interfaces import Backend
from anpr_stream.types import ALPHABET
from anpr_stream.vision.contract import CharactersContract
from anpr_stream.vision.segment import glyph_batch
from tools.evaluation.characters import Indices, report
from tools.evaluation.engine import add_engine, load_alone
from tools.training.characters_data import Glyphs, load_glyphs, plain

BATCH = 64


def name_glyphs(backend: Backend, glyphs: Glyphs) -> Indices:
    """(n,) best class of each of `glyphs`."""
    parts = [np.zeros(0, np.int64)]
    for start in range(0, len(glyphs), BATCH):
        pictures = np.stack([plain(picture) for picture in glyphs.pictures[start : start + BATCH]])
        parts.append(backend.run(glyph_batch(pictures))["logits"].argmax(1).astype(np.int64))
    return np.concatenate(parts)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `evaluate characters`."""
    parser.add_argument("--data", type=Path, required=True, help="folder with chars.npz, or the file")
    parser.add_argument("--split", choices=("train", "val", "test"), default="val")
    parser.add_argument("--model", default="characters", help="name or path of the network")
    add_engine(parser)


def run(options: argparse.Namespace) -> list[str]:
    """Name all characters and return the report's lines."""
    network = load_alone(options.model, options.backend, options.precision)
    if not isinstance(network.model.contract, CharactersContract):
        raise ModelError(f"{options.model}: this names no characters: name a network that does with --model")
    glyphs = load_glyphs(options.data, options.split)
    read = name_glyphs(network.backend, glyphs)
    network.backend.close()
    return [f"{network.engine} {network.precision}", *report(glyphs.labels, read, ALPHABET).lines()]
