"""Clips of visits at a real camera: what they show is known by the numbers in their pictures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from threading import Event as Flag

import pytest
from pydantic import SecretStr

from anpr_stream.config.clips import ClipSettings
from anpr_stream.config.load import load_settings
from anpr_stream.config.schema import Camera
from anpr_stream.config.source import SourceSettings
from anpr_stream.config.tracking import TrackingSettings
from anpr_stream.metrics import CLIPS_DROPPED
from anpr_stream.pipeline.clips import ClipCutter
from anpr_stream.pipeline.networks import load_networks
from anpr_stream.pipeline.supervisor import Pipeline
from anpr_stream.sources import open_source, probe
from anpr_stream.types import Clip, Event, EventKind, Moment
from tests.media import can_encode, number_in, render
from tests.rtsp_camera import FPS, VISIT_EVERY, VISIT_PICTURES
from tests.rtsp_camera import Camera as RtspCamera
from tests.service.fakes import event
from tests.sources.test_gst_mux import tapped
from tests.stubs import write_networks

pytestmark = pytest.mark.timeout(180)
LIMIT_S = 100
CLIPS = ClipSettings(enabled=True, before_s=2.0, after_s=1.0, most_s=8.0)
VISITS = TrackingSettings.model_validate({"visits": {"final_after_s": 1.0, "revisit_s": 0.0}})
GROUP = FPS
"""Pictures from one key frame of the camera to the next."""
SLOW = 12
"""Pictures that may pass until a plate is first seen, on a busy machine."""


class Gate:
    """A camera in the whole flow, and what came of it."""

    def __init__(self, pipeline: Pipeline, events: Queue[Event], clips: Queue[Clip]) -> None:
        self.pipeline = pipeline
        self.events = events
        self.clips = clips

    def first(self, kind: EventKind) -> Event:
        while (event := self.events.get(timeout=LIMIT_S)).kind is not kind:
            pass
        return event


@contextmanager
def gate(folder: Path, url: str, clips: ClipSettings = CLIPS, **source: object) -> Iterator[Gate]:
    settings = load_settings(write_networks(folder))
    events: Queue[Event] = Queue()
    made: Queue[Clip] = Queue()
    camera = Camera(url=url, tracking=VISITS, clips=clips, source=SourceSettings.model_validate(source))
    with (
        load_networks(settings) as networks,
        Pipeline(settings, networks, events.put, send_clip=made.put) as pipeline,
    ):
        pipeline.start("gate", camera)
        yield Gate(pipeline, events, made)


def numbers(clip: Clip, folder: Path) -> list[int]:
    """Return the numbers of a clip's pictures, all of which must be there."""
    path = folder / "clip.mp4"
    path.write_bytes(clip.data)
    found = [number_in(frame) for frame in open_source(str(path), SourceSettings(), "clip").frames()]
    assert found == list(range(found[0], found[0] + len(found)))
    return found


@pytest.fixture(scope="module")
def camera() -> Iterator[RtspCamera]:
    with RtspCamera() as running:
        yield running


def arrived(number: int) -> int:
    """Return the number of the picture in which the visit that is in view, or comes next, begins."""
    return -(-(number - VISIT_PICTURES) // VISIT_EVERY) * VISIT_EVERY


@pytest.mark.parametrize(("path", "main", "width"), [("visit", None, 640), ("visit", "visit-main", 1280)])
def test_a_clip_holds_the_visit(
    tmp_path: Path, camera: RtspCamera, path: str, main: str | None, width: int
) -> None:
    source = {"main_url": SecretStr(camera.url(main))} if main else {}
    with gate(tmp_path, camera.url(path), **source) as running:
        clip = running.clips.get(timeout=LIMIT_S)
        if running.first(EventKind.NEW).first_seen.pts_s < CLIPS.before_s + GROUP / FPS:
            clip = running.clips.get(timeout=LIMIT_S)  # the camera had just been found
        while (event := running.first(EventKind.FINAL)).visit_id != clip.visit_id:
            pass
    assert (clip.camera, clip.utc_s) == ("gate", event.first_seen.utc_s)
    shown = numbers(clip, tmp_path)
    first = arrived(shown[0])
    latest_begin = first + SLOW - CLIPS.before_s * FPS
    assert latest_begin - SLOW - GROUP - 2 <= shown[0] <= latest_begin, (shown[0], first)
    wished = (event.last_seen.pts_s - event.first_seen.pts_s + CLIPS.before_s + CLIPS.after_s) * FPS
    assert wished - 2 <= len(shown) <= wished + GROUP + 2
    assert probe(str(tmp_path / "clip.mp4"), SourceSettings()).width == width


def test_h265(tmp_path: Path, camera: RtspCamera) -> None:
    if not can_encode("h265"):
        pytest.skip("no encoder for H.265")
    with gate(tmp_path, camera.url("visit-h265")) as running:
        clip = running.clips.get(timeout=LIMIT_S)
    shown = numbers(clip, tmp_path)
    assert arrived(shown[0]) < shown[-1]
    assert probe(str(tmp_path / "clip.mp4"), SourceSettings()).codec == "H.265"


def test_a_long_visit_has_a_clip_of_its_beginning_before_it_ends(tmp_path: Path, camera: RtspCamera) -> None:
    short = CLIPS.model_copy(update={"before_s": 0.5, "after_s": 0.5, "most_s": 1.0})
    with gate(tmp_path, camera.url("visit"), short) as running:
        clip = running.clips.get(timeout=LIMIT_S)
        seen = [running.events.get(timeout=LIMIT_S)]
        while seen[-1].kind is not EventKind.FINAL:
            seen.append(running.events.get(timeout=LIMIT_S))
    assert len(numbers(clip, tmp_path)) <= short.most_s * FPS + GROUP + 1
    assert seen[-1].visit_id == clip.visit_id
    assert running.clips.empty(), "one clip a visit"


def test_a_camera_that_dies_amid_a_visit_leaves_a_clip(tmp_path: Path) -> None:
    with RtspCamera() as mortal, gate(tmp_path, mortal.url("visit")) as running:
        event = running.first(EventKind.NEW)
        mortal.die()
        clip = running.clips.get(timeout=LIMIT_S)
        assert clip.visit_id == event.visit_id
    shown = numbers(clip, tmp_path)
    assert shown[-1] < arrived(shown[0]) + VISIT_PICTURES


def test_the_clip_of_a_visit_in_view_is_made_when_the_camera_is_stopped(
    tmp_path: Path, camera: RtspCamera
) -> None:
    with gate(tmp_path, camera.url("visit")) as running:
        event = running.first(EventKind.NEW)
        running.pipeline.stop_all()
        assert running.pipeline.wait(LIMIT_S)
        assert running.clips.get_nowait().visit_id == event.visit_id


def test_a_clip_that_waits_too_long_is_counted_and_no_other_waits_for_memory(tmp_path: Path) -> None:
    lost = CLIPS_DROPPED.labels("slow", "not_in_memory")._value
    before = lost.get()
    busy, goes_on = Flag(), Flag()

    def send(clip: Clip) -> None:
        busy.set()
        assert goes_on.wait(LIMIT_S)

    cutter = ClipCutter(send)
    ring = cutter.begin("slow", ClipSettings(enabled=True, before_s=0, after_s=0, most_s=1), is_live=True)
    assert ring is not None
    ring.begin(0.0)
    tapped(render(tmp_path / "camera.mkv", frames=20), ring)
    visit = {"camera": "slow", "kind": EventKind.FINAL, "first_seen": Moment(0.5, 9.0)}
    cutter.follow(event("one", last_seen=Moment(1.0, 9.5), **visit))
    assert busy.wait(LIMIT_S)
    cutter.follow(event("two", last_seen=Moment(1.0, 9.5), **visit))
    for number in range(20):
        ring.put("another", 2.0 + number, True, b"x")
    goes_on.set()
    cutter.settle(LIMIT_S)
    cutter.close()
    assert lost.get() == before + 1
