"""Tell all faults of a data folder before training: `python -m tools.validate_dataset DATA --sheet S.jpg`.

Every set under DATA has a `labels.jsonl`. Each fault is a line `file:line: error|warning slug: what`; errors
would break or spoil a training (exit code 1), warnings want a look. The contact sheet shows the pictures
with faults first, then a sample of the others, boxes drawn.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from anpr_stream.vision.geometry import iou
from tools.label_formats import PICTURE_SUFFIXES
from tools.options import ToolParser, whole
from tools.refusal import exit_code
from tools.training.packs import MAX_LENGTH
from tools.write_picture import write_picture

ERROR = "error"
WARNING = "warning"
SPLITS = frozenset({"train", "val", "test"})
UNSEEN_BY = {"val": ("train",), "test": ("train", "val")}
"""What a split shares with these it does not judge: it was trained on, or chosen by."""
KINDS = frozenset({"scene", "crop", "design"})
REQUIRED = {"image": str, "width": int, "height": int, "kind": str, "split": str, "plates": list}
TEXT = re.compile(r"[A-Z0-9]+")
EDGE_PX = 1.0
QUAD_REACH_PX = 4.0
SMALL_PX = 5.0
ASPECTS = (0.4, 12.0)
SAME_PLATE_IOU = 0.7

TILE_PX = 240
COLUMNS = 6

Picture = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Fault:
    """One thing wrong at `file`:`line`; `slug` names its kind."""

    level: str
    slug: str
    file: Path
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.level} {self.slug}: {self.message}"


@dataclass(frozen=True)
class Entry:
    """One line of labels that could be parsed, and where it stands."""

    file: Path
    number: int
    line: dict[str, Any]

    @property
    def picture(self) -> Path:
        """The picture's file."""
        return self.file.parent / str(self.line["image"])

    def fault(self, level: str, slug: str, message: str) -> Fault:
        """A fault at this line."""
        return Fault(level, slug, self.file, self.number, message)


@dataclass
class Findings:
    """What was found: all faults, all usable entries, and the digest of each picture's bytes."""

    faults: list[Fault] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    digests: dict[Path, bytes] = field(default_factory=dict)

    @property
    def errors(self) -> int:
        """Number of errors."""
        return sum(fault.level == ERROR for fault in self.faults)


def validate(folder: Path) -> Findings:
    """Check every set under `folder`."""
    findings = Findings()
    files = sorted(folder.glob("*/labels.jsonl"))
    if not files:
        findings.faults.append(Fault(ERROR, "no-labels", folder, 0, "no */labels.jsonl in it"))
    for file in files:
        entries = list(_parse(file, findings))
        for entry in entries:
            findings.faults += _check_entry(entry, findings)
        findings.faults += _check_set(file, entries)
        findings.entries += entries
    findings.faults += _check_splits(findings)
    return findings


def _parse(file: Path, findings: Findings) -> Iterator[Entry]:
    try:
        texts = file.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        findings.faults.append(Fault(ERROR, "not-utf-8", file, 0, str(error)))
        return
    for number, text in enumerate(texts, 1):
        if text.strip():
            try:
                line = json.loads(text)
            except json.JSONDecodeError as error:
                findings.faults.append(Fault(ERROR, "bad-json", file, number, str(error)))
                continue
            if fault := _unusable(line, file, number):
                findings.faults.append(fault)
            else:
                yield Entry(file, number, line)


def _unusable(line: Any, file: Path, number: int) -> Fault | None:
    """What keeps a line from being looked at: keys that are missing or of another type."""
    if not isinstance(line, dict):
        return Fault(ERROR, "missing-key", file, number, f"keys missing: {', '.join(REQUIRED)}")
    if missing := [key for key in REQUIRED if key not in line]:
        return Fault(ERROR, "missing-key", file, number, f"keys missing: {', '.join(missing)}")
    wrong = [key for key, kind in REQUIRED.items() if not isinstance(line[key], kind)]
    if "plates" not in wrong and not all(isinstance(plate, dict) for plate in line["plates"]):
        wrong.append("plates")
    if wrong:
        return Fault(ERROR, "bad-type", file, number, f"of the wrong type: {', '.join(wrong)}")
    return None


def _check_entry(entry: Entry, findings: Findings) -> Iterator[Fault]:
    line = entry.line
    if line["split"] not in SPLITS:
        yield entry.fault(ERROR, "unknown-split", f"split {line['split']!r}: use train, val or test")
    if line["kind"] not in KINDS:
        yield entry.fault(ERROR, "unknown-kind", f"kind {line['kind']!r}: use scene, crop or design")
    yield from _check_picture(entry, findings)
    for index, plate in enumerate(line["plates"]):
        yield from _check_plate(entry, index, plate)
    yield from _check_overlaps(entry)


def _check_picture(entry: Entry, findings: Findings) -> Iterator[Fault]:
    try:
        data = entry.picture.read_bytes()
    except (OSError, ValueError):  # ValueError: a name that no file can have
        yield entry.fault(ERROR, "missing-picture", f"{entry.line['image']}: no such file")
        return
    picture = _decoded(data)
    if picture is None:
        yield entry.fault(ERROR, "unreadable-picture", f"{entry.line['image']}: not a readable picture")
        return
    findings.digests[entry.picture] = hashlib.sha256(data).digest()
    said = (entry.line["width"], entry.line["height"])
    if said != (picture.shape[1], picture.shape[0]):
        real = f"{picture.shape[1]}x{picture.shape[0]}"
        yield entry.fault(ERROR, "wrong-size", f"labels say {said[0]}x{said[1]}, the picture is {real}")


def _decoded(data: bytes) -> cv2.typing.MatLike | None:
    try:
        return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    except cv2.error:  # more pixels than OpenCV takes
        return None


def _check_plate(entry: Entry, index: int, plate: dict[str, Any]) -> Iterator[Fault]:
    where = f"plate {index + 1}"
    box: list[float] = plate.get("box", [])
    if not _is_numbers(box, 4):
        yield entry.fault(ERROR, "bad-box", f"{where}: box is not four numbers: {box!r}")
        return
    x1, y1, x2, y2 = box
    if x2 <= x1 or y2 <= y1:
        yield entry.fault(ERROR, "empty-box", f"{where}: box {box} has no area")
        return
    width, height = entry.line["width"], entry.line["height"]
    if min(x1, y1) < -EDGE_PX or x2 > width + EDGE_PX or y2 > height + EDGE_PX:
        yield entry.fault(ERROR, "box-outside", f"{where}: box {box} leaves the {width}x{height} picture")
    if y2 - y1 < SMALL_PX:
        yield entry.fault(WARNING, "small-plate", f"{where}: {y2 - y1:.1f} px high, too small to learn from")
    elif not ASPECTS[0] <= (x2 - x1) / (y2 - y1) <= ASPECTS[1]:
        yield entry.fault(WARNING, "odd-shape", f"{where}: {(x2 - x1) / (y2 - y1):.1f} times as wide as high")
    yield from _check_quad(entry, where, plate.get("quad"), box)
    yield from _check_text(entry, where, plate.get("text"))


def _is_numbers(value: object, count: int) -> bool:
    return (
        isinstance(value, list)
        and len(value) == count
        and all(isinstance(number, int | float) and np.isfinite(number) for number in value)
    )


def _check_quad(entry: Entry, where: str, quad: object, box: list[float]) -> Iterator[Fault]:
    if quad is None:
        return
    if not isinstance(quad, list) or len(quad) != 4 or not all(_is_numbers(corner, 2) for corner in quad):
        yield entry.fault(ERROR, "bad-quad", f"{where}: quad is not four corners")
        return
    corners = np.array(quad, float)
    following = np.roll(corners, -1, 0)
    area = float((corners[:, 0] * following[:, 1] - following[:, 0] * corners[:, 1]).sum() / 2)
    if area <= 0:
        yield entry.fault(ERROR, "quad-order", f"{where}: corners are not clockwise from the top left")
        return
    reach = max(QUAD_REACH_PX, 0.1 * (box[3] - box[1]))
    if (corners < np.array(box[:2]) - reach).any() or (corners > np.array(box[2:]) + reach).any():
        yield entry.fault(ERROR, "quad-outside", f"{where}: a corner lies outside the box")


def _check_text(entry: Entry, where: str, text: object) -> Iterator[Fault]:
    if text is not None and (not isinstance(text, str) or not TEXT.fullmatch(text)):
        yield entry.fault(ERROR, "bad-text", f"{where}: text {text!r}: use A-Z and 0-9 only, or null")
    elif text is not None and len(text) > MAX_LENGTH:
        said = f"text {text!r} has over {MAX_LENGTH} characters: a reader's training leaves it out"
        yield entry.fault(WARNING, "long-text", f"{where}: {said}")


def _check_overlaps(entry: Entry) -> Iterator[Fault]:
    boxes = [plate.get("box") for plate in entry.line["plates"]]
    for (i, first), (j, second) in combinations(enumerate(boxes), 2):
        if _is_numbers(first, 4) and _is_numbers(second, 4) and _iou(first, second) > SAME_PLATE_IOU:
            yield entry.fault(WARNING, "same-plate-twice", f"plates {i + 1} and {j + 1} cover each other")


def _iou(first: list[float], second: list[float]) -> float:
    return float(iou(np.array([first], np.float32), np.array([second], np.float32))[0, 0])


def _check_set(file: Path, entries: Sequence[Entry]) -> Iterator[Fault]:
    """What shows only when all lines of a set are known."""
    counts = Counter(str(entry.line["image"]) for entry in entries)
    for entry in entries:
        if counts[str(entry.line["image"])] > 1:
            yield entry.fault(ERROR, "picture-twice", f"{entry.line['image']} stands in more than one line")
    listed = {entry.picture for entry in entries}
    for path in sorted(file.parent.rglob("*")):
        if path.suffix.lower() in PICTURE_SUFFIXES and path not in listed:
            yield Fault(WARNING, "not-listed", file, 0, f"{path.relative_to(file.parent)} has no line")


def _check_splits(findings: Findings) -> Iterator[Fault]:
    """What must not be in two splits: a text, a picture; and every split must have pictures."""
    texts: dict[str, list[Entry]] = defaultdict(list)
    pictures: dict[bytes, list[Entry]] = defaultdict(list)
    for entry in findings.entries:
        for plate in entry.line["plates"]:
            if isinstance(plate.get("text"), str) and plate["text"]:
                texts[plate["text"]].append(entry)
        if entry.picture in findings.digests:
            pictures[findings.digests[entry.picture]].append(entry)
    named = [(f"text {text}", entries) for text, entries in texts.items()]
    yield from _leaks(named, WARNING, "text-leaks")
    yield from _leaks([("this picture", entries) for entries in pictures.values()], ERROR, "picture-leaks")
    used = {entry.line["split"] for entry in findings.entries}
    for split in sorted(SPLITS - used) if findings.entries else ():
        first = findings.entries[0]
        yield Fault(WARNING, "empty-split", first.file.parent.parent, 0, f"no picture in the split '{split}'")


def _leaks(groups: Sequence[tuple[str, list[Entry]]], level: str, slug: str) -> Iterator[Fault]:
    for what, entries in groups:
        for entry in entries:
            unseen_by = UNSEEN_BY.get(entry.line["split"], ())
            for other in [other for other in entries if other.line["split"] in unseen_by][:1]:
                place = f"{other.file}:{other.number}"
                yield entry.fault(level, slug, f"{what} is also in {other.line['split']}: {place}")


def contact_sheet(findings: Findings, count: int, seed: int = 0) -> Picture:
    """(h, w, 3) uint8 BGR sheet of `count` pictures, those with faults first, framed by the worst level."""
    levels: dict[tuple[Path, int], str] = {}
    for fault in sorted(findings.faults, key=lambda fault: fault.level == ERROR):
        levels[fault.file, fault.line] = fault.level
    readable = [entry for entry in findings.entries if entry.picture in findings.digests]
    order = np.random.default_rng(seed).permutation(len(readable))
    mixed = [readable[index] for index in order]
    ranks = {ERROR: 0, WARNING: 1}
    mixed.sort(key=lambda entry: ranks.get(levels.get((entry.file, entry.number), ""), 2))
    tiles = [_tile(entry, levels.get((entry.file, entry.number))) for entry in mixed[:count]]
    blank = np.zeros((TILE_PX, TILE_PX, 3), np.uint8)
    tiles += [blank] * (-len(tiles) % COLUMNS or (0 if tiles else COLUMNS))
    rows = [np.hstack(tiles[start : start + COLUMNS]) for start in range(0, len(tiles), COLUMNS)]
    return np.asarray(np.vstack(rows), np.uint8)


def _tile(entry: Entry, level: str | None) -> Picture:
    picture = np.asarray(cv2.imread(str(entry.picture)), np.uint8)
    for plate in entry.line["plates"]:
        if _is_numbers(plate.get("box"), 4):
            beyond = np.tile(picture.shape[1::-1], 2)
            x1, y1, x2, y2 = np.clip(plate["box"], -beyond, 2 * beyond).round().astype(int).tolist()
            thickness = max(1, max(picture.shape) // 240)
            cv2.rectangle(picture, (x1, y1), (x2, y2), (0, 255, 0), thickness)
    scale = TILE_PX / max(picture.shape[:2])
    size = (max(1, int(picture.shape[1] * scale)), max(1, int(picture.shape[0] * scale)))
    tile = np.zeros((TILE_PX, TILE_PX, 3), np.uint8)
    tile[: size[1], : size[0]] = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    name = f"{entry.file.parent.name}:{entry.number}"
    cv2.putText(tile, name, (3, TILE_PX - 5), cv2.FONT_HERSHEY_PLAIN, 0.8, (255, 255, 255), 1)
    if level:
        colour = (0, 0, 255) if level == ERROR else (0, 190, 255)
        cv2.rectangle(tile, (0, 0), (TILE_PX - 1, TILE_PX - 1), colour, 3)
    return tile


def summary(findings: Findings) -> list[str]:
    """Counts of pictures by split and of faults by kind."""
    splits = Counter(str(entry.line["split"]) for entry in findings.entries)
    plates = sum(len(entry.line["plates"]) for entry in findings.entries)
    parts = ", ".join(f"{split} {count}" for split, count in sorted(splits.items()))
    kinds = Counter(f"{fault.level} {fault.slug}" for fault in findings.faults)
    counted = [f"{count} x {kind}" for kind, count in sorted(kinds.items())]
    return [f"{len(findings.entries)} pictures ({parts}), {plates} plates", *counted]


def run(options: argparse.Namespace) -> int:
    """Validate what `options` ask for; 1 when there are errors."""
    findings = validate(options.data)
    for fault in findings.faults:
        print(fault)
    print("\n".join(summary(findings)), file=sys.stderr)
    if options.sheet:
        write_picture(options.sheet, contact_sheet(findings, options.count))
    return 1 if findings.errors else 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Print all faults and a summary; 1 when there are errors, 2 if the sheet cannot be written."""
    parser = ToolParser("tools.validate_dataset", __doc__)
    parser.add_argument("data", type=Path, help="folder of sets, each with labels.jsonl")
    parser.add_argument("--sheet", type=Path, help="write a contact sheet here")
    parser.add_argument("--count", type=whole(1), default=60, help="pictures on the sheet")
    options = parser.parse_args(arguments)
    return exit_code("validate_dataset", lambda: run(options))


if __name__ == "__main__":
    raise SystemExit(main())
