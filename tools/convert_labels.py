"""Convert labels of plates: `python -m tools.convert_labels voc annotations/ jsonl mydata/labels.jsonl`.

Towards `jsonl`, pictures get a split by a hash of their name (the same picture, the same split, always)
and `--country`; what labels in `jsonl` tell already stays. What the target format cannot hold is counted and
named.
"""

from __future__ import annotations

import argparse
import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tools.label_formats import FORMATS, Labelled, jsonl_line, lost
from tools.options import ToolParser, share
from tools.refusal import ToolError, exit_code


def split_of(image: str, val_share: float, test_share: float) -> str:
    """`train`, `val` or `test` by a hash of the picture's name."""
    place = int.from_bytes(hashlib.sha256(image.encode()).digest()[:4], "big") / 2**32
    if place < test_share:
        return "test"
    return "val" if place < test_share + val_share else "train"


def write_ours(pictures: Sequence[Labelled], target: Path, options: argparse.Namespace) -> Counter[str]:
    """Write our `labels.jsonl` with splits; returns the number of pictures in each."""
    splits = [p.more.get("split") or split_of(p.image, options.val, options.test) for p in pictures]
    more = {"country": options.country, "source": options.note, "complete": True}
    if options.incomplete:
        pictures = [replace(picture, more={**picture.more, "complete": False}) for picture in pictures]
    target.parent.mkdir(parents=True, exist_ok=True)
    lines = (
        jsonl_line(picture, split=split, **more) for picture, split in zip(pictures, splits, strict=True)
    )
    target.write_text("".join(lines), encoding="utf-8")
    return Counter(splits)


def of_class(pictures: Sequence[Labelled], wanted: Sequence[str]) -> tuple[list[Labelled], list[str]]:
    """Leave the plates of the `wanted` classes, all where none is named; and what to say of the others.

    Raises:
        ToolError: nothing is of a class that is named.
    """
    found = Counter(plate.name for picture in pictures for plate in picture.plates)
    told = ", ".join(f"{name} {count}" for name, count in sorted(found.items()) if name)
    if unknown := [name for name in wanted if name not in found]:
        raise ToolError(f"--class {', '.join(unknown)}: not in the labels; there are {told or 'no classes'}")
    if not wanted:
        say = f"all classes are taken for plates: {told}; name those that are with --class"
        return list(pictures), [say] if len(found) > 1 else []
    kept = [
        replace(picture, plates=tuple(plate for plate in picture.plates if plate.name in wanted))
        for picture in pictures
    ]
    others = sum(found.values()) - sum(found[name] for name in set(wanted))
    return kept, [f"left out {others} of other classes: {told}"] if others else []


def convert(options: argparse.Namespace) -> list[str]:
    """Read, write, and say in lines what was done and what was lost.

    Raises:
        LabelError, OSError: the source cannot be read or the target not written.
        ToolError: the shares of the splits are more than all.
    """
    if options.val + options.test > 1:
        raise ToolError("--val and --test together are more than all pictures: 1 is all of them")
    source, target = FORMATS[options.source_format], FORMATS[options.target_format]
    read = source.read(options.source, options.pictures or options.source)
    pictures, said = of_class(read, options.classes)
    plates = sum(len(picture.plates) for picture in pictures)
    said.append(f"{len(pictures)} pictures, {plates} plates")
    if options.target_format == "jsonl":
        splits = write_ours(pictures, options.target, options)
        said.append(", ".join(f"{split} {splits[split]}" for split in ("train", "val", "test")))
    else:
        target.write(pictures, options.target)
    dropped = lost(pictures, target.keeps)
    return said + [
        f"{options.target_format} holds no {kind}: {count} lost" for kind, count in dropped.items()
    ]


def _parser() -> argparse.ArgumentParser:
    made = ToolParser("tools.convert_labels", __doc__)
    made.add_argument("source_format", choices=FORMATS)
    made.add_argument("source", type=Path, help="file, or folder for voc and yolo")
    made.add_argument("target_format", choices=FORMATS)
    made.add_argument("target", type=Path, help="file, or folder for voc and yolo")
    made.add_argument(
        "--pictures", type=Path, help="folder of the pictures (yolo); default: beside the labels"
    )
    made.add_argument(
        "--class",
        dest="classes",
        action="append",
        default=[],
        help="what counts as a plate: a name (voc, coco) or a number (yolo); again for more; default: all",
    )
    made.add_argument("--val", type=share, default=0.1, help="share of pictures for validation (jsonl)")
    made.add_argument("--test", type=share, default=0.1, help="share of pictures for the final test (jsonl)")
    made.add_argument("--country", help="ISO 3166-1 alpha-2 in lower case, where none is told (jsonl)")
    made.add_argument("--note", default="", help="where the pictures come from (jsonl)")
    made.add_argument(
        "--incomplete", action="store_true", help="there are plates without a box in the pictures (jsonl)"
    )
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Convert; 2 after one line on what is wrong."""
    options = _parser().parse_args(arguments)
    return exit_code("convert_labels", lambda: print("\n".join(convert(options))))


if __name__ == "__main__":
    raise SystemExit(main())
