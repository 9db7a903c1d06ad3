"""What users get wrong, each through the real command line: one clear line and an exit code."""

import json
import os
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image as PilImage

from tests.cli.command import Command, in_own_process
from tests.media import render
from tests.rtsp_camera import Camera
from tests.stubs import TEXT, scene


def write_sound_only(path: Path) -> None:
    launch = "gst-launch-1.0 -q audiotestsrc num-buffers=50 ! vorbisenc ! oggmux ! filesink"
    subprocess.run([*launch.split(), f"location={path}"], check=True)


def write_unknown_codec(path: Path) -> None:
    """A clip whose H.264 is announced as something that nobody decodes."""
    clip = render(path.with_name("good.mp4"))
    path.write_bytes(clip.read_bytes().replace(b"avc1", b"zzz1"))


BAD_RECORDINGS: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty.mp4": (lambda path: path.touch(), "is empty"),
    "text.mp4": (lambda path: path.write_text("Dear editor, " * 100), "is no video"),
    "sound.ogg": (write_sound_only, "sound.ogg"),
    "unknown.mp4": (write_unknown_codec, "unknown.mp4"),
}


@pytest.mark.parametrize("name", BAD_RECORDINGS)
def test_a_recording_that_is_none(anpr_stream: Command, stubs: Path, tmp_path: Path, name: str) -> None:
    write, text = BAD_RECORDINGS[name]
    write(tmp_path / name)
    answer = anpr_stream("run", tmp_path / name, "-c", stubs)
    assert answer.is_one_line_error(66, text)
    assert "0 frames" not in answer.err
    assert answer.out == ""


def test_a_missing_recording(anpr_stream: Command, stubs: Path) -> None:
    assert anpr_stream("run", "/no/such/file.mp4", "-c", stubs).is_one_line_error(66, "does not exist")


def test_a_bad_recording_does_not_stop_a_good_one(
    anpr_stream: Command, clip: Path, stubs: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty.mp4").touch()
    answer = anpr_stream("run", tmp_path / "empty.mp4", clip, "-c", stubs)
    assert answer.is_one_line_error(66, "is empty")
    assert json.loads(answer.out.splitlines()[-1])["text"] == TEXT


def test_a_truncated_recording_gives_what_is_there(
    anpr_stream: Command, clip: Path, stubs: Path, tmp_path: Path
) -> None:
    content = clip.read_bytes()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(content[: len(content) * 3 // 4])
    answer = anpr_stream("run", cut, "-c", stubs)
    assert answer.exit_code in (0, 66)
    assert "Traceback" not in answer.err


def pictures(folder: Path) -> dict[str, Path]:
    """Pictures of every awkward kind, each with the magenta plate where there is room and colour."""
    colour = scene(20)
    made = {name: folder / f"{name}.png" for name in ("one", "grey", "deep", "colour")}
    cv2.imwrite(str(made["one"]), np.zeros((1, 1, 3), np.uint8))
    cv2.imwrite(str(made["grey"]), colour[:, :, 1])
    cv2.imwrite(str(made["deep"]), colour.astype(np.uint16) * 257)
    cv2.imwrite(str(made["colour"]), colour)
    made["cmyk"] = folder / "cmyk.jpg"
    PilImage.fromarray(colour[:, :, ::-1]).convert("CMYK").save(made["cmyk"], quality=95)
    return made


def is_all_of(line: dict[str, Any], plate: dict[str, Any]) -> bool:
    return plate["box"] == [0, 0, line["width"], line["height"]]


def test_pictures_of_every_kind_are_read(anpr_stream: Command, stubs: Path, tmp_path: Path) -> None:
    made = pictures(tmp_path)
    answer = anpr_stream("read", *made.values(), "-c", stubs)
    assert answer.exit_code == 0, answer.err
    found = dict(zip(made, map(json.loads, answer.out.splitlines()), strict=True))
    assert (found["one"]["width"], found["one"]["height"]) == (1, 1)
    assert found.pop("one")["plates"] == []
    assert {plate["text"] for line in found.values() for plate in line["plates"]} == {TEXT}
    # In grey the plate is not found, and the picture may be one as a whole.
    is_whole = {name: [is_all_of(line, plate) for plate in line["plates"]] for name, line in found.items()}
    assert is_whole == {"grey": [True], "deep": [False], "colour": [False], "cmyk": [False]}


def test_a_picture_of_12000_by_8000_is_read(anpr_stream: Command, stubs: Path, tmp_path: Path) -> None:
    path = tmp_path / "large.jpg"
    cv2.imwrite(str(path), np.full((8000, 12000, 3), 90, np.uint8))
    answer = anpr_stream("read", path, "-c", stubs)
    assert answer.exit_code == 0, answer.err
    line = json.loads(answer.out)
    assert (line["width"], line["height"]) == (12000, 8000)
    assert [is_all_of(line, plate) for plate in line["plates"]] == [True]


def test_a_picture_that_is_none_gives_a_line_and_the_others_are_read(
    anpr_stream: Command, stubs: Path, tmp_path: Path
) -> None:
    good, text, empty = (tmp_path / name for name in ("good.png", "text.png", "empty.png"))
    cv2.imwrite(str(good), scene(20))
    text.write_text("not a picture")
    empty.touch()
    answer = anpr_stream("read", text, empty, tmp_path / "none.png", good, "-c", stubs)
    assert answer.exit_code == 1
    lines = [json.loads(line) for line in answer.out.splitlines()]
    assert [set(line) for line in lines[:3]] == [{"image", "error"}] * 3
    assert lines[3]["plates"][0]["text"] == TEXT


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("gopher://camera/1", "gopher:// is not known"),
        ("rtsp://", "names no host"),
        ("rtsp://host:port/x", "is no valid URL"),
        ("rtsp://[fe80::1/stream", "is no valid URL"),
        ("~nobody-of-this-name/clip.mp4", "does not exist"),
        ("a" * 300, "File name too long"),
    ],
)
def test_a_wrong_url(anpr_stream: Command, stubs: Path, url: str, text: str) -> None:
    assert anpr_stream("run", url, "-c", stubs).is_one_line_error(66, text)


def test_a_name_in_latin_1_and_an_empty_one(anpr_stream: Command, stubs: Path, tmp_path: Path) -> None:
    latin = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.mp4")
    Path(latin).write_bytes(b"x")
    assert anpr_stream("run", latin, "-c", stubs).is_one_line_error(2, "this name is not UTF-8")
    assert anpr_stream("bench", "", "-c", stubs).is_one_line_error(2, "SOURCE '': ")


def test_a_camera_that_refuses_is_tried_until_the_end_and_says_why(stubs: Path) -> None:
    answer = in_own_process("run", "rtsp://127.0.0.1:1/x", "-c", stubs, "--max-duration", "10")
    assert answer.is_one_line_error(66, "refuses the connection")


def test_a_wrong_password_is_told_and_never_shown(stubs: Path) -> None:
    with Camera(user="me", password="right") as camera:
        url = camera.url(login="me:wrong-secret@")
        answer = in_own_process("run", url, "-c", stubs, "--max-duration", "10")
    assert answer.exit_code == 66, answer.err
    assert "password" in answer.err
    assert "wrong-secret" not in answer.err + answer.out


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("rtsp://me:very/secret@127.0.0.1/1", "rtsp://me:***@127.0.0.1/1 is no valid URL: write %2F for /"),
        ("http://127.0.0.1:1/video.cgi?user=me&pwd=secret", "pwd=*** refuses the connection"),
    ],
)
def test_a_password_in_a_url_is_never_shown(stubs: Path, url: str, text: str) -> None:
    answer = in_own_process("run", url, "-c", stubs, "--max-duration", "10")
    assert answer.is_one_line_error(66, text)
    assert "secret" not in answer.err + answer.out


@pytest.mark.parametrize("option", ["-o", "--annotate"])
def test_an_output_that_cannot_be_written(
    anpr_stream: Command, clip: Path, stubs: Path, tmp_path: Path, option: str
) -> None:
    (tmp_path / "file").touch()
    answer = anpr_stream("run", clip, "-c", stubs, option, tmp_path / "file" / "out.mp4")
    assert answer.is_one_line_error(73, "File exists")


def test_a_full_disk_under_the_events(anpr_stream: Command, clip: Path, stubs: Path) -> None:
    answer = anpr_stream("run", clip, "-c", stubs, "-o", "/dev/full")
    assert answer.is_one_line_error(73, "/dev/full: cannot write events: No space left on device")


COMMANDS_THAT_PRINT = [
    ["run", "CLIP", "-c", "STUBS"],
    ["read", "PICTURE", "-c", "STUBS"],
    ["read", "PICTURE", "--table", "-c", "STUBS"],
    ["doctor", "-c", "STUBS"],
    ["models"],
    ["models", "--json"],
    ["--version"],
]


@pytest.mark.parametrize("arguments", COMMANDS_THAT_PRINT, ids=" ".join)
def test_a_full_disk_under_standard_output(
    clip: Path, stubs: Path, tmp_path: Path, arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    cv2.imwrite(str(tmp_path / "gate.png"), scene(20))
    places = {"CLIP": str(clip), "PICTURE": str(tmp_path / "gate.png"), "STUBS": str(stubs)}
    with Path("/dev/full").open("w") as full:
        words = [places.get(argument, argument) for argument in arguments]
        answer = in_own_process(*words, stdout=full.fileno())
    assert answer.is_one_line_error(73, "standard output: cannot write")
    assert "Exception ignored" not in answer.err


@pytest.mark.parametrize("is_open", [True, False], ids=["its reader has gone", "closed from the start"])
def test_nobody_takes_standard_output(is_open: bool) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    before = None if is_open else partial(os.close, 1)
    answer = in_own_process("models", "--json", stdout=writer, before=before)
    os.close(writer)
    assert answer.is_one_line_error(73, "standard output: cannot write")


def test_a_full_disk_under_the_video(anpr_stream: Command, clip: Path, stubs: Path, tmp_path: Path) -> None:
    (tmp_path / "full.mp4").symlink_to("/dev/full")
    answer = anpr_stream("run", clip, "-c", stubs, "--annotate", tmp_path / "full.mp4")
    assert answer.is_one_line_error(73, "full.mp4: cannot write the video")


def test_a_folder_for_snapshots_that_takes_none(
    anpr_stream: Command, clip: Path, stubs: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    answer = anpr_stream("run", clip, "-c", stubs, "--snapshots", tmp_path / "file")
    assert answer.exit_code == 74
    assert "Traceback" not in answer.err
    assert json.loads(answer.out.splitlines()[0])["text"] == TEXT


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["rum"], "No such command 'rum'"),
        (["read"], "Missing argument 'IMAGE' (see 'anpr-stream read --help')"),
        (["run", "--foo"], "No such option: --foo"),
        (["run", "gate.mp4", "--every", "0"], "Invalid value for '--every'"),
        (["outbox", "resend", "first"], "(see 'anpr-stream outbox resend --help')"),
    ],
)
def test_a_wrong_use(anpr_stream: Command, arguments: list[str], text: str) -> None:
    answer = anpr_stream(*arguments)
    assert answer.is_one_line_error(2, text)
    assert len(answer.err.splitlines()) == 1


@pytest.mark.parametrize("group", [[], ["outbox"], ["list"]])
def test_a_group_by_itself_shows_its_commands_in_whole_sentences(
    anpr_stream: Command, group: list[str]
) -> None:
    alone, asked = anpr_stream(*group), anpr_stream(*group, "--help")
    assert (alone.exit_code, asked.exit_code) == (2, 0)
    assert alone.err.split() == asked.out.split()
    commands = asked.out.partition("Commands:")[2].splitlines()[1:]
    assert commands
    assert all(line.endswith(".") and not line.endswith("...") for line in commands)
