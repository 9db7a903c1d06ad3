"""Recorded clips through real GStreamer: every frame once, in its time, whatever the container."""

from __future__ import annotations

import math
import os
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pytest

from anpr_stream.config.source import SourceSettings
from anpr_stream.errors import SourceError
from anpr_stream.sources import open_source, probe
from anpr_stream.types import Frame, PixelFormat, SourceState
from anpr_stream.vision.planes import full_bgr
from tests.media import FPS, HEIGHT, WIDTH, can_encode, number_in, render, turn_header

PLAIN = SourceSettings()
CONTAINERS = [
    *[(suffix, codec) for suffix in (".mp4", ".mov", ".mkv") for codec in ("h264", "h264b", "h265")],
    *[(".mov", "mjpeg"), (".mkv", "mjpeg"), (".avi", "mjpeg")],
    *[(".avi", "h264"), (".avi", "mpeg4")],
    *[(".ts", "h264"), (".ts", "h264b"), (".ts", "h265")],
    *[(".webm", "vp8"), (".webm", "vp9"), (".mkv", "vp9")],
]


def play(path: Path | str, **settings: object) -> list[tuple[int, Frame]]:
    """All frames with the numbers that their pictures show."""
    source = open_source(str(path), SourceSettings(**settings), "cam")  # type: ignore[arg-type]
    return [(number_in(frame), frame) for frame in source.frames()]


def numbers(path: Path | str, **settings: object) -> list[int]:
    return [number for number, _ in play(path, **settings)]


@pytest.mark.parametrize(("suffix", "codec"), CONTAINERS)
def test_every_frame_comes_exactly_once(tmp_path: Path, suffix: str, codec: str) -> None:
    if not can_encode(codec):
        pytest.skip(f"no encoder for {codec}")
    clip = render(tmp_path / f"clip{suffix}", codec, frames=25)
    played = play(clip)
    assert [number for number, _ in played] == list(range(25))
    frames = [frame for _, frame in played]
    assert [frame.index for frame in frames] == list(range(25))
    assert all((frame.width, frame.height) == (WIDTH, HEIGHT) for frame in frames)
    steps = np.diff([frame.pts_s for frame in frames])
    assert np.allclose(steps, 1 / FPS, atol=0.0015), "pts follow the frame rate (mkv counts milliseconds)"
    assert abs(frames[0].pts_s) < 0.25
    assert all(math.isclose(f.utc_s - f.pts_s, frames[0].utc_s - frames[0].pts_s) for f in frames)


def test_frames_stay_in_the_decoders_planes_with_its_colours(tmp_path: Path) -> None:
    (_, frame), *_ = play(render(tmp_path / "clip.mp4", frames=3))
    assert frame.planes.format is PixelFormat.I420
    assert not frame.planes.arrays[0].flags.writeable
    image = full_bgr(frame.planes)
    assert np.abs(image[HEIGHT // 4, WIDTH // 4].astype(int) - (0, 0, 200)).max() < 12
    assert np.abs(image[HEIGHT // 4, WIDTH * 3 // 4].astype(int) - (200, 0, 0)).max() < 12


@pytest.mark.parametrize("form", ["Y42B", "Y444", "I420_10LE"])
def test_other_pixel_formats_are_converted(tmp_path: Path, form: str) -> None:
    codec = {"I420_10LE": "h265"}.get(form, "mjpeg")
    clip = render(tmp_path / "clip.mkv", codec, frames=4, form=form)
    assert numbers(clip) == [0, 1, 2, 3]


def test_a_frame_outlives_its_source(tmp_path: Path) -> None:
    clip = render(tmp_path / "clip.mp4", frames=30)
    held = play(clip)
    first_plane = held[7][1].planes.arrays[0]
    kept = [(number, frame) for number, frame in held if number % 3 == 0]
    del held
    assert [number_in(frame) for _, frame in kept] == [number for number, _ in kept]
    assert first_plane.shape == (HEIGHT, WIDTH)
    assert first_plane.base is not None


def test_the_same_file_gives_the_same_frames(tmp_path: Path) -> None:
    clip = render(tmp_path / "clip.mkv", "h264b", frames=20)
    first, second = play(clip), play(clip)
    for (_, one), (_, other) in zip(first, second, strict=True):
        assert (one.index, one.pts_s, one.utc_s, one.segment) == (
            other.index,
            other.pts_s,
            other.utc_s,
            other.segment,
        )
        assert all(map(np.array_equal, one.planes.arrays, other.planes.arrays))


def test_every_nth_frame_keeps_its_number(tmp_path: Path) -> None:
    played = play(render(tmp_path / "clip.mp4", frames=20), every=6)
    assert [(number, frame.index) for number, frame in played] == [(0, 0), (6, 6), (12, 12), (18, 18)]


def test_variable_frame_rate_keeps_its_times(tmp_path: Path) -> None:
    times_s = [0.0, 0.1, 0.15, 0.6, 1.6, 1.65, 1.7, 3.0]
    clip = render(tmp_path / "clip.mkv", fps=0, frames=len(times_s), times_s=times_s)
    played = play(clip)
    assert [number for number, _ in played] == list(range(8))
    pts_s = np.array([frame.pts_s for _, frame in played])
    assert np.allclose(pts_s - pts_s[0], times_s, atol=0.002)


def test_a_bare_stream_of_pictures_plays_at_a_usual_rate(tmp_path: Path) -> None:
    played = play(render(tmp_path / "clip.mjpeg", "mjpeg", frames=5))
    assert [frame.pts_s for _, frame in played] == pytest.approx([0.0, 0.04, 0.08, 0.12, 0.16])


@pytest.mark.parametrize(
    ("degrees", "size", "red_corner"),
    [(90, (HEIGHT, WIDTH), (0, -1)), (180, (WIDTH, HEIGHT), (-1, -1)), (270, (HEIGHT, WIDTH), (-1, 0))],
)
def test_rotation_tags_are_honoured(
    tmp_path: Path, degrees: int, size: tuple[int, int], red_corner: tuple[int, int]
) -> None:
    clip = turn_header(render(tmp_path / "clip.mp4", frames=4), degrees)
    source = open_source(str(clip), PLAIN, "cam")
    frame = next(iter(source.frames()))
    assert (frame.width, frame.height) == size
    assert full_bgr(frame.planes)[red_corner][2] > 150
    source.close()


def test_a_camera_mounted_sideways_is_turned_by_the_settings(tmp_path: Path) -> None:
    clip = render(tmp_path / "clip.mp4", frames=3)
    frame = next(iter(open_source(str(clip), SourceSettings(rotate="270"), "cam").frames()))
    assert (frame.width, frame.height) == (HEIGHT, WIDTH)
    assert full_bgr(frame.planes)[-1, 0][2] > 150


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".avi", ".ts"])
def test_sound_is_never_in_the_way(tmp_path: Path, suffix: str) -> None:
    assert numbers(render(tmp_path / f"clip{suffix}", frames=20, sound=True)) == list(range(20))


def test_a_file_of_single_events_breaks_where_its_time_jumps(tmp_path: Path) -> None:
    times_s = [0.0, 0.1, 0.2, 60.0, 60.1, 60.2]
    played = play(render(tmp_path / "clip.mkv", fps=0, times_s=times_s))
    assert [frame.segment for _, frame in played] == [0, 0, 0, 1, 1, 1]


def test_a_size_that_changes_in_mid_stream_is_followed(tmp_path: Path) -> None:
    small = render(tmp_path / "1.ts", frames=10)
    large = render(tmp_path / "2.ts", frames=10, first=10, size=(2 * WIDTH, 2 * HEIGHT))
    (tmp_path / "both.ts").write_bytes(small.read_bytes() + large.read_bytes())
    played = play(tmp_path / "both.ts")
    assert [number for number, _ in played] == list(range(20))
    assert [frame.width for _, frame in played] == [WIDTH] * 10 + [2 * WIDTH] * 10


def test_the_first_time_is_told_else_in_the_file_else_its_date(tmp_path: Path) -> None:
    began_s = datetime.now(timezone.utc).timestamp()
    tagged = render(tmp_path / "clip.mp4", frames=10)
    (_, first), *_ = play(tagged)
    assert began_s - 2 <= first.utc_s <= began_s + 60, "mp4mux stamps the time of writing"

    told = datetime(2024, 2, 3, 4, 5, 6, tzinfo=timezone.utc)
    (_, first), *_, (_, last) = play(tagged, start_time=told)
    assert first.utc_s == told.timestamp() + first.pts_s
    assert math.isclose(last.utc_s - first.utc_s, last.pts_s - first.pts_s, abs_tol=1e-6)

    bare = render(tmp_path / "clip.avi", frames=10)
    os.utime(bare, (1_700_000_000, 1_700_000_000))
    source = open_source(str(bare), PLAIN, "cam")
    first = next(iter(source.frames()))
    assert math.isclose(first.utc_s, 1_700_000_000 - 1.0, abs_tol=0.11), "date less duration"
    assert "--start-time" in source.status().reason


def test_probe_tells_what_a_clip_is(tmp_path: Path) -> None:
    info = probe(str(render(tmp_path / "clip.mp4", frames=25)), PLAIN)
    assert (info.width, info.height, info.fps, info.codec) == (WIDTH, HEIGHT, FPS, "H.264")
    assert info.frames == 25
    assert info.duration_s == pytest.approx(2.5, abs=0.01)
    assert "software" in info.decoder


def test_status_follows_a_clip(tmp_path: Path) -> None:
    source = open_source(str(render(tmp_path / "clip.mp4", frames=8)), PLAIN, "cam")
    assert source.status().state is SourceState.CONNECTING
    for count, _ in enumerate(source.frames(), 1):
        status = source.status()
        assert (status.state, status.frames, status.fps) == (SourceState.RUNNING, count, FPS)
        assert "avdec_h264" in status.decoder
    assert source.status().state is SourceState.ENDED
    assert source.status().dropped == {}


def test_close_ends_a_clip_at_once(tmp_path: Path) -> None:
    source = open_source(str(render(tmp_path / "clip.mp4", frames=30)), PLAIN, "cam")
    frames = source.frames()
    next(frames)
    source.close()
    assert len(list(frames)) == 0
    source.close()


@pytest.mark.parametrize("wish", ["software", "openh264dec"])
def test_a_decoder_can_be_wished_for(tmp_path: Path, wish: str) -> None:
    clip = render(tmp_path / "clip.mp4", frames=5)
    source = open_source(str(clip), SourceSettings(decoder=wish, decoder_threads=1), "cam")
    assert [number_in(frame) for frame in source.frames()] == [0, 1, 2, 3, 4]
    assert "as configured" in source.status().decoder
    assert wish == "software" or wish in source.status().decoder


def test_hardware_comes_first_and_its_failure_is_no_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """openh264dec plays the video engine here: it takes plain H.264 and chokes on ten bits."""
    from anpr_stream.sources import gst_decoders

    monkeypatch.setattr(gst_decoders, "_is_hardware", lambda factory: factory.get_name() == "openh264dec")
    plain = open_source(str(render(tmp_path / "plain.mp4", frames=5)), PLAIN, "cam")
    assert [number_in(frame) for frame in plain.frames()] == [0, 1, 2, 3, 4]
    assert plain.status().decoder.startswith("openh264dec (hardware")
    deep = open_source(str(render(tmp_path / "deep.mkv", "h264deep", 5, form="I420_10LE")), PLAIN, "cam")
    assert [number_in(frame) for frame in deep.frames()] == [0, 1, 2, 3, 4]
    assert deep.status().decoder.startswith("avdec_h264 (software")
    assert "openh264dec (hardware) failed: " in deep.status().decoder


def test_a_wished_decoder_that_is_missing_is_named(tmp_path: Path) -> None:
    clip = render(tmp_path / "clip.mp4", frames=5)
    with pytest.raises(SourceError, match=r"clip.mp4: no decoder for H.264 \(nvh999dec is not installed"):
        play(clip, decoder="nvh999dec")
