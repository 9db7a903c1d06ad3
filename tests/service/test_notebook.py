"""What a camera remembers, over restarts of its flow and, through the real store, of the daemon."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from anpr_stream.config.schema import CameraSettings
from anpr_stream.config.tracking import TrackingSettings, VisitSettings
from anpr_stream.interfaces import Notebook
from anpr_stream.pipeline import follower as module
from anpr_stream.pipeline.follower import Follower
from anpr_stream.pipeline.looks import Look
from anpr_stream.service.notebook import PlateNotebook
from anpr_stream.service.writer import Writer
from anpr_stream.store.database import NAME, open_database, read_database
from anpr_stream.store.remembered import read_remembered
from anpr_stream.tracking.path import scaled
from anpr_stream.types import Detection, Event, PixelFormat, Planes, Remembered
from tests.pipeline.fakes import InstantDesk, plate_at, road_frame

PARKED_AFTER_S = 2.0
TEXT = "AB12CDE"
NOTE = Remembered("XY9", (1.0, 2.0, 3.0, 4.0), (0.5, 0.0), 1_700_000_000.0, True, 0.9, (640, 360))
SETTINGS = CameraSettings(
    tracking=TrackingSettings(visits=VisitSettings(parked_after_s=PARKED_AFTER_S, revisit_s=10))
)


def watch(
    notebook: Notebook,
    from_s: float,
    plates: list[Detection],
    text: str = TEXT,
    is_cut_off: bool = False,
    change: Callable[[Look], Look] = lambda look: look,
) -> list[Event]:
    """One life of a camera's flow that sees a plate at 15 frames a second; a crash leaves out its end."""
    follower = Follower("gate", SETTINGS, InstantDesk(text), notebook=notebook)
    events: list[Event] = []
    for index, plate in enumerate(plates):
        frame = road_frame(index)
        later = replace(frame, utc_s=frame.utc_s + from_s)
        events += follower.follow(change(Look(later, [plate])))
    return events if is_cut_off else events + follower.end()


STANDS = [plate_at(30)] * 60
ELSEWHERE = [plate_at(70)] * 60


class Run:
    """One life of the daemon's store."""

    def __init__(self, folder: Path, may_store: bool = True, cameras: tuple[str, ...] = ("gate",)) -> None:
        self._writer = Writer(open_database(folder))
        self.notebook = PlateNotebook(self._writer, cameras, may_store)

    def __enter__(self) -> PlateNotebook:
        return self.notebook

    def __exit__(self, *_: object) -> None:
        self._writer.close()


def test_a_car_that_stood_there_before_a_restart_is_no_new_visit(tmp_path: Path) -> None:
    with Run(tmp_path) as before:
        assert isinstance(before, Notebook)
        assert len({event.visit_id for event in watch(before, 0, STANDS)}) == 1
    with Run(tmp_path) as after:
        assert watch(after, 3600, STANDS) == []
    with Run(tmp_path) as long_after:
        assert watch(long_after, 7200, STANDS) == []


def resized(look: Look) -> Look:
    """The same scene from a camera whose picture is twice as wide and three times as high."""
    planes = Planes(PixelFormat.GRAY8, (look.frame.planes.arrays[0].repeat(3, 0).repeat(2, 1),))
    frame = replace(look.frame, width=1280, height=1080, planes=planes)
    return Look(frame, [replace(plate, box=scaled(plate.box, (2.0, 3.0))) for plate in look.detections or ()])


def test_a_car_that_stood_there_is_known_by_a_camera_with_another_resolution(tmp_path: Path) -> None:
    with Run(tmp_path) as before:
        watch(before, 0, STANDS)
    with Run(tmp_path) as after:
        assert watch(after, 3600, STANDS, change=resized) == []
        assert watch(after, 3700, ELSEWHERE, change=resized) != []
    with Run(tmp_path) as back:
        assert watch(back, 7200, STANDS) == []


def test_a_note_of_a_version_that_knew_no_sizes_counts_as_it_is(tmp_path: Path) -> None:
    with Run(tmp_path) as before:
        watch(before, 0, STANDS)
    with closing(open_database(tmp_path)) as database, database:
        database.execute("UPDATE remembered SET plates = json_remove(plates, '$[0][6]')")
    with closing(read_database(tmp_path)) as database:
        assert read_remembered(database)["gate"][0].frame_px is None
    with Run(tmp_path) as after:
        assert watch(after, 3600, STANDS) == []


def test_another_car_or_place_or_a_time_too_long_is_a_new_visit(tmp_path: Path) -> None:
    with Run(tmp_path) as before:
        watch(before, 0, STANDS)
    with Run(tmp_path) as after:
        assert watch(after, 3600, STANDS, "XY9988") != []
        assert watch(after, 3600, ELSEWHERE) != []
    with Run(tmp_path) as after:
        assert watch(after, 3600 + 90_000, STANDS) != []


def test_a_car_that_drives_off_after_the_restart_is_told_again(tmp_path: Path) -> None:
    with Run(tmp_path) as before:
        watch(before, 0, STANDS)
    with Run(tmp_path) as after:
        drives = [plate_at(30 + index) for index in range(40)]
        assert watch(after, 3600, STANDS[:20] + drives) != []


def test_a_car_that_was_just_here_is_no_new_visit_within_the_time_for_that(tmp_path: Path) -> None:
    short = STANDS[:15]
    with Run(tmp_path) as before:
        watch(before, 0, short)
    with Run(tmp_path) as after:
        assert watch(after, 5, short) == []
    with Run(tmp_path) as long_after:
        assert watch(long_after, 60, short) != []


def test_a_crash_forgets_only_the_last_minutes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "NOTE_EVERY_S", PARKED_AFTER_S + 1)
    with Run(tmp_path) as before:
        assert len(watch(before, 0, STANDS, is_cut_off=True)) == 1
    with Run(tmp_path) as after:
        assert watch(after, 3600, STANDS) == []


def test_pages_of_other_cameras_stay_and_of_unknown_ones_go(tmp_path: Path) -> None:
    with Run(tmp_path, cameras=("gate", "yard")) as first:
        first.note("gate", (NOTE,))
        first.note("yard", (NOTE, NOTE))
    with Run(tmp_path, cameras=("yard",)) as second:
        assert (second.recall("gate"), second.recall("yard")) == ((), (NOTE, NOTE))
    with closing(read_database(tmp_path)) as database:
        assert list(read_remembered(database)) == ["yard"]


def test_texts_that_privacy_hides_are_never_written(tmp_path: Path) -> None:
    with Run(tmp_path, may_store=False) as first:
        watch(first, 0, STANDS)
        assert watch(first, 60, STANDS) == [], "remembered as long as the process lives"
    for path in tmp_path.glob(f"{NAME}*"):
        assert TEXT.encode() not in path.read_bytes()


def test_texts_go_from_the_store_when_privacy_hides_them_from_now_on(tmp_path: Path) -> None:
    with Run(tmp_path) as notebook:
        notebook.note("gate", (NOTE,))
        notebook.permit(may_store=False)
    with closing(read_database(tmp_path)) as database:
        assert read_remembered(database) == {}
