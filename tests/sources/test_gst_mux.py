"""Clips as files: what a camera sends comes out of them again, picture by picture."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from anpr_stream.config.clips import ClipSettings
from anpr_stream.config.source import SourceSettings
from anpr_stream.errors import SourceError
from anpr_stream.metrics import CLIP_PACKETS_DROPPED
from anpr_stream.sources import open_source
from anpr_stream.sources.clip_ring import ClipRing, Packet
from anpr_stream.sources.gst_mux import mux
from anpr_stream.sources.gst_player import Player
from anpr_stream.sources.gst_runtime import Gst
from anpr_stream.sources.gst_stream import every_element
from anpr_stream.sources.gst_tap import MOST_WAITING, Tap
from anpr_stream.sources.locate import locate
from anpr_stream.types import SourceState
from tests.media import FPS, can_encode, number_in, render
from tests.rtsp_camera import Camera

CLIPS = ClipSettings(enabled=True, most_s=300)


@pytest.fixture(scope="module")
def camera() -> Iterator[Camera]:
    with Camera() as running:
        yield running


def tapped(video: Path, ring: ClipRing) -> Tap:
    """Play a recording's packets into a tap, as fast as they come, until they have all come."""
    pipeline = Gst.parse_launch(f'filesrc location="{video}" ! parsebin name=parse ! fakesink name=sink')
    tap, sink = Tap(ring), pipeline.get_by_name("sink").get_static_pad("sink")
    pipeline.get_by_name("parse").connect(
        "pad-added", lambda _, pad: (pad.unlink(sink), pad.link(tap.before(pipeline, sink)))
    )
    pipeline.set_state(Gst.State.PLAYING)
    message = pipeline.get_bus().timed_pop_filtered(60 * Gst.SECOND, Gst.MessageType.EOS)
    assert message is not None
    tap.drain()
    pipeline.set_state(Gst.State.NULL)
    return tap


@pytest.mark.parametrize("codec", ["h264", "h264b", "h265"])
def test_a_cut_is_a_file_that_plays(tmp_path: Path, codec: str) -> None:
    if not can_encode(codec):
        pytest.skip(f"no encoder for {codec}")
    ring = ClipRing("cam", CLIPS)
    ring.begin(0.0)
    tapped(render(tmp_path / "camera.mkv", codec, frames=60), ring)
    packets = ring.cut(2.5, 4.5, 2.5)
    path = tmp_path / "clip.mp4"
    path.write_bytes(mux(packets))
    assert b"moof" in path.read_bytes()
    found = list(open_source(str(path), SourceSettings(), "clip").frames())
    numbers = [number_in(frame) for frame in found]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert numbers[0] <= 25
    assert 44 <= numbers[-1] <= 47, "with one or two that others need"
    assert found[0].pts_s < 3 / FPS, "those pictures come before it in a file"
    lasts_s = found[-1].pts_s - found[0].pts_s
    assert lasts_s == pytest.approx((numbers[-1] - numbers[0]) / FPS, abs=0.01)


def test_damaged_packets_are_an_error() -> None:
    form = "video/x-h264, stream-format=(string)byte-stream, alignment=(string)au"
    with pytest.raises(SourceError, match="a clip cannot be made"):
        mux([Packet(form, 0.0, True, b"no video")])


def test_what_nobody_takes_in_time_is_counted_and_breaks_the_stretch(tmp_path: Path) -> None:
    ring = ClipRing("cam", CLIPS)
    ring.begin(0.0)
    tapped(render(tmp_path / "long.mkv", frames=MOST_WAITING + 107), ring)
    packets = ring.cut(0.0, 999.0, 0.0)
    assert packets[0].is_key
    assert packets[0].time_s == pytest.approx(11.0, abs=0.01)
    assert len(packets) == MOST_WAITING - 3
    assert CLIP_PACKETS_DROPPED.labels("cam", "waited")._value.get() == 107


def test_a_camera_without_a_ring_is_not_branched(camera: Camera) -> None:
    counts = []
    for ring in (None, ClipRing("cam", CLIPS)):
        player = Player(locate(camera.url(), SourceSettings()), SourceSettings(), ring)
        while player.pull(1.0) is None:
            pass
        names = [element.get_factory().get_name() for element in every_element(player._pipeline)]
        counts.append((names.count("tee"), names.count("appsink")))
        player.close()
    assert counts == [(0, 1), (1, 2)]


def test_a_camera_of_another_codec_says_that_it_gives_no_clips(
    camera: Camera, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    ring = ClipRing("cam", CLIPS)
    source = open_source(camera.url("jpeg"), SourceSettings(), "cam", ring=ring)
    for _ in source.frames():
        assert ring.is_due(999.0), "nobody waits for its video"
        why = "no clips: they need H.264 or H.265, and it sends MJPEG"
        assert (source.status().state, source.status().reason) == (SourceState.RUNNING, why)
        source.close()
    assert ring.size == 0
    (line,) = [record.getMessage() for record in caplog.records if "clips" in record.getMessage()]
    assert line.endswith(f"/jpeg gives {why}")
