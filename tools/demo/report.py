"""Print what is known of the demo's clips beside what was read, and join the best crops to one picture.

python -m tools.demo.report out/demo
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from anpr_stream.types import Image
from tools.write_picture import write_picture

EXPECTED = Path(__file__).with_name("expected.json")
TILE = (320, 160)
"""(width, height) in pixels of a plate on the contact sheet."""
CAPTION_PX = 40
COLUMNS = 3


def report(folder: Path) -> list[str]:
    """Return a line for each expected plate and each other one that was read."""
    lines = [f"{'clip':8} {'known':10} read"]
    for clip, known in json.loads(EXPECTED.read_text("utf-8")).items():
        read = [event["text"] for event in finals(folder / f"{clip}.jsonl") if event["text"]]
        lines += [f"{clip:8} {text:10} {text if text in read else '-'}" for text in known]
        lines += [f"{clip:8} {'':10} {text}" for text in read if text not in known]
    return lines


def finals(path: Path) -> list[dict[str, Any]]:
    """Return the last event of each visit."""
    events = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return [event for event in events if event["kind"] == "final"]


def contact_sheet(folder: Path, events: Sequence[dict[str, Any]]) -> Image:
    """Join the crops that were read best, each with its text."""
    tiles = [_tile(folder, event) for event in events if "crop" in event["images"]]
    blank = np.full((TILE[1] + CAPTION_PX, TILE[0], 3), 255, np.uint8)
    tiles += [blank] * (-len(tiles) % COLUMNS) or ([] if tiles else [blank])
    rows = [np.hstack(tiles[start : start + COLUMNS]) for start in range(0, len(tiles), COLUMNS)]
    return np.asarray(np.vstack(rows), np.uint8)


def _tile(folder: Path, event: dict[str, Any]) -> Image:
    crop = np.asarray(cv2.imread(str(folder / event["images"]["crop"]["path"])), np.uint8)
    tile = cv2.copyMakeBorder(
        cv2.resize(crop, TILE, interpolation=cv2.INTER_CUBIC),
        *(0, CAPTION_PX, 0, 0),
        cv2.BORDER_CONSTANT,
        value=(255, 255, 255),
    )
    sure = f"{event['confidence']:.0%}" if event["text"] else ""
    text = f"{event['text'] or event['reason']} {sure}"
    place = (8, TILE[1] + CAPTION_PX - 10)
    cv2.putText(tile, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.9, (0, 0, 0), 2, cv2.LINE_AA)
    return np.asarray(tile, np.uint8)


def main(arguments: Sequence[str]) -> None:
    """Report on a folder that `tools/demo.sh` filled."""
    folder = Path(arguments[0])
    events = [event for path in sorted(folder.glob("*.jsonl")) for event in finals(path)]
    sheet = folder / "contact_sheet.png"
    write_picture(sheet, contact_sheet(folder / "snapshots", events))
    print("\n".join(report(folder)))
    print(f"\nannotated videos: {', '.join(str(path) for path in sorted(folder.glob('*.mp4')))}")
    print(f"contact sheet: {sheet}")


if __name__ == "__main__":
    main(sys.argv[1:])
