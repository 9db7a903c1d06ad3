"""Two streams of one camera: looked at in the small one, read from the large one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydantic import SecretStr

from anpr_stream.config.source import SourceSettings
from anpr_stream.errors import SourceError
from anpr_stream.sources import open_source
from anpr_stream.sources.clock import SystemClock
from anpr_stream.sources.gst_gate import GatedPlayer
from anpr_stream.sources.locate import locate
from anpr_stream.sources.pair import (
    KEPT_PICTURES,
    MISSING,
    START_S,
    STARTING,
    WANTED_S,
    Demand,
    LargeStream,
    LatePlanes,
    PairedSource,
    enlarged,
)
from anpr_stream.types import Frame, PixelFormat, Planes, SourceState, SourceStatus
from anpr_stream.vision.planes import crop_bgr, full_bgr
from tests.media import HEIGHT, WIDTH, number_in
from tests.rtsp_camera import FPS, Camera
from tests.sources.test_supervise import FakeClock

NOTHING = Planes(PixelFormat.GRAY8, ())


def frame(
    utc_s: float, width: int = 4, value: int = 0, planes: Planes | None = None, segment: int = 0
) -> Frame:
    grey = Planes(PixelFormat.GRAY8, (np.full((width // 2, width), value, np.uint8),))
    return Frame("cam", 0, utc_s, utc_s, width, width // 2, planes or grey, segment)


class GivenFrames:
    """A source of frames that are there already; begins after `go`, and says when all were taken."""

    def __init__(
        self,
        *given: Frame,
        reason: str = "",
        state: SourceState = SourceState.RUNNING,
        go: threading.Event | None = None,
    ) -> None:
        self._given = given
        self._status = SourceStatus(state, reason)
        self._go = go
        self.taken = threading.Event()

    def frames(self) -> Iterator[Frame]:
        if self._go:
            self._go.wait(10)
        yield from self._given
        self.taken.set()

    def status(self) -> SourceStatus:
        return self._status

    def close(self) -> None:
        """Nothing to free."""


def join(small: Frame, *given: Frame) -> tuple[Frame, PairedSource, Demand]:
    """One frame of a pair whose large stream has received the given frames."""
    demand = Demand(FakeClock())
    large = GivenFrames(*given)
    source = PairedSource(GivenFrames(small, go=large.taken), LargeStream(large, demand), limit_s=0.1)
    (joined,) = source.frames()
    return joined, source, demand


def large_of(*given: Frame) -> tuple[LargeStream, Demand]:
    """A large stream that has received these frames."""
    demand = Demand(FakeClock())
    large = LargeStream(GivenFrames(*given), demand)
    large.start()
    large.close()
    return large, demand


def test_demand_lasts_a_while() -> None:
    clock = FakeClock()
    demand = Demand(clock)
    assert not demand.is_on()
    demand.ask()
    clock.now_s += WANTED_S - 0.1
    assert demand.is_on()
    clock.now_s += 0.2
    assert not demand.is_on()


def test_the_nearest_large_picture_is_found_and_asked_for() -> None:
    large, demand = large_of(*[frame(100 + number / 10, value=number) for number in range(5)])
    assert not demand.is_on()
    found = large.nearest(100.22, 0.05)
    assert found is not None
    assert found.utc_s == pytest.approx(100.2)
    assert demand.is_on()
    assert large.nearest(99.0, 0.05) is None
    assert large.nearest(200.0, 0.05) is None


def test_only_the_newest_pictures_are_kept() -> None:
    large, _ = large_of(*[frame(100 + number) for number in range(KEPT_PICTURES + 3)])
    assert large.nearest(102.0, 0.1) is None
    assert large.nearest(103.0, 0.1) is not None


def test_packets_tell_the_size_before_anything_is_decoded() -> None:
    large, demand = large_of(frame(100, width=64, planes=NOTHING))
    assert large.size == (64, 32)
    assert large.nearest(100, 9) is None
    assert demand.is_on()


def test_a_picture_about_to_be_decoded_is_waited_for() -> None:
    gate = threading.Event()

    class Late(GivenFrames):
        def frames(self) -> Iterator[Frame]:
            yield frame(100.0)
            gate.wait(10)
            yield frame(100.1)

    large = LargeStream(Late(), Demand(FakeClock()))
    large.start()
    while large.nearest(100.0, 0.01) is None:
        threading.Event().wait(0.01)
    gate.set()
    found = large.nearest(100.1, 0.02)
    large.close()
    assert found is None or found.utc_s == 100.1, "a slow machine may be later than the wait"
    assert large.nearest(100.1, 0.02) is not None


def test_frames_hold_the_large_pixels_and_its_coordinates() -> None:
    joined, source, _ = join(frame(100.02, value=50), frame(100.0, width=40, value=200))
    assert (joined.width, joined.height) == (40, 20)
    assert joined.search_planes.arrays[0].shape == (2, 4)
    assert np.all(crop_bgr(joined.planes, (30, 10, 40, 20)) == 200)
    assert MISSING not in source.status().dropped


def test_without_a_large_picture_the_small_one_is_enlarged_and_counted() -> None:
    joined, source, _ = join(frame(150.0, value=50), frame(100.0, width=40, value=200))
    assert np.all(full_bgr(joined.planes) == 50)
    assert full_bgr(joined.planes).shape == (20, 40, 3)
    assert source.status().dropped == {MISSING: 1}, "touched twice, found once"


def test_untouched_planes_ask_for_nothing() -> None:
    joined, _, demand = join(frame(100.0), frame(100.0, width=40))
    assert joined.search_planes is joined.preview
    assert not demand.is_on()
    assert joined.planes.format is PixelFormat.GRAY8
    assert demand.is_on()


def test_late_planes_are_found_once_whoever_asks() -> None:
    calls: list[int] = []

    def find() -> Planes:
        calls.append(1)
        return frame(0.0).planes

    planes = LatePlanes(find)
    threads = [threading.Thread(target=lambda: planes.arrays) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (planes.full_range, planes.matrix) == (False, frame(0.0).planes.matrix)
    assert len(calls) == 1


def test_a_new_size_or_segment_begins_a_new_segment() -> None:
    go = threading.Event()
    given = GivenFrames(frame(1.0, width=40), go=go)
    large = LargeStream(given, Demand(FakeClock()))

    class Small(GivenFrames):
        def frames(self) -> Iterator[Frame]:
            yield frame(1.0)
            go.set()
            given.taken.wait(10)
            yield from (frame(2.0), frame(3.0), frame(4.0, segment=1))

    frames = list(PairedSource(Small(), large, limit_s=0.1).frames())
    assert [(one.width, one.segment) for one in frames] == [(4, 0), (40, 1), (40, 1), (40, 2)]
    assert frames[0].preview is None


@pytest.mark.parametrize(
    ("state", "reason", "first_s"),
    [
        (SourceState.CONNECTING, "", 1.0 + START_S),
        (SourceState.CONNECTING, "refuses the connection", 1.0),
        (SourceState.WAITING, "refuses the connection", 1.0),
    ],
)
def test_a_large_stream_that_connects_is_waited_for_a_while(
    state: SourceState, reason: str, first_s: float
) -> None:
    large = LargeStream(GivenFrames(state=state, reason=reason), Demand(FakeClock()))
    small = GivenFrames(*[frame(1.0 + number) for number in range(8)])
    source = PairedSource(small, large, limit_s=0.1)
    frames = list(source.frames())
    assert frames[0].utc_s == first_s
    assert len(frames) + source.status().dropped.get(STARTING, 0) == 8


def test_a_large_stream_that_is_up_ends_the_waiting() -> None:
    go = threading.Event()
    given = GivenFrames(frame(2.0, width=40), state=SourceState.CONNECTING, go=go)

    class Small(GivenFrames):
        def frames(self) -> Iterator[Frame]:
            yield frame(1.0)
            go.set()
            given.taken.wait(10)
            yield frame(2.0)

    source = PairedSource(Small(), LargeStream(given, Demand(FakeClock())), limit_s=0.1)
    assert [(one.width, one.segment) for one in source.frames()] == [(40, 0)]
    assert source.status().dropped == {STARTING: 1}


@pytest.mark.parametrize(
    ("large_state", "expected"),
    [(SourceState.RUNNING, ""), (SourceState.WAITING, "large stream: refuses the connection")],
)
def test_the_status_tells_what_is_wrong_with_the_large_stream(
    large_state: SourceState, expected: str
) -> None:
    large = LargeStream(GivenFrames(reason="refuses the connection", state=large_state), Demand(FakeClock()))
    assert PairedSource(GivenFrames(), large, 0.1).status().reason == expected


@pytest.mark.parametrize("format", [PixelFormat.I420, PixelFormat.NV12])
def test_enlarging_keeps_the_picture(format: PixelFormat) -> None:
    chroma = [(4, 6)] * 2 if format is PixelFormat.I420 else [(4, 6, 2)]
    planes = Planes(format, tuple(np.full(shape, 90, np.uint8) for shape in [(8, 12), *chroma]))
    large = enlarged(planes, 31, 17)
    assert full_bgr(large).shape == (17, 31, 3)
    assert np.all(full_bgr(large) == full_bgr(planes)[0, 0])


def test_a_recording_has_no_large_stream(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"x")
    with pytest.raises(SourceError, match=r"clip\.mp4 is no live camera, so it has no main_url"):
        open_source(str(tmp_path / "clip.mp4"), SourceSettings(main_url=SecretStr("test:")), "cam")
    with pytest.raises(SourceError, match=r"main_url .*clip\.mp4 is no live camera"):
        open_source("test:", SourceSettings(main_url=SecretStr(str(tmp_path / "clip.mp4"))), "cam")


def test_a_gated_stream_is_decoded_only_while_wanted() -> None:
    wanted = threading.Event()
    with Camera() as camera:
        address = locate(camera.url("main"), SourceSettings())
        player = GatedPlayer(address, SourceSettings(), wanted.is_set)
        idle = [shot for _ in range(2 * FPS) if (shot := player.pull(1.0))]
        assert not any(shot.planes.arrays for shot in idle)
        assert {(shot.width, shot.height) for shot in idle} == {(2 * WIDTH, 2 * HEIGHT)}
        wanted.set()
        first = next(shot for shot in iter(lambda: player.pull(1.0), 0) if shot and shot.planes.arrays)
        assert first.planes.arrays[0].shape == (2 * HEIGHT, 2 * WIDTH)
        wanted.clear()
        after = [shot for _ in range(3 * FPS) if (shot := player.pull(1.0))]
        assert not any(shot.planes.arrays for shot in after[-FPS:])
        player.close()


def test_a_pair_of_real_streams_shows_one_moment() -> None:
    with Camera() as camera:
        settings = SourceSettings(main_url=SecretStr(camera.url("main")), pair_limit_s=0.3)
        source = open_source(camera.url(), settings, "cam")
        pairs = []
        for joined in source.frames():
            if joined.preview is None:
                continue
            small = number_in(replace(joined, planes=joined.preview))
            if full_bgr(joined.planes).shape[:2] == (2 * HEIGHT, 2 * WIDTH):
                pairs.append((small, number_in(joined)))
            if len(pairs) == 3 * FPS:
                source.close()
        assert all(abs(small - large) <= 4 for small, large in pairs)
        missing = source.status().dropped.get(MISSING, 0)
        assert missing < len(pairs) / 2
        assert SystemClock().utc_s() - joined.utc_s < 30
