"""Pixels out of planes: colour by the standard, crops bit-equal to the whole."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from anpr_stream.types import ColorMatrix, Image, PixelFormat, Planes
from anpr_stream.vision import planes as px

YUV = [PixelFormat.I420, PixelFormat.NV12]
RANDOM = np.random.default_rng(7)


def noise(*shape: int) -> Image:
    return RANDOM.integers(0, 256, shape, dtype=np.uint8)


def make(format: PixelFormat, width: int, height: int, padding: int = 0, **colour: object) -> Planes:
    """Random planes whose rows are padded, as decoders leave them."""
    half_width, half_height = (width + 1) // 2, (height + 1) // 2
    shapes = {
        PixelFormat.I420: [(height, width), (half_height, half_width), (half_height, half_width)],
        PixelFormat.NV12: [(height, width), (half_height, half_width, 2)],
        PixelFormat.BGR: [(height, width, 3)],
        PixelFormat.GRAY8: [(height, width)],
    }[format]
    arrays = tuple(noise(s[0], s[1] + padding, *s[2:])[:, : s[1]] for s in shapes)
    return Planes(format, arrays, **colour)  # type: ignore[arg-type]


def flat(y: int, u: int, v: int, **colour: object) -> Planes:
    arrays = tuple(
        np.full(s, value, np.uint8) for s, value in zip([(8, 8), (4, 4), (4, 4)], (y, u, v), strict=True)
    )
    return Planes(PixelFormat.I420, arrays, **colour)  # type: ignore[arg-type]


@pytest.mark.parametrize("format", list(PixelFormat))
@pytest.mark.parametrize(("width", "height"), [(64, 48), (33, 27), (640, 200), (1, 1), (2, 1), (1, 130)])
@pytest.mark.parametrize("padding", [0, 5])
def test_a_crop_equals_that_part_of_the_whole(
    format: PixelFormat, width: int, height: int, padding: int
) -> None:
    planes = make(format, width, height, padding)
    whole = px.full_bgr(planes)
    assert whole.shape == (height, width, 3)
    for _ in range(40):
        x1, x2 = sorted(RANDOM.choice(width + 1, 2, replace=False).tolist())
        y1, y2 = sorted(RANDOM.choice(height + 1, 2, replace=False).tolist())
        crop = px.crop_bgr(planes, (x1, y1, x2, y2))
        assert np.array_equal(crop, whole[y1:y2, x1:x2]), (x1, y1, x2, y2)


@pytest.mark.parametrize("matrix", list(ColorMatrix))
@pytest.mark.parametrize("full_range", [False, True])
def test_colours_follow_the_standard(matrix: ColorMatrix, full_range: bool) -> None:
    kr, kb = px.WEIGHTS[matrix]
    for blue, green, red in [
        (255, 0, 0),
        (0, 255, 0),
        (0, 0, 255),
        (255, 255, 255),
        (0, 0, 0),
        (90, 140, 30),
    ]:
        y = kr * red + (1 - kr - kb) * green + kb * blue
        u, v = (blue - y) / (2 * (1 - kb)), (red - y) / (2 * (1 - kr))
        scale, chroma, black = (1.0, 1.0, 0) if full_range else (219 / 255, 224 / 255, 16)
        code = [y * scale + black, u * chroma + 128, v * chroma + 128]
        planes = flat(*(min(255, round(c)) for c in code), full_range=full_range, matrix=matrix)
        pixel = px.full_bgr(planes)[3, 3].astype(int)
        assert np.abs(pixel - (blue, green, red)).max() <= 2, (matrix, full_range, pixel)


def test_bt601_agrees_with_opencv() -> None:
    planes = make(PixelFormat.I420, 64, 32)
    planes = Planes(planes.format, tuple(np.clip(array, 16, 235) for array in planes.arrays))
    packed = np.concatenate([array.ravel() for array in planes.arrays]).reshape(48, 64)
    theirs = cv2.cvtColor(packed, cv2.COLOR_YUV2BGR_I420).astype(int)
    assert np.abs(px.full_bgr(planes).astype(int) - theirs).max() <= 2


def test_nv12_and_i420_of_one_picture_are_equal() -> None:
    planar = make(PixelFormat.I420, 50, 30)
    y, u, v = planar.arrays
    packed = Planes(PixelFormat.NV12, (y, np.dstack([u, v])))
    assert np.array_equal(px.full_bgr(planar), px.full_bgr(packed))
    assert np.array_equal(px.small_bgr(planar, 20, 12), px.small_bgr(packed, 20, 12))


@pytest.mark.parametrize("format", list(PixelFormat))
def test_small_is_close_to_shrinking_the_converted_whole(format: PixelFormat) -> None:
    planes = make(format, 320, 240, padding=3)
    smooth = tuple(cv2.GaussianBlur(np.ascontiguousarray(a), (0, 0), 6) for a in planes.arrays)
    planes = Planes(planes.format, smooth)
    small = px.small_bgr(planes, 96, 64)
    theirs = cv2.resize(px.full_bgr(planes), (96, 64))
    assert small.shape == (64, 96, 3)
    assert np.abs(small.astype(int) - theirs).mean() < 1.5


@pytest.mark.parametrize("format", list(PixelFormat))
@pytest.mark.parametrize("step", [1, 2, 3, 5, 6])
def test_small_is_each_plane_shrunk_linearly(format: PixelFormat, step: int) -> None:
    planes = make(format, 32 * step, 18 * step, padding=5)
    shrunk = tuple(np.asarray(cv2.resize(part, (32, 18)), np.uint8) for part in planes.arrays)
    expected = px.small_bgr(Planes(format, shrunk), 32, 18)
    assert np.array_equal(px.small_bgr(planes, 32, 18), expected)


def test_a_crop_is_a_copy_and_outlives_the_frame() -> None:
    planes = make(PixelFormat.BGR, 20, 10)
    crop = px.crop_bgr(planes, (2, 2, 9, 9))
    before = crop.copy()
    planes.arrays[0][:] = 0
    assert np.array_equal(crop, before)
    assert not np.shares_memory(px.full_bgr(planes), planes.arrays[0])


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((1.2, 2.9, 3.1, 4.0), (1, 2, 4, 4)),
        ((-5, -5, 2, 2), (0, 0, 2, 2)),
        ((8, 3, 99, 99), (8, 3, 10, 6)),
        ((3.5, 3.5, 3.6, 3.6), (3, 3, 4, 4)),
    ],
)
def test_boxes_are_widened_to_pixels_and_clipped(box: tuple[float, ...], expected: px.PixelBox) -> None:
    assert px.pixel_box(box, 10, 6) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize("box", [(10, 0, 20, 5), (-9, 0, 0, 5), (2, 6, 4, 9), (3, 3, 3, 3)])
def test_a_box_outside_the_picture_is_refused(box: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValueError, match="outside the picture of 10x6"):
        px.pixel_box(box, 10, 6)


@pytest.mark.parametrize("format", YUV)
def test_warping_an_upright_quad_is_cropping(format: PixelFormat) -> None:
    planes = make(format, 80, 60)
    quad = ((20.0, 10.0), (52.0, 10.0), (52.0, 26.0), (20.0, 26.0))
    assert np.array_equal(px.warp_bgr(planes, quad, 32, 16), px.crop_bgr(planes, (20, 10, 52, 26)))


def test_warping_follows_the_corners() -> None:
    picture = np.zeros((100, 100, 3), np.uint8)
    quad = ((30.0, 20.0), (80.0, 30.0), (75.0, 60.0), (25.0, 50.0))
    cv2.fillConvexPoly(picture, np.array(quad, np.int32), (255, 255, 255))
    cv2.circle(picture, (33, 24), 2, (0, 0, 255), -1)
    warped = px.warp_bgr(Planes(PixelFormat.BGR, (picture,)), quad, 60, 30)
    assert warped.shape == (30, 60, 3)
    assert warped[5:-5, 8:-5].min() > 200
    assert warped[4, 3, 2] > 200 > warped[4, 3, 1], "the mark stays at the plate's own top left"


def test_warping_over_the_edge_repeats_the_edge() -> None:
    planes = Planes(PixelFormat.BGR, (np.full((20, 20, 3), 77, np.uint8),))
    assert np.all(px.warp_bgr(planes, ((-4.0, 5.0), (8.0, 5.0), (8.0, 11.0), (-4.0, 11.0)), 24, 12) == 77)
