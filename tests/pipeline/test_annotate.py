from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from anpr_stream.errors import AnprError, SinkError
from anpr_stream.pipeline import annotate
from anpr_stream.pipeline.annotate import READ_BGR, UNREAD_BGR, Annotator, draw
from anpr_stream.pipeline.follower import Mark
from tests.pipeline.fakes import road_frame


def black() -> np.ndarray:
    return np.zeros((360, 640, 3), np.uint8)


def has_colour(image: np.ndarray, colour: tuple[int, int, int]) -> bool:
    return bool((image == colour).all(axis=2).any())


def test_a_read_plate_has_its_text_and_an_unread_one_only_a_box() -> None:
    read, unread = black(), black()
    draw(read, [Mark(1, (100, 100, 200, 130), "AB12", True)])
    draw(unread, [Mark(1, (100, 100, 200, 130), "", True)])
    assert has_colour(read, READ_BGR)
    assert read[60:99].any()
    assert has_colour(unread, UNREAD_BGR)
    assert not unread[60:97].any()


@pytest.mark.parametrize("box", [(-50, -20, 30, 10), (600, 350, 700, 400), (0, 0, 640, 360)])
def test_a_plate_at_the_edge_keeps_its_text_in_the_picture(box: tuple[float, float, float, float]) -> None:
    image = black()
    draw(image, [Mark(1, box, "AB12", True)])
    assert has_colour(image, READ_BGR)


def test_every_frame_comes_into_the_video(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    errors: list[AnprError] = []
    with Annotator(path, errors.append) as annotator:
        for index in range(20):
            annotator(road_frame(index), [Mark(1, (100, 100, 200, 130), "AB12", True)])
    annotator.close()
    video = cv2.VideoCapture(str(path))
    count = 0
    while video.read()[0]:
        count += 1
    assert count == 20
    assert errors == []


def test_years_between_two_clips_are_a_second_of_the_video(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    years_s = 200_000_000.0
    with Annotator(path, lambda error: None) as annotator:
        for index in range(20):
            frame, is_later = road_frame(index), index >= 10
            annotator(replace(frame, pts_s=frame.pts_s + is_later * years_s, segment=is_later), [])
    video = cv2.VideoCapture(str(path))
    times_s = [video.get(cv2.CAP_PROP_POS_MSEC) / 1000 for _ in range(20) if video.read()[0]]
    assert times_s[9:11] == pytest.approx([9 / 15, 9 / 15 + 1], abs=0.001)
    assert times_s[19] == pytest.approx(18 / 15 + 1, abs=0.001)


def test_a_full_disk_is_told_once_and_frames_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "full.mp4").symlink_to("/dev/full")
    errors: list[AnprError] = []
    with Annotator(tmp_path / "full.mp4", errors.append) as annotator:
        for index in range(200):
            annotator(road_frame(index), [])
    assert [type(error) for error in errors] == [SinkError]


def test_a_fault_of_the_program_is_told_once_and_frames_are_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("no such colour")

    monkeypatch.setattr(annotate, "draw", fail)
    errors: list[AnprError] = []
    with Annotator(tmp_path / "out.mp4", errors.append) as annotator:
        for index in range(annotate.WAITING_FRAMES + 2):
            annotator(road_frame(index), [])
    assert [error.reason_slug for error in errors] == ["internal"]
    assert "no such colour" in errors[0].message
