"""A small folder of sets as the tools expect it, drawn by hand: dark streets with a bright plate each."""

import json
from pathlib import Path

import cv2
import numpy as np

PLATE = (30.0, 40.0, 78.0, 56.0)


def draw_street(seed: int, plate: bool = True) -> np.ndarray:
    """A (96, 128, 3) picture, with a plate at `PLATE` if wanted."""
    picture = np.random.default_rng(seed).integers(20, 90, (96, 128, 3), np.uint8)
    if plate:
        x1, y1, x2, y2 = (int(value) for value in PLATE)
        picture[y1:y2, x1:x2] = 230
        cv2.putText(picture, "AB12", (x1 + 4, y2 - 4), cv2.FONT_HERSHEY_PLAIN, 0.9, (10, 10, 10), 1)
    return picture


def label(image: str, split: str, plate: bool = True, **more: object) -> dict[str, object]:
    """A line of labels for `draw_street`."""
    known = {"box": list(PLATE), "quad": None, "text": "AB12", "lines": 1}
    line = {"image": image, "width": 128, "height": 96, "kind": "scene", "country": "tw", "split": split}
    return {**line, "source": "drawn", "complete": True, "plates": [known] if plate else [], **more}


def write_set(folder: Path, lines: list[dict[str, object]]) -> Path:
    """Write pictures and labels of one set; a line's picture holds a plate where its labels do."""
    (folder / "images").mkdir(parents=True)
    for index, line in enumerate(lines):
        picture = draw_street(index, bool(line["plates"]))
        assert cv2.imwrite(str(folder / str(line["image"])), picture)
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / "labels.jsonl").write_text(text)
    return folder


def write_streets(root: Path) -> Path:
    """A data folder: street scenes of all splits, negatives, and one set of single plates."""
    splits = ["train"] * 4 + ["val"] * 2 + ["test"]
    write_set(root / "streets", [label(f"images/s{i}.png", split) for i, split in enumerate(splits)])
    empty = [label(f"images/n{i}.png", split, plate=False) for i, split in enumerate(["train", "val"])]
    write_set(root / "empty", empty)
    write_set(root / "crops", [label("images/c0.png", "train", kind="crop")])
    return root
