"""Labels of plates as tools write them: Pascal VOC (labelimg), YOLO, COCO, CSV and our JSONL."""

from __future__ import annotations

import csv
import io
import json
import sys
import xml.etree.ElementTree as ElementTree
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Annotated, Any

from pydantic import ConfigDict, Field, ValidationError
from pydantic.dataclasses import dataclass as pydantic_dataclass

from tools.refusal import ToolError, first_fault
from tools.training.detector_data import read_picture

Number = Annotated[float, Field(allow_inf_nan=False)]
Box = tuple[Number, Number, Number, Number]
Quad = tuple[tuple[Number, Number], ...]

PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp"})
CLASS_NAME = "plate"
MORE = "more"
"""What a format keeps that holds all that our own labels tell."""

COLUMNS = ("image", "width", "height", "x1", "y1", "x2", "y2", "text")


class LabelError(ToolError):
    """Labels that cannot be read; the message names file and place."""


STRICT = ConfigDict(strict=True)
"""Values of another type raise ValidationError, which is a ValueError."""


@pydantic_dataclass(frozen=True, config=STRICT)
class Plate:
    """One plate. `box`: x1 y1 x2 y2 in pixels; `quad`: four corners clockwise from its top left, or None;
    `text`: None where unknown; `name`: of its class where the format has classes; `more`: what else our own
    labels tell."""

    box: Box
    text: str | None = None
    quad: Quad | None = None
    name: str = field(default="", compare=False)
    more: dict[str, Any] = field(default_factory=dict)


@pydantic_dataclass(frozen=True, config=STRICT)
class Labelled:
    """One picture with all its plates; `image` is its path relative to the folder of pictures, `more` what
    else our own labels tell."""

    image: str
    width: int
    height: int
    plates: tuple[Plate, ...]
    more: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Format:
    """How one format is read from a path and written to one; `keeps` names what it can hold beside boxes."""

    read: Callable[[Path, Path], list[Labelled]]
    write: Callable[[Sequence[Labelled], Path], None]
    keeps: frozenset[str]


def lost(pictures: Sequence[Labelled], keeps: frozenset[str]) -> dict[str, int]:
    """What of `pictures` a format that `keeps` only so much would drop, counted by kind."""
    plates = [plate for picture in pictures for plate in picture.plates]
    counts = {
        "text": sum(plate.text is not None for plate in plates),
        "quad": sum(plate.quad is not None for plate in plates),
    }
    if MORE not in keeps:
        known = [picture.more for picture in pictures] + [plate.more for plate in plates]
        counts |= Counter(key for more in known for key, value in more.items() if value not in (None, ""))
    return {kind: count for kind, count in counts.items() if count and kind not in keeps}


def _fault(error: Exception) -> str:
    return first_fault(error) if isinstance(error, ValidationError) else repr(error)


def _number(value: float) -> float:
    return round(value, 2)


def _text(path: Path) -> str:
    """A file's text, without the mark that Windows puts before it."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise LabelError(f"{path}: not UTF-8 ({error}); save it as UTF-8") from error


def _relative(image: str, folder: str = ".") -> str:
    """A picture's path below the folder of pictures: of an absolute one, as tools of other machines leave it,
    the name alone; a bare name lies in `folder`."""
    windows = PureWindowsPath(image)
    if windows.is_absolute() or image.startswith(("/", "\\")):
        image = windows.name
    else:
        image = image if "/" in image else windows.as_posix()
    return image if "/" in image else (PurePosixPath(folder) / image).as_posix()


def read_voc(source: Path, pictures: Path) -> list[Labelled]:
    """One XML a picture, as labelimg writes them; a `text` element in an object is the plate's text.

    Boxes are taken as they stand, from 0: labelimg does not follow the format's count from 1. A file name
    without a folder is taken to lie where its labels do.
    """
    root = source if source.is_dir() else source.parent
    return [_voc_picture(path, path.parent.relative_to(root).as_posix()) for path in _files(source, ".xml")]


def _voc_picture(path: Path, folder: str) -> Labelled:
    try:
        root = ElementTree.parse(path).getroot()
        width, height = (int(_voc_text(root, f"size/{side}")) for side in ("width", "height"))
        plates = tuple(_voc_plate(found) for found in root.iter("object"))
        return Labelled(_relative(_voc_text(root, "filename"), folder), width, height, plates)
    except ValidationError as error:
        raise LabelError(f"{path}: {first_fault(error)}") from error
    except (ElementTree.ParseError, ValueError, LabelError) as error:
        raise LabelError(f"{path}: {error}") from error


def _voc_plate(found: ElementTree.Element) -> Plate:
    x1, y1, x2, y2 = (float(_voc_text(found, f"bndbox/{key}")) for key in ("xmin", "ymin", "xmax", "ymax"))
    return Plate((x1, y1, x2, y2), found.findtext("text") or None, name=found.findtext("name") or "")


def _voc_text(element: ElementTree.Element, path: str) -> str:
    text = element.findtext(path)
    if text is None:
        raise LabelError(f"no <{path}>")
    return text


def write_voc(pictures: Sequence[Labelled], target: Path) -> None:
    """Write one XML a picture into the folder `target`."""
    _check_names(pictures)
    for picture in pictures:
        root = ElementTree.Element("annotation")
        ElementTree.SubElement(root, "filename").text = picture.image
        _voc_numbers(root, "size", {"width": picture.width, "height": picture.height, "depth": 3})
        for plate in picture.plates:
            element = ElementTree.SubElement(root, "object")
            ElementTree.SubElement(element, "name").text = CLASS_NAME
            if plate.text is not None:
                ElementTree.SubElement(element, "text").text = plate.text
            names = ("xmin", "ymin", "xmax", "ymax")
            _voc_numbers(element, "bndbox", dict(zip(names, map(_number, plate.box), strict=True)))
        path = _side_file(target, picture.image, ".xml")
        ElementTree.indent(root)
        path.write_text(ElementTree.tostring(root, encoding="unicode"), encoding="utf-8")


def _voc_numbers(parent: ElementTree.Element, name: str, numbers: dict[str, Any]) -> None:
    element = ElementTree.SubElement(parent, name)
    for key, value in numbers.items():
        ElementTree.SubElement(element, key).text = str(value)


def read_yolo(source: Path, pictures: Path) -> list[Labelled]:
    """One text file a picture, `class cx cy w h` a plate in shares of the picture.

    Pictures without a text file have no plates, as YOLO's trainings take it.
    """
    found = _pictures(pictures)
    labels = {path.relative_to(source).with_suffix("") for path in source.rglob("*.txt") if _is_yolo(path)}
    alone = sorted(labels - {path.relative_to(pictures).with_suffix("") for path in found})
    if alone:
        raise LabelError(
            f"{source}: {len(alone)} files of labels without a picture in {pictures}, first {alone[0]}.txt"
            "; name the folder of pictures with --pictures"
        )
    return [_yolo_picture(path, source, pictures) for path in found]


def _is_yolo(path: Path) -> bool:
    """Whether a text file holds labels: not the names of classes or pictures beside them."""
    words = _text(path).split()
    return bool(words) and words[0].isdigit() and len(words) >= 5


def _yolo_picture(path: Path, source: Path, pictures: Path) -> Labelled:
    image = path.relative_to(pictures).as_posix()
    width, height = _picture_size(path)
    labels = source / Path(image).with_suffix(".txt")
    lines = _text(labels).splitlines() if labels.exists() else []
    plates = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            name, *shares = line.split()
            cx, cy, w, h = (float(value) for value in shares)
            x1, y1 = (cx - w / 2) * width, (cy - h / 2) * height
            x2, y2 = (cx + w / 2) * width, (cy + h / 2) * height
            plates.append(Plate((_number(x1), _number(y1), _number(x2), _number(y2)), name=name))
        except ValueError as error:
            raise LabelError(f"{labels}:{number}: expected 'class cx cy w h', got '{line}'") from error
    return Labelled(image, width, height, tuple(plates))


def write_yolo(pictures: Sequence[Labelled], target: Path) -> None:
    """Write one text file a picture into the folder `target`, empty where there is no plate."""
    _check_names(pictures)
    for picture in pictures:
        lines = []
        if picture.plates and min(picture.width, picture.height) < 1:
            raise LabelError(f"{picture.image}: its labels say {picture.width}x{picture.height} pixels")
        for plate in picture.plates:
            x1, y1, x2, y2 = plate.box
            centre = ((x1 + x2) / 2 / picture.width, (y1 + y2) / 2 / picture.height)
            size = ((x2 - x1) / picture.width, (y2 - y1) / picture.height)
            lines.append("0 " + " ".join(f"{value:.7f}" for value in (*centre, *size)) + "\n")
        _side_file(target, picture.image, ".txt").write_text("".join(lines), encoding="utf-8")


def read_coco(source: Path, pictures: Path) -> list[Labelled]:
    """One JSON file; a four-cornered polygon is the quad, `attributes.text` the text.

    Annotations of an image that is not in it are left out and counted on standard error.
    """
    try:
        data = json.loads(_text(source))
        names = {category["id"]: str(category["name"]) for category in data.get("categories") or ()}
        plates: dict[int, list[Plate]] = defaultdict(list)
        for annotation in data["annotations"]:
            plates[annotation["image_id"]].append(_coco_plate(annotation, names))
        found = [_coco_picture(image, plates[image["id"]]) for image in data["images"]]
        alone = plates.keys() - {image["id"] for image in data["images"]}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise LabelError(f"{source}: not COCO labels: {_fault(error)}") from error
    if count := sum(len(plates[number]) for number in alone):
        print(f"{source}: left out {count} annotations of images that are not in it", file=sys.stderr)
    return found


def _coco_picture(image: dict[str, Any], plates: list[Plate]) -> Labelled:
    return Labelled(_relative(image["file_name"]), image["width"], image["height"], tuple(plates))


def _coco_plate(annotation: dict[str, Any], names: dict[int, str]) -> Plate:
    x, y, width, height = annotation["bbox"]
    polygons = annotation.get("segmentation") or []
    corners = polygons[0] if isinstance(polygons, list) and len(polygons) == 1 else []
    quad = tuple(zip(corners[::2], corners[1::2], strict=True)) if len(corners) == 8 else None
    box = (x, y, _number(x + width), _number(y + height))
    number = annotation.get("category_id")
    name = "" if number is None else names.get(number, str(number))
    return Plate(box=box, text=(annotation.get("attributes") or {}).get("text"), quad=quad, name=name)


def write_coco(pictures: Sequence[Labelled], target: Path) -> None:
    """Write all labels into the JSON file `target`."""
    annotations = [
        _coco_annotation(number, plate)
        for number, picture in enumerate(pictures, 1)
        for plate in picture.plates
    ]
    for number, annotation in enumerate(annotations, 1):
        annotation["id"] = number
    images = [
        {"id": number, "file_name": picture.image, "width": picture.width, "height": picture.height}
        for number, picture in enumerate(pictures, 1)
    ]
    categories = [{"id": 1, "name": CLASS_NAME}]
    whole = {"images": images, "annotations": annotations, "categories": categories}
    _write_json(target, whole)


def _coco_annotation(image_id: int, plate: Plate) -> dict[str, Any]:
    x1, y1, x2, y2 = plate.box
    width, height = _number(x2 - x1), _number(y2 - y1)
    made: dict[str, Any] = {"image_id": image_id, "category_id": 1, "iscrowd": 0}
    made |= {"bbox": [x1, y1, width, height], "area": _number(width * height)}
    if plate.quad is not None:
        made["segmentation"] = [[value for corner in plate.quad for value in corner]]
    if plate.text is not None:
        made["attributes"] = {"text": plate.text}
    return made


def _write_json(target: Path, whole: dict[str, Any]) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(whole, indent=1), encoding="utf-8")


def read_csv(source: Path, pictures: Path) -> list[Labelled]:
    """One row a plate, columns `COLUMNS`; a row without a box is a picture without plates."""
    plates: dict[tuple[str, int, int], list[Plate]] = defaultdict(list)
    rows = csv.DictReader(io.StringIO(_text(source), newline=""))
    missing = set(COLUMNS) - set(rows.fieldnames or ())
    if missing:
        raise LabelError(f"{source}: columns missing: {', '.join(sorted(missing))}")
    for row in rows:
        try:
            key = (_relative(row["image"]), int(row["width"]), int(row["height"]))
            found = plates[key]
            if row["x1"]:
                box = tuple(float(row[name]) for name in ("x1", "y1", "x2", "y2"))
                found.append(Plate((box[0], box[1], box[2], box[3]), row["text"] or None))
        except (TypeError, ValueError) as error:
            raise LabelError(f"{source}:{rows.line_num}: {_fault(error)}") from error
    return [Labelled(*key, tuple(found)) for key, found in plates.items()]


def write_csv(pictures: Sequence[Labelled], target: Path) -> None:
    """Write all labels into the CSV file `target`."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for picture in pictures:
            head = (picture.image, picture.width, picture.height)
            writer.writerows([*head, *map(_number, plate.box), plate.text or ""] for plate in picture.plates)
            if not picture.plates:
                writer.writerow([*head, "", "", "", "", ""])


def read_jsonl(source: Path, pictures: Path) -> list[Labelled]:
    """Our own `labels.jsonl`."""
    found = []
    for number, line in enumerate(_text(source).split("\n"), 1):
        if line.strip():
            try:
                found.append(_jsonl_picture(json.loads(line)))
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                raise LabelError(f"{source}:{number}: {_fault(error)}") from error
    return found


def _jsonl_picture(line: dict[str, Any]) -> Labelled:
    plates = []
    for plate in line["plates"]:
        x1, y1, x2, y2 = plate["box"]
        corners = plate.get("quad")
        quad = tuple((x, y) for x, y in corners) if corners else None
        more = {key: value for key, value in plate.items() if key not in ("box", "quad", "text")}
        plates.append(Plate(box=(x1, y1, x2, y2), text=plate.get("text"), quad=quad, more=more))
    if not isinstance(line.get("split"), str | None):
        raise TypeError(f"split {line['split']!r} is no text")
    head = {key: line[key] for key in ("image", "width", "height")}
    more = {key: value for key, value in line.items() if key not in (*head, "plates")}
    return Labelled(**head, plates=tuple(plates), more=more)


def jsonl_line(picture: Labelled, **more: object) -> str:
    """One line of our `labels.jsonl`; `more` adds keys such as split and country where none is told."""
    plates = [
        {"box": list(map(_number, plate.box)), "quad": plate.quad, "text": plate.text, **plate.more}
        for plate in picture.plates
    ]
    head = {"image": picture.image, "width": picture.width, "height": picture.height, "kind": "scene"}
    told = {key: value for key, value in picture.more.items() if value is not None}
    return json.dumps({**head, **more, **told, "plates": plates}, separators=(",", ":")) + "\n"


def write_jsonl(pictures: Sequence[Labelled], target: Path) -> None:
    """Write our `labels.jsonl` without splits."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text("".join(jsonl_line(picture) for picture in pictures), encoding="utf-8")


def _files(source: Path, suffix: str) -> list[Path]:
    found = sorted(source.rglob(f"*{suffix}")) if source.is_dir() else [source]
    if not found:
        raise LabelError(f"{source}: no {suffix} file in it")
    return found


def _pictures(folder: Path) -> list[Path]:
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in PICTURE_SUFFIXES)
    if not found:
        raise LabelError(f"{folder}: no picture in it; name the folder of pictures with --pictures")
    return found


def _picture_size(path: Path) -> tuple[int, int]:
    picture = read_picture(path)
    return int(picture.shape[1]), int(picture.shape[0])


def _check_names(pictures: Sequence[Labelled]) -> None:
    """Refuse pictures whose labels would overwrite each other, as those of `a.jpg` and `a.png`."""
    names: dict[Path, str] = {}
    for picture in pictures:
        other = names.setdefault(Path(picture.image).with_suffix(""), picture.image)
        if other is not picture.image:
            raise LabelError(f"{other} and {picture.image}: one file of labels for both; rename one")


def _side_file(folder: Path, image: str, suffix: str) -> Path:
    path = folder / Path(image).with_suffix(suffix)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


FORMATS = {
    "voc": Format(read_voc, write_voc, frozenset({"text"})),
    "yolo": Format(read_yolo, write_yolo, frozenset()),
    "coco": Format(read_coco, write_coco, frozenset({"text", "quad"})),
    "csv": Format(read_csv, write_csv, frozenset({"text"})),
    "jsonl": Format(read_jsonl, write_jsonl, frozenset({"text", "quad", MORE})),
}
