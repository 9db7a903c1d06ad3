"""`anpr-stream read`: plates of single pictures."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any

import cv2
import typer
from rich.console import Console
from rich.table import Table

from anpr_stream.cli.options import Backend, Config, Reader, settings_from
from anpr_stream.cli.overwriting import refuse_overwriting
from anpr_stream.config.schema import Settings
from anpr_stream.errors import SinkError, SourceError, reason_of
from anpr_stream.pipeline.annotate import draw
from anpr_stream.pipeline.follower import Mark
from anpr_stream.pipeline.networks import Networks, load_networks
from anpr_stream.pipeline.pictures import PicturePlate, for_pictures, read_picture
from anpr_stream.sources.locate import locate
from anpr_stream.sources.pictures import picture_frame
from anpr_stream.types import Frame
from anpr_stream.vision.planes import full_bgr


def read(
    images: Annotated[
        list[str],
        typer.Argument(metavar="IMAGE", help="Pictures, folders and globs of them.", show_default=False),
    ],
    config: Config = None,
    table: Annotated[bool, typer.Option("--table", help="A table for people instead of JSON.")] = False,
    annotate: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write each picture with boxes and texts here.")
    ] = None,
    backend: Backend = None,
    reader: Reader = None,
) -> None:
    """Read the plates of pictures.

    Prints one line of JSON for each picture, the surest plate first. A picture that cannot be read gives
    a line with its error; the others are still read, and the exit code is 1.
    """
    settings = settings_from(config, {"inference.backend": backend, "reader.reader": reader})
    settings = for_pictures(settings)
    if annotate is not None:
        _keep_pictures(images, settings, annotate)
    with load_networks(settings) as networks:
        answers = _answers(images, networks, settings, annotate)
        is_failed = _print_table(answers) if table else _print_json(answers)
    if is_failed:
        raise typer.Exit(1)


Answer = dict[str, Any]


def _keep_pictures(images: Sequence[str], settings: Settings, annotate: Path) -> None:
    """Refuse a folder that holds one of the pictures: what is written there has their names."""
    try:
        present = list(annotate.iterdir()) if annotate.is_dir() else []
    except OSError as error:
        raise SinkError(f"{annotate}: cannot be looked into: {reason_of(error)}", "picture-write") from error
    refuse_overwriting(
        [("--annotate", path) for path in present], [(image, settings.source) for image in images]
    )


def _answers(
    images: Sequence[str], networks: Networks, settings: Settings, annotate: Path | None
) -> Iterator[Answer]:
    for name in images:
        try:
            paths: Sequence[Path] = locate(name, settings.source).paths
        except SourceError as error:
            yield {"image": name, "error": error.message}
            continue
        for path in paths or (Path(name),):
            yield _answer(path, networks, settings, annotate)


def _answer(path: Path, networks: Networks, settings: Settings, annotate: Path | None) -> Answer:
    began_s = perf_counter()
    try:
        frame = picture_frame(path, path.name, rotate=settings.source.rotate)
    except SourceError as error:
        return {"image": str(path), "error": error.message}
    plates = read_picture(frame, networks, settings)
    took_s = perf_counter() - began_s
    if annotate is not None:
        _write_annotated(annotate / path.name, frame, plates)
    return {
        "image": str(path),
        "width": frame.width,
        "height": frame.height,
        "seconds": round(took_s, 4),
        "plates": [_plate(plate) for plate in plates],
    }


def _plate(plate: PicturePlate) -> Answer:
    detection, text = plate.detection, plate.read
    return {
        "box": [round(edge, 1) for edge in detection.box],
        "quad": detection.quad and [[round(x, 1), round(y, 1)] for x, y in detection.quad],
        "text": text.text,
        "confidence": round(text.confidence, 4),
        "char_confidences": [round(value, 4) for value in plate.char_confidences],
        "candidates": [
            {"text": candidate.text, "confidence": round(candidate.confidence, 4)}
            for candidate in text.candidates
        ],
        "lines": max(1, len(text.line_lengths)),
        "detection_confidence": round(detection.confidence, 4),
    }


def _write_annotated(path: Path, frame: Frame, plates: Sequence[PicturePlate]) -> None:
    image = full_bgr(frame.planes)
    draw(image, [Mark(0, plate.detection.box, plate.read.text, is_seen=True) for plate in plates])
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        is_written = cv2.imwrite(str(path), image)
    except (OSError, cv2.error) as error:
        raise SinkError(f"{path}: cannot write the picture: {reason_of(error)}", "picture-write") from error
    if not is_written:
        raise SinkError(f"{path}: cannot write the picture", "picture-write")


def _print_json(answers: Iterator[Answer]) -> bool:
    """Print one line each; tell whether any picture failed."""
    is_failed = False
    for answer in answers:
        is_failed |= "error" in answer
        sys.stdout.write(json.dumps(answer, ensure_ascii=False) + "\n")
        sys.stdout.flush()
    return is_failed


def _print_table(answers: Iterator[Answer]) -> bool:
    table = Table("picture", "plate", "sure", "found", "box", box=None, pad_edge=False)
    is_failed = False
    for answer in answers:
        is_failed |= "error" in answer
        for plate in answer.get("plates", []):
            sure, found = f"{plate['confidence']:.1%}", f"{plate['detection_confidence']:.1%}"
            table.add_row(answer["image"], plate["text"], sure, found, str(plate["box"]))
        if not answer.get("plates"):
            table.add_row(answer["image"], answer.get("error", "no plate"))
    Console().print(table)
    return is_failed
