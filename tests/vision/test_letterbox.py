import numpy as np
import pytest

from anpr_stream.vision.letterbox import fit, input_size, pad, to_planes


@pytest.mark.parametrize(
    ("frame", "longest", "expected"),
    [
        ((1920, 1080), 640, (640, 384)),
        ((1280, 720), 640, (640, 384)),
        ((704, 576), 640, (640, 544)),
        ((640, 480), 320, (320, 256)),
        ((1080, 1920), 640, (384, 640)),
        ((1000, 1000), 416, (416, 416)),
        ((1000, 1000), 400, (416, 416)),
        ((12000, 100), 640, (640, 32)),
        ((1, 1), 640, (640, 640)),
    ],
)
def test_input_follows_the_aspect_in_multiples_of_32(frame, longest, expected):
    assert input_size(*frame, longest) == expected


def test_pictures_of_many_shapes_get_few_sizes():
    sizes = {input_size(1000, height, 640, step_px=128) for height in range(100, 1001)}
    assert sizes == {(640, 128), (640, 256), (640, 384), (640, 512), (640, 640)}
    assert input_size(400, 1000, 960, step_px=128) == (384, 960)


@pytest.mark.parametrize("frame", [(1920, 1080), (640, 480), (333, 777), (1, 1), (5000, 40)])
def test_points_come_back_to_the_frame(frame):
    box = fit(*frame, 640, 384)
    corners = np.array(
        [[box.left, box.top], [box.left + box.inner_width, box.top + box.inner_height]], np.float32
    )
    back = box.to_frame(corners)
    assert np.allclose(back[0], 0, atol=1e-4)
    assert np.allclose(back[1], frame, rtol=0.02, atol=0.5 / box.scale)


def test_the_picture_is_never_stretched():
    box = fit(1920, 1080, 640, 384)
    assert (box.inner_width, box.inner_height, box.left, box.top) == (640, 360, 0, 12)


def test_pad_writes_bars_and_picture_over_whatever_was_there():
    box = fit(100, 50, 64, 64)
    picture = np.random.default_rng(0).integers(0, 256, (32, 64, 3), np.uint8)
    out = np.full((3, 64, 64), 9, np.float32)
    pad(picture, box, out)
    assert np.allclose(out[:, :16], 114 / 255)
    assert np.allclose(out[:, 48:], 114 / 255)
    assert np.allclose(out[:, 16:48], picture.transpose(2, 0, 1) / 255)


def test_bars_at_the_sides():
    box = fit(50, 100, 64, 64)
    out = np.zeros((3, 64, 64), np.float32)
    pad(np.zeros((64, 32, 3), np.uint8), box, out)
    assert np.allclose(out[:, :, :16], 114 / 255)
    assert np.allclose(out[:, :, 48:], 114 / 255)
    assert not out[:, :, 16:48].any()


def test_planes_keep_the_order_blue_green_red():
    picture = np.zeros((2, 2, 3), np.uint8)
    picture[..., 0] = 255
    out = np.empty((3, 2, 2), np.float32)
    to_planes(picture, out)
    assert out[:, 0, 0].tolist() == [1, 0, 0]
