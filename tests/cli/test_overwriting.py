"""A user's recordings and photos survive every output that names them."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import pytest

from tests.cli.command import Command
from tests.stubs import scene


@pytest.fixture
def own(clip: Path, tmp_path: Path) -> Path:
    """A recording in a folder of its own."""
    folder = tmp_path / "drive"
    folder.mkdir()
    return Path(shutil.copy(clip, folder / "own.mp4"))


def hard_link(path: Path) -> Path:
    other = path.with_name("hard.mp4")
    os.link(path, other)
    return other


def soft_link(path: Path) -> Path:
    other = path.parent.with_name("soft.mp4")
    other.symlink_to(path)
    return other


def roundabout(path: Path) -> Path:
    return path.parent / ".." / path.parent.name / path.name


@pytest.mark.parametrize("option", ["--annotate", "--output"])
@pytest.mark.parametrize("alias", [Path, hard_link, soft_link, roundabout])
def test_a_recording_is_never_its_own_output(
    anpr_stream: Command, stubs: Path, own: Path, option: str, alias: Callable[[Path], Path]
) -> None:
    before = own.read_bytes()
    answer = anpr_stream("run", own, option, alias(own), "-c", stubs)
    assert answer.is_one_line_error(2, f"{option}: ")
    assert "is read itself and would be lost" in answer.err
    assert own.read_bytes() == before


@pytest.mark.parametrize("source", ["drive", "drive/o*.mp4", "**/*.mp4"])
def test_a_clip_of_a_folder_or_pattern_is_no_output(
    anpr_stream: Command, stubs: Path, own: Path, tmp_path: Path, source: str
) -> None:
    before = own.read_bytes()
    answer = anpr_stream("run", tmp_path / source, "-o", own, "-c", stubs)
    assert answer.is_one_line_error(2, "would be lost")
    assert own.read_bytes() == before


@pytest.mark.parametrize("source", ["drive", "drive/o*.mp4", "**/*.mp4"])
def test_a_video_that_would_be_played_with_its_own_source_is_refused(
    anpr_stream: Command, stubs: Path, own: Path, tmp_path: Path, source: str
) -> None:
    video = own.with_name("out.mp4")
    answer = anpr_stream("run", tmp_path / source, "--annotate", video, "-c", stubs)
    assert answer.is_one_line_error(2, f"would be read as part of {tmp_path / source}")
    assert not video.exists()


@pytest.mark.parametrize("source", ["drive/own.mp4", "drive/own*.mp4"])
def test_a_video_beside_its_source_is_fine(
    anpr_stream: Command, stubs: Path, own: Path, tmp_path: Path, source: str
) -> None:
    video, output = own.with_name("out.mp4"), own.with_name("events.jsonl")
    answer = anpr_stream("run", tmp_path / source, "--annotate", video, "-o", output, "-c", stubs)
    assert answer.exit_code == 0, answer.err
    assert video.stat().st_size > 0


def test_event_files_of_the_settings_spare_recordings(
    anpr_stream: Command, stubs: Path, own: Path, tmp_path: Path
) -> None:
    config = tmp_path / "files.yaml"
    config.write_text(stubs.read_text() + f"files: [{{path: {own}}}]\n")
    before = own.read_bytes()
    assert anpr_stream("run", own, "-c", config).is_one_line_error(2, "files: ")
    assert own.read_bytes() == before


def test_a_missing_source_is_still_told_as_missing(anpr_stream: Command, stubs: Path, tmp_path: Path) -> None:
    path = tmp_path / "none.mp4"
    assert anpr_stream("run", path, "-o", tmp_path / "out.jsonl", "-c", stubs).is_one_line_error(
        66, "does not exist"
    )


@pytest.mark.parametrize("images", [["photos"], ["photos/a.png"], ["other/b.png", "photos/*.png"]])
def test_photos_are_never_drawn_into(
    anpr_stream: Command, stubs: Path, tmp_path: Path, images: list[str]
) -> None:
    for name in ("photos/a.png", "other/b.png"):
        (tmp_path / name).parent.mkdir()
        cv2.imwrite(str(tmp_path / name), scene(20))
    (tmp_path / "photos/film.mp4").write_bytes(b"a recording beside them")
    before = (tmp_path / "photos/a.png").read_bytes()
    paths = [tmp_path / image for image in images]
    answer = anpr_stream("read", *paths, "--annotate", tmp_path / "photos", "-c", stubs)
    assert answer.is_one_line_error(2, "a.png is read itself and would be lost")
    assert answer.out == ""
    assert (tmp_path / "photos/a.png").read_bytes() == before


def test_a_link_to_a_photo_in_the_folder_of_drawings_is_found(
    anpr_stream: Command, stubs: Path, tmp_path: Path
) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), scene(20))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.png").symlink_to(tmp_path / "a.png")
    before = (tmp_path / "a.png").read_bytes()
    answer = anpr_stream("read", tmp_path / "a.png", "--annotate", tmp_path / "out", "-c", stubs)
    assert answer.is_one_line_error(2, "would be lost")
    assert (tmp_path / "a.png").read_bytes() == before
