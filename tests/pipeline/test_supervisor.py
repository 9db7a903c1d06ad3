"""Whole pipelines over real files with hand-made networks."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Barrier, Thread
from threading import Event as Flag

import cv2
import pytest

from anpr_stream.config.load import load_settings
from anpr_stream.config.schema import Camera, Settings
from anpr_stream.outputs.schema import event_to_json
from anpr_stream.pipeline.networks import Networks, load_networks
from anpr_stream.pipeline.supervisor import Pipeline
from anpr_stream.types import Detection, Event, EventKind, Frame
from tests.stubs import TEXT, scene, write_clip, write_networks


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return load_settings(write_networks(tmp_path_factory.mktemp("networks")))


@pytest.fixture(scope="module")
def networks(settings: Settings) -> Iterator[Networks]:
    with load_networks(settings) as loaded:
        yield loaded


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clips") / "gate.mp4")


def watch(settings: Settings, networks: Networks, **urls: str | Path) -> tuple[list[Event], dict[str, str]]:
    sent: list[Event] = []
    with Pipeline(settings, networks, sent.append) as pipeline:
        for name, url in urls.items():
            pipeline.start(name, Camera(url=str(url)))
        assert pipeline.wait(110)
        errors = {name: str(pipeline.error(name)) for name in urls if pipeline.error(name)}
    return sent, errors


def test_recordings_side_by_side_give_what_each_gives_alone(
    settings: Settings, networks: Networks, clip: Path
) -> None:
    alone, _ = watch(settings, networks, a=clip)
    together, _ = watch(settings, networks, a=clip, b=clip, c=clip)
    of_a = [event_to_json(event) for event in together if event.camera == "a"]
    assert of_a == [event_to_json(event) for event in alone]
    assert {event.camera for event in together} == {"a", "b", "c"}
    assert alone[-1].plate is not None
    assert alone[-1].plate.text == TEXT


def test_receivers_that_hold_a_recording_up_on_a_busy_machine_change_none_of_its_events(
    settings: Settings, networks: Networks, clip: Path
) -> None:
    alone, _ = watch(settings, networks, a=clip)
    sent: list[str] = []
    is_other_over, is_over = Flag(), Flag()

    def slow(event: Event) -> None:
        if event.camera == "a":
            assert is_other_over.wait(60)
            sent.append(event_to_json(event))
        elif event.kind is EventKind.FINAL:
            is_other_over.set()

    def keep_busy() -> None:
        while not is_over.is_set():
            sum(range(1000))

    busy = Thread(target=keep_busy)
    busy.start()
    try:
        with Pipeline(settings, networks, slow) as pipeline:
            for name in ("a", "b"):
                pipeline.start(name, Camera(url=str(clip)))
            assert pipeline.wait(110)
    finally:
        is_over.set()
        busy.join()
    assert sent == [event_to_json(event) for event in alone]


class SideBySide:
    """A detector with two streams that goes on when it is called twice at once."""

    streams = 2

    def __init__(self) -> None:
        self._both = Barrier(2)
        self.batches: list[int] = []

    def detect(self, frames: Sequence[Frame]) -> list[list[Detection]]:
        """Find nothing; the first two frames in two threads at once."""
        if len(self.batches) < self.streams:
            self.batches.append(len(frames))
            self._both.wait(30)
        self.batches.append(len(frames))
        return [[] for _ in frames]


def test_an_engine_with_streams_gets_frame_by_frame_from_as_many_threads(
    settings: Settings, networks: Networks, clip: Path
) -> None:
    detector = SideBySide()
    _, errors = watch(settings, replace(networks, detector=detector), a=clip)  # type: ignore[arg-type]
    assert not errors
    assert set(detector.batches) == {1}


def test_a_bad_source_stops_no_other(
    settings: Settings, networks: Networks, clip: Path, tmp_path: Path
) -> None:
    (tmp_path / "bad.mp4").write_text("not a video")
    sent, errors = watch(settings, networks, bad=tmp_path / "bad.mp4", none="/no/such.mp4", good=clip)
    assert set(errors) == {"bad", "none"}
    assert sent[-1].camera == "good"
    assert sent[-1].kind is EventKind.FINAL


def test_a_camera_can_be_stopped_alone(settings: Settings, networks: Networks, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "long.mp4", frames=600)
    sent: list[Event] = []
    begun = Flag()
    with Pipeline(settings, networks, sent.append) as pipeline:
        pipeline.start("a", Camera(url=str(clip)), lambda frame, marks: begun.set())
        assert begun.wait(60)
        pipeline.stop("a")
        assert pipeline.statuses() == {}
    pipeline.close()


def test_a_live_camera_is_watched_until_it_is_stopped(settings: Settings, networks: Networks) -> None:
    begun = Flag()
    with Pipeline(settings, networks, lambda event: None) as pipeline:
        pipeline.start("gate", Camera(url="test:"), lambda frame, marks: begun.set())
        assert begun.wait(60)
        pipeline.stop_all()
        assert pipeline.wait(60)
        assert pipeline.statuses()["gate"].looked_at > 0
        assert pipeline.error("gate") is None


def test_a_plate_that_is_seen_on_one_picture_of_a_folder_is_told(
    settings: Settings, networks: Networks, tmp_path: Path
) -> None:
    for number, index in enumerate((None, 20, None)):
        cv2.imwrite(str(tmp_path / f"{number}.png"), scene(index))
    sent, errors = watch(settings, networks, photos=tmp_path)
    assert errors == {}
    assert [(event.kind, event.plate and event.plate.text) for event in sent] == [(EventKind.FINAL, TEXT)]
    assert sent[0].frame_index == 1


def test_opencv_leaves_the_cores_to_the_stages(settings: Settings, networks: Networks) -> None:
    before = cv2.getNumThreads()
    cv2.setNumThreads(2)
    try:
        with Pipeline(settings, networks, lambda event: None):
            assert cv2.getNumThreads() == 1
    finally:
        cv2.setNumThreads(before)
