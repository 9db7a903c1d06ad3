"""`anpr-stream read`: plates of single pictures."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from anpr_stream.cli.annotated import AnnotatedFolder
from anpr_stream.cli.options import Backend, Config, Reader, settings_from
from anpr_stream.cli.overwriting import refuse_overwriting
from anpr_stream.config.schema import Settings
from anpr_stream.errors import SinkError, SourceError, reason_of
from anpr_stream.pipeline.networks import Networks, load_networks
from anpr_stream.pipeline.pictures import PicturePlate, for_pictures, read_picture
from anpr_stream.sources.locate import Kind, locate
from anpr_stream.sources.pictures import picture_frame


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
    a line with its error; the others are still read, and the exit code is 1. Of folders and globs that hold
    recordings, too, only the pictures are taken.
    """
    settings = settings_from(config, {"inference.backend": backend, "reader.reader": reader})
    settings = for_pictures(settings)
    if annotate is not None:
        _keep_pictures(images, settings, annotate)
    annotated = None if annotate is None else AnnotatedFolder(annotate)
    with load_networks(settings) as networks:
        answers = _answers(images, networks, settings, annotated)
        is_failed = _print_table(answers) if table else _print_json(answers)
    if annotated is not None and not annotated.is_whole:
        raise typer.Exit(SinkError.exit_code)
    if is_failed:
        raise typer.Exit(1)


Answer = dict[str, Any]


def _keep_pictures(images: Sequence[str], settings: Settings, annotate: Path) -> None:
    """Refuse a folder that holds one of the pictures: what is written there has their names."""
    try:
        present = list(annotate.iterdir()) if annotate.is_dir() else []
    except OSError as error:
        raise SinkError(f"{annotate}: cannot be looked into: {reason_of(error)}", "picture-write") from error
    sources = [(image, settings.source) for image in images]
    refuse_overwriting([("--annotate", path) for path in present], sources, Kind.PICTURES)


def _answers(
    images: Sequence[str], networks: Networks, settings: Settings, annotated: AnnotatedFolder | None
) -> Iterator[Answer]:
    for name in images:
        try:
            paths: Sequence[Path] = locate(name, settings.source, Kind.PICTURES).paths
        except SourceError as error:
            yield {"image": name, "error": error.message}
            continue
        for path in paths or (Path(name),):
            yield _answer(path, networks, settings, annotated)


def _answer(path: Path, networks: Networks, settings: Settings, annotated: AnnotatedFolder | None) -> Answer:
    began_s = perf_counter()
    try:
        frame = picture_frame(path, path.name, rotate=settings.source.rotate)
    except SourceError as error:
        return {"image": str(path), "error": error.message}
    plates = read_picture(frame, networks, settings)
    took_s = perf_counter() - began_s
    if annotated is not None:
        annotated.write(path, frame, plates)
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


def _print_json(answers: Iterator[Answer]) -> bool:
    """Print one line each; tell whether any picture failed."""
    is_failed = False
    for answer in answers:
        is_failed |= "error" in answer
        sys.stdout.write(_printable(json.dumps(answer, ensure_ascii=False)) + "\n")
        sys.stdout.flush()
    return is_failed


def _print_table(answers: Iterator[Answer]) -> bool:
    table = Table("picture", "plate", "sure", "found", "box", box=None, pad_edge=False)
    is_failed = False
    for answer in answers:
        is_failed |= "error" in answer
        image = _printable(answer["image"])
        for plate in answer.get("plates", []):
            sure, found = f"{plate['confidence']:.1%}", f"{plate['detection_confidence']:.1%}"
            table.add_row(image, plate["text"], sure, found, str(plate["box"]))
        if not answer.get("plates"):
            table.add_row(image, _printable(answer.get("error", "no plate")))
    Console().print(table)
    return is_failed


def _printable(text: str) -> str:
    """Return the text with bytes of file names that are not UTF-8 as escapes, the same as those of JSON."""
    return text.encode("utf-8", "backslashreplace").decode()
