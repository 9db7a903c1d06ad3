"""Real pictures to lie behind rendered plates."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from anpr_stream.errors import UsageError
from anpr_stream.synth.draw import Rng
from anpr_stream.types import Image


def read_picture(path: Path) -> Image:
    """Read a picture, (H, W, 3) BGR.

    Raises:
        UsageError: there is no picture that can be read.
    """
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise UsageError(f"{path}: no picture that can be read")
    return np.asarray(picture, np.uint8)


def load_pictures(folder: Path, split: str = "train", empty: bool = False) -> list[Image]:
    """Load the pictures of one split of a data set in this project's form (`labels.jsonl`).

    Args:
        folder: the set, e.g. `negatives`.
        split: which part of it.
        empty: only pictures that are known to hold no plate.

    Raises:
        UsageError: labels or a picture cannot be read.
    """
    wanted = (r for r in read_records(folder, split) if not empty or _is_empty(r))
    return [read_picture(folder / r["image"]) for r in wanted]


def _is_empty(record: dict[str, Any]) -> bool:
    return bool(record.get("complete", True)) and not record.get("plates")


def read_records(folder: Path, split: str) -> list[dict[str, Any]]:
    """Read the lines of a set's `labels.jsonl` that are of one split.

    Raises:
        UsageError: a line is none of a picture.
    """
    labels = folder / "labels.jsonl"
    try:
        texts = [text for text in labels.read_text("utf-8-sig").split("\n") if text.strip()]
        records = [dict(json.loads(text)) for text in texts]
        return [record for record in records if record["split"] == split and record["image"]]
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(
            f"{labels}: no labels of pictures ({error}); tools.validate_dataset tells all"
        ) from error


def random_patches(rng: Rng, pictures: list[Image], count: int, size: tuple[int, int]) -> list[Image]:
    """Cut random patches, resized to `size` (width, height)."""
    return [_patch(rng, pictures[int(rng.integers(len(pictures)))], size) for _ in range(count)]


def _patch(rng: Rng, picture: Image, size: tuple[int, int]) -> Image:
    height, width = picture.shape[:2]
    wide, high = int(width * rng.uniform(0.15, 0.6)), int(height * rng.uniform(0.1, 0.5))
    x, y = int(rng.integers(width - wide)), int(rng.integers(height - high))
    patch = picture[y : y + high, x : x + wide]
    return np.asarray(cv2.resize(patch, size, interpolation=cv2.INTER_AREA), np.uint8)
