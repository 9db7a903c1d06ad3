import numpy as np
import pytest

from anpr_stream.tracking.cuts import COLUMNS, ROWS, CutDetector, Look, thumbnail
from anpr_stream.types import Image


def scene(seed: int, blocks: int = 20) -> Image:
    """A picture of 960x540 with structure of its own."""
    cells = np.random.default_rng(seed).integers(20, 235, (blocks, blocks * 2)).astype(np.uint8)
    return np.kron(cells, np.ones((540 // blocks, 960 // (2 * blocks)), np.uint8))


def look(picture: Image) -> Look:
    return Look(thumbnail(picture))


def pan(picture: Image, pixels: int) -> Image:
    return np.roll(picture, pixels, axis=1)


def reasons(pictures: list[Image], fps: float = 25.0, segments: list[int] | None = None) -> list[str | None]:
    detector = CutDetector()
    segments = segments or [0] * len(pictures)
    frames = enumerate(zip(pictures, segments, strict=True))
    return [detector.update(s, i / fps, thumbnail(p)).break_reason for i, (p, s) in frames]


@pytest.mark.parametrize("shape", [(1, 1), (10, 7), (1080, 1920), (27, 48)])
def test_a_thumbnail_of_any_size(shape: tuple[int, int]) -> None:
    small = thumbnail(np.full(shape, 99, np.uint8))
    assert (small.shape, small.dtype) == ((ROWS, COLUMNS), np.float32)
    assert np.allclose(small, 99.0)
    assert Look(small).is_flat


def test_light_changes_no_structure() -> None:
    picture = scene(1)
    dimmed = (picture * 0.6 + 20).astype(np.uint8)
    assert look(picture).change(look(dimmed)) < 0.02
    assert look(picture).change(look(scene(2))) > 0.6


def test_a_cut_is_told_once() -> None:
    assert reasons([scene(1)] * 3 + [scene(2)] * 3) == [None, None, None, "cut", None, None]


def test_nothing_is_told_on_the_first_frame() -> None:
    assert reasons([scene(1)]) == [None]


def test_a_black_frame_between_is_no_cut() -> None:
    black = np.zeros((540, 960), np.uint8)
    assert reasons([scene(1), black, scene(1)]) == [None] * 3


def test_a_fade_through_black_to_another_scene_is_a_cut() -> None:
    black = np.zeros((540, 960), np.uint8)
    assert reasons([scene(1), black, scene(2)]) == [None, None, "cut"]


def test_a_slow_pan_is_no_cut() -> None:
    assert reasons([pan(scene(1), 3 * i) for i in range(40)]) == [None] * 40


def test_a_wild_pan_is_no_cut() -> None:
    assert reasons([pan(scene(1, 10), 60 * i) for i in range(40)]) == [None] * 40


def test_a_broken_stream_with_the_same_scene_is_a_segment_and_not_a_cut() -> None:
    assert reasons([scene(1)] * 4, segments=[0, 0, 1, 1]) == [None, None, "segment", None]


def test_a_broken_stream_with_another_scene_is_a_cut() -> None:
    assert reasons([scene(1), scene(2)], segments=[0, 1])[1] == "cut"


def test_motion_tells_a_moving_camera_from_traffic() -> None:
    picture = scene(3)
    traffic = picture.copy()
    traffic[200:400, 100:300] = 30
    assert look(picture).motion(look(picture)) == 0.0
    assert look(traffic).motion(look(picture)) < 0.25
    assert look(pan(picture, 24)).motion(look(picture)) > 0.5


def test_motion_is_measured_over_some_time() -> None:
    detector = CutDetector()
    moved = [detector.update(0, i / 25, thumbnail(pan(scene(4), i))).motion for i in range(40)]
    assert moved[:10] == [None] * 10, "too new to tell"
    assert 0.2 < moved[10] < 1.0
    assert moved[20] == pytest.approx(moved[39], abs=0.2)


def test_motion_starts_anew_after_a_cut() -> None:
    detector = CutDetector()
    assert [detector.update(0, i / 2, thumbnail(scene(1))).motion for i in range(3)] == [None, 0.0, 0.0]
    assert [detector.update(0, i / 2, thumbnail(scene(2))).motion for i in range(3, 6)] == [None, 0.0, 0.0]
