import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.cli.command import Command, in_own_process
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


def names_read(text: str) -> list[str]:
    return [Path(json.loads(line)["image"]).name for line in text.splitlines()]


def test_a_telephones_folder_gives_its_pictures(anpr_stream: Command, stubs: Path, tmp_path: Path) -> None:
    (tmp_path / "video.mp4").write_bytes(b"a recording")
    picture(tmp_path, "1.jpg")
    for place in (tmp_path, tmp_path / "*"):
        answer = anpr_stream("read", place, "-c", stubs)
        assert (answer.exit_code, names_read(answer.out)) == (0, ["1.jpg"])


def test_pictures_of_any_name_are_annotated(anpr_stream: Command, stubs: Path, tmp_path: Path) -> None:
    """A kind that is not written becomes another, and of one name there may be several."""
    jpeg = cv2.imencode(".jpg", scene(20))[1].tobytes()
    for name in ("a/1.webp", "b/1.webp", "1.jfif", "1.png", "plain"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(jpeg)
    out = tmp_path / "out"
    names = ("a/1.webp", "b/1.webp", "1.jfif", "1.png", "plain")
    answer = anpr_stream("read", *(tmp_path / name for name in names), "-c", stubs, "--annotate", out)
    assert (answer.exit_code, answer.err) == (0, "")
    assert {path.name for path in out.iterdir()} == {"1.webp", "1-2.webp", "1.png", "1-2.png", "plain.png"}
    assert all(cv2.imread(str(path)) is not None for path in out.iterdir())


def test_a_picture_that_cannot_be_written_does_not_stop_the_next(
    anpr_stream: Command, stubs: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    (out / "a.png").mkdir(parents=True)
    pictures = [picture(tmp_path, name) for name in ("a.png", "b.png")]
    answer = anpr_stream("read", *pictures, "-c", stubs, "--annotate", out)
    assert answer.is_one_line_error(73, "a.png: cannot write the picture: Is a directory")
    assert names_read(answer.out) == ["a.png", "b.png"]
    assert (out / "b.png").is_file()


def test_a_picture_too_large_for_its_kind_is_told(anpr_stream: Command, stubs: Path, tmp_path: Path) -> None:
    wide = cv2.imencode(".png", np.zeros((40, 17000, 3), np.uint8))[1]
    (tmp_path / "wide.webp").write_bytes(wide.tobytes())
    answer = anpr_stream("read", tmp_path / "wide.webp", "-c", stubs, "--annotate", tmp_path / "out")
    assert answer.is_one_line_error(73, ".webp takes no picture of this size")
    assert not (tmp_path / "out" / "wide.webp").exists()


@pytest.mark.parametrize("form", [[], ["--table"]])
def test_a_name_in_latin_1_is_read_and_escaped(stubs: Path, tmp_path: Path, form: list[str]) -> None:
    latin = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png")
    Path(latin).write_bytes(picture(tmp_path).read_bytes())
    answer = in_own_process("read", latin, "-c", stubs, *form)
    assert answer.exit_code == 0, answer.err
    if form:
        assert TEXT in answer.out
    else:
        assert json.loads(answer.out)["image"] == latin


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
