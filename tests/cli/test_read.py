import json
from pathlib import Path

import cv2

from tests.cli.command import Command
from tests.stubs import TEXT, scene

PLATE_KEYS = [
    "box",
    "quad",
    "text",
    "confidence",
    "char_confidences",
    "candidates",
    "lines",
    "detection_confidence",
]


def picture(folder: Path, name: str = "gate.png") -> Path:
    path = folder / name
    cv2.imwrite(str(path), scene(20))
    return path


def test_a_picture_gives_one_line_of_the_schema(anpr_stream: Command, stubs: Path, tmp_path: Path) -> None:
    path = picture(tmp_path)
    answer = anpr_stream("read", path, "-c", stubs)
    assert answer.exit_code == 0, answer.err
    line = json.loads(answer.out)
    assert list(line) == ["image", "width", "height", "seconds", "plates"]
    assert (line["image"], line["width"], line["height"]) == (str(path), 640, 360)
    (plate,) = line["plates"]
    assert list(plate) == PLATE_KEYS
    assert plate["text"] == TEXT
    assert plate["quad"] is None
    assert plate["lines"] == 1
    assert len(plate["char_confidences"]) == len(TEXT)
    assert plate["candidates"][0]["text"] == TEXT
    assert 0 < plate["detection_confidence"] <= 1


def test_a_folder_is_read_in_order(anpr_stream: Command, stubs: Path, tmp_path: Path) -> None:
    for name in ("b2.png", "b10.png", "a.png"):
        picture(tmp_path, name)
    answer = anpr_stream("read", tmp_path, "-c", stubs)
    names = [Path(json.loads(line)["image"]).name for line in answer.out.splitlines()]
    assert names == ["a.png", "b2.png", "b10.png"]


def test_a_table_is_for_people(anpr_stream: Command, stubs: Path, tmp_path: Path) -> None:
    answer = anpr_stream("read", picture(tmp_path), "-c", stubs, "--table")
    assert TEXT in answer.out
    assert "{" not in answer.out


def test_annotated_pictures_are_written(anpr_stream: Command, stubs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "annotated"
    assert anpr_stream("read", picture(tmp_path), "-c", stubs, "--annotate", folder).exit_code == 0
    annotated = cv2.imread(str(folder / "gate.png"))
    assert annotated.shape == (360, 640, 3)
    assert (annotated != scene(20)).any()


def test_the_settings_turn_pictures(anpr_stream: Command, stubs: Path, tmp_path: Path) -> None:
    config = tmp_path / "turned.yaml"
    config.write_text(stubs.read_text() + "source: {rotate: 90}\n")
    path = tmp_path / "sideways.png"
    cv2.imwrite(str(path), cv2.rotate(scene(20), cv2.ROTATE_90_COUNTERCLOCKWISE))
    line = json.loads(anpr_stream("read", path, "-c", config).out)
    assert (line["width"], line["height"]) == (640, 360)
    assert [plate["text"] for plate in line["plates"]] == [TEXT]


def test_a_folder_that_takes_no_pictures_is_told(anpr_stream: Command, stubs: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    answer = anpr_stream("read", picture(tmp_path), "-c", stubs, "--annotate", tmp_path / "file")
    assert answer.is_one_line_error(73, "cannot write the picture")


def test_a_missing_network_is_told(anpr_stream: Command, tmp_path: Path) -> None:
    config = tmp_path / "a.yaml"
    config.write_text("detector: {model: no-such-network}\n")
    answer = anpr_stream("read", picture(tmp_path), "-c", config)
    assert answer.is_one_line_error(65, "no network is called no-such-network")
