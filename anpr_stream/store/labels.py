"""Corrected visits as labelled pictures, in the form that the training tools take."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from anpr_stream.store.history import Found
from anpr_stream.store.snapshots import SnapshotFolder

LABELS = "labels.jsonl"
OF_TEN_FOR_VALIDATION = 1
"""Of ten texts, how many help to choose a network; the others train it."""


def write_labels(visits: Iterable[Found], snapshots: SnapshotFolder, folder: Path) -> Counter[str]:
    """Write the frame of each visit whose plate a person has named, and a line that tells where it is.

    Nobody labelled the other plates in the picture, so it counts as incompletely labelled. The box is the
    detector's; its corners are not true enough to learn from. All visits of one text go to the same split.

    Args:
        visits: those without a correction are passed over.
        snapshots: the store's pictures.
        folder: made where it is missing; holds the pictures and `labels.jsonl` afterwards.

    Returns:
        Number of visits by what became of them: `written`, or why not: `no_plate` (that is what the person
        said), `no_picture` (none was kept, or the plate is blurred in it), `damaged_picture`.

    Raises:
        OSError: the folder cannot be written.
    """
    counts: Counter[str] = Counter()
    lines = []
    folder.mkdir(parents=True, exist_ok=True)
    for visit in visits:
        if visit.correction is not None:
            outcome, line = _label(json.loads(visit.payload), visit.correction.text, snapshots, folder)
            counts[outcome] += 1
            lines.append(line)
    part = folder / f"{LABELS}.part"  # no half file where the disk gets full, and another try in its place
    part.write_text("".join(lines), encoding="utf-8")
    part.replace(folder / LABELS)
    return counts


def _label(
    event: dict[str, Any], text: str | None, snapshots: SnapshotFolder, folder: Path
) -> tuple[str, str]:
    if text is None:
        return "no_plate", ""
    # There is no picture of the plate by itself where it is blurred in the frame.
    if not {"crop", "frame"} <= event["images"].keys():
        return "no_picture", ""
    image = event["images"]["frame"]
    content = snapshots.read(image["path"])
    if content is None:
        return "no_picture", ""
    picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    if picture is None or hashlib.sha256(content).hexdigest() != image["sha256"]:
        return "damaged_picture", ""
    name = Path(image["path"]).name
    (folder / name).write_bytes(content)
    height, width = picture.shape[:2]
    line = {
        "image": name,
        "width": width,
        "height": height,
        "kind": "scene",
        "country": event["country"],
        "split": _split(text),
        "source": event["camera"],
        "complete": False,
        "plates": [{"box": event["box"], "quad": None, "text": text}],
    }
    return "written", json.dumps(line, ensure_ascii=False) + "\n"


def _split(text: str) -> str:
    is_kept_back = hashlib.sha256(text.encode()).digest()[0] % 10 < OF_TEN_FOR_VALIDATION
    return "val" if is_kept_back else "train"
