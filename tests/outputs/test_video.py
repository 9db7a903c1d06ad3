import shutil
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from anpr_stream.config.source import SourceSettings
from anpr_stream.errors import SinkError
from anpr_stream.outputs.video import MUXERS, VideoWriter
from anpr_stream.sources import open_source
from anpr_stream.sources.gst_runtime import Gst
from anpr_stream.types import Image

FPS = 25


def picture(number: int, width: int = 64, height: int = 48) -> Image:
    return np.full((height, width, 3), 10 * number, np.uint8)


def play(path: Path) -> list[Image]:
    video = cv2.VideoCapture(str(path))
    frames = []
    while True:
        is_there, frame = video.read()
        if not is_there:
            return frames
        frames.append(np.asarray(frame, np.uint8))


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
def test_what_is_written_plays_in_order(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / "new" / f"out{suffix}"
    with VideoWriter(path) as writer:
        for number in range(10):
            writer.write(picture(number), 3 + number / FPS)
    frames = play(path)
    assert [round(frame.mean() / 10) for frame in frames] == list(range(10))
    assert frames[0].shape == (48, 64, 3)


@pytest.mark.parametrize(("width", "height"), [(63, 47), (2, 2), (1, 1)])
def test_odd_sizes_play(tmp_path: Path, width: int, height: int) -> None:
    path = tmp_path / "out.mp4"
    with VideoWriter(path) as writer:
        for number in range(3):
            writer.write(picture(number, width, height), number / FPS)
    assert len(play(path)) == 3


def test_a_picture_of_another_size_is_scaled_to_the_first(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    with VideoWriter(path) as writer:
        writer.write(picture(1), 0)
        writer.write(picture(9, 128, 128), 1 / FPS)
    assert [frame.shape for frame in play(path)] == [(48, 64, 3)] * 2


def test_a_video_that_was_never_closed_plays_as_far_as_it_came(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    writer = VideoWriter(path)
    number = 0
    while path.stat().st_size < 10_000 and number < 50_000:
        writer.write(picture(number % 25), number / FPS)
        number += 1
    copy = Path(shutil.copy(path, tmp_path / "killed.mp4"))
    writer.close()
    assert 0 < len(play(copy)) <= number
    assert len(play(path)) == number


def test_closing_twice_or_without_a_picture_is_fine(tmp_path: Path) -> None:
    writer = VideoWriter(tmp_path / "out.mp4")
    writer.close()
    writer.close()


def test_a_video_needs_a_known_suffix(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match=r"ends in \.mp4, \.mov, \.mkv"):
        VideoWriter(tmp_path / "out.gif")


@pytest.fixture
def without_parser() -> Iterator[None]:
    """GStreamer as it is without its package of parsers."""
    registry = Gst.Registry.get()
    parser = registry.lookup_feature("h264parse")
    registry.remove_feature(parser)
    yield
    registry.add_feature(parser)


@pytest.mark.usefixtures("without_parser")
def test_a_missing_element_is_told_before_the_work_begins_with_its_package(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    with pytest.raises(SinkError, match=r"h264parse .*missing: .*gstreamer1\.0-plugins-bad") as caught:
        VideoWriter(path)
    assert caught.value.reason_slug == "video-encoder"
    assert not path.exists()


def test_what_gstreamer_refuses_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MUXERS, ".mp4", "nosuchmux")
    with pytest.raises(SinkError, match="nosuchmux") as caught:
        VideoWriter(tmp_path / "out.mp4").write(picture(1), 0.0)
    assert caught.value.reason_slug == "video-encoder"


def test_a_place_that_cannot_be_written_is_told_before_the_work_begins(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SinkError, match="cannot write the video: File exists"):
        VideoWriter(tmp_path / "file" / "out.mp4")
    (tmp_path / "folder.mp4").mkdir()
    with pytest.raises(SinkError, match="cannot write the video: Is a directory"):
        VideoWriter(tmp_path / "folder.mp4")


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    (tmp_path / "full.mp4").symlink_to("/dev/full")
    writer = VideoWriter(tmp_path / "full.mp4")
    noise = np.random.default_rng(1).integers(0, 255, (240, 320, 3), np.uint8)

    def write_all() -> None:
        for number in range(300):
            writer.write(noise, number / FPS)
        writer.close()

    with pytest.raises(SinkError, match=r"full\.mp4: cannot write the video: "):
        write_all()


def test_times_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "out.mkv"
    with VideoWriter(path) as writer:
        for pts_s in (10.0, 10.5, 12.0):
            writer.write(picture(1), pts_s)
    video = cv2.VideoCapture(str(path))
    times_ms = []
    while video.read()[0]:
        times_ms.append(round(video.get(cv2.CAP_PROP_POS_MSEC)))
    assert times_ms == [0, 500, 2000]


def test_players_that_go_by_duration_show_every_picture(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    with VideoWriter(path) as writer:
        for number in range(10):
            writer.write(picture(number), number / FPS)
    source = open_source(str(path), SourceSettings(), "clip")
    assert [round(frame.pts_s * FPS) for frame in source.frames()] == list(range(10))
