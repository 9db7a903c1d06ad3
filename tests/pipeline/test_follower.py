from dataclasses import replace

import numpy as np
import pytest

from anpr_stream.config.schema import CameraSettings
from anpr_stream.config.tracking import PlaceSettings, TrackingSettings
from anpr_stream.errors import ConfigError
from anpr_stream.pipeline.follower import Follower, Signature
from anpr_stream.pipeline.looks import Look
from anpr_stream.types import Detection, Event, EventKind, PixelFormat, Planes
from tests.pipeline.fakes import ROAD, InstantDesk, make_frame, plate_at, road_frame

SIGNATURE = Signature("onnxruntime fp32 cpu", (("detector-cpu", "abc"), ("reader-cpu", "def")))


def drive_past(follower: Follower, frames: int = 30) -> list[Event]:
    """One plate crosses the picture and is gone."""
    events = []
    for index in range(frames):
        events += follower.follow(Look(road_frame(index), [plate_at(index)]))
    return events + follower.end()


def test_one_plate_that_drives_past_is_one_visit_told_early_and_to_its_end() -> None:
    events = drive_past(Follower("gate", CameraSettings(), InstantDesk(), signature=SIGNATURE))
    assert {event.visit_id for event in events} == {events[0].visit_id}
    assert events[0].kind is EventKind.NEW
    assert events[-1].kind is EventKind.FINAL
    assert events[-1].plate is not None
    assert events[-1].plate.text == "AB12CDE"
    assert events[0].last_seen.pts_s < 0.7
    assert [event.revision for event in events] == list(range(len(events)))


def test_events_are_signed_and_carry_the_crop_that_was_read() -> None:
    event = drive_past(Follower("gate", CameraSettings(), InstantDesk(), signature=SIGNATURE))[-1]
    assert event.backend == "onnxruntime fp32 cpu"
    assert event.models == {"detector-cpu": "abc", "reader-cpu": "def"}
    assert event.crop is not None
    assert event.frame_index == event.crop.frame.index
    assert event.box == event.crop.detection.box


def test_the_same_looks_give_the_same_events() -> None:
    first, second = (drive_past(Follower("gate", CameraSettings(), InstantDesk())) for _ in range(2))
    assert first == second


def test_a_frame_that_was_not_looked_at_changes_nothing() -> None:
    follower = Follower("gate", CameraSettings(), InstantDesk())
    events = []
    for index in range(60):
        found = None if index % 2 else [plate_at(index // 2)]
        events += follower.follow(Look(road_frame(index, 30.0), found))
    events += follower.end()
    plain = drive_past(Follower("gate", CameraSettings(), InstantDesk()))
    assert [(e.kind, e.plate) for e in events] == [(e.kind, e.plate) for e in plain]


def test_a_masked_plate_is_not_read() -> None:
    mask = PlaceSettings(mask=(((0, 0), (1, 0), (1, 1), (0, 1)),))
    settings = CameraSettings(tracking=TrackingSettings(places=mask))
    desk = InstantDesk()
    assert drive_past(Follower("gate", settings, desk)) == []
    assert desk.asked == []


def test_crops_are_asked_for_until_a_text_is_settled() -> None:
    desk = InstantDesk()
    drive_past(Follower("gate", CameraSettings(), desk))
    assert 3 <= len(desk.asked) < 25
    assert {entry.crop.track_id for entry in desk.asked} == {desk.asked[0].crop.track_id}


def test_another_plate_where_a_settled_one_was_lost_from_sight_is_another_visit() -> None:
    desk = InstantDesk()
    follower = Follower("gate", CameraSettings(), desk)
    events = []
    for index in range(60):
        desk.text = "AB12CDE" if index < 30 else "XYZ98765"
        events += follower.follow(Look(road_frame(index), [] if 30 <= index < 36 else [plate_at(index)]))
    events += follower.end()
    assert {entry.crop.track_id for entry in desk.asked} == {1}
    finals = [event.plate.text for event in events if event.kind is EventKind.FINAL and event.plate]
    assert finals == ["AB12CDE", "XYZ98765"]


def test_marks_follow_the_plate_on_frames_that_were_not_looked_at() -> None:
    follower = Follower("gate", CameraSettings(), InstantDesk())
    assert follower.marks(road_frame(0)) == []
    for index in range(20):
        follower.follow(Look(road_frame(index), [plate_at(index)]))
    (mark,) = follower.marks(road_frame(20))
    assert mark.text == "AB12CDE"
    assert mark.is_seen
    assert mark.box[0] == pytest.approx(plate_at(20).box[0], abs=2)


def test_a_camera_that_falls_silent_ends_its_visits_once() -> None:
    follower = Follower("gate", CameraSettings(), InstantDesk())
    assert follower.silent(100) == []
    for index in range(20):
        follower.follow(Look(road_frame(index), [plate_at(index)]))
    assert follower.silent(0.2) == []
    assert [event.kind for event in follower.silent(60)] == [EventKind.FINAL]
    assert follower.silent(61) == []
    assert follower.end() == []


def test_a_hard_cut_ends_the_tracks() -> None:
    follower = Follower("gate", CameraSettings(), InstantDesk())
    for index in range(20):
        follower.follow(Look(road_frame(index), [plate_at(index)]))
    other = Planes(PixelFormat.GRAY8, (np.random.default_rng(2).integers(0, 255, ROAD.shape, np.uint8),))
    follower.follow(Look(replace(road_frame(20), planes=other), [plate_at(20)]))
    assert [mark.track_id for mark in follower.marks(road_frame(20))] == [2]


def resized(look: Look, scale: int) -> Look:
    """The same scene from a camera whose picture is so many times as wide and as high."""
    frame, found = look.frame, look.detections or []
    planes = Planes(PixelFormat.GRAY8, (frame.planes.arrays[0].repeat(scale, 0).repeat(scale, 1),))
    larger = replace(frame, width=scale * frame.width, height=scale * frame.height, planes=planes)
    x1, y1, x2, y2 = np.reshape([plate.box for plate in found], (-1, 4)).T * float(scale)
    return Look(larger, [Detection(box, 0.9) for box in zip(x1, y1, x2, y2, strict=True)])


def test_a_picture_that_changes_its_size_breaks_no_visit() -> None:
    follower = Follower("gate", CameraSettings(), InstantDesk())
    events = []
    for index in range(90):
        look = Look(road_frame(index), [plate_at(index)])
        events += follower.follow(resized(look, 2 if 30 <= index < 60 else 1))
    events += follower.end()
    assert {event.visit_id for event in events} == {events[0].visit_id}
    assert events[-1].direction == "right", "a larger picture brings nothing nearer"


def test_what_is_parked_is_known_in_a_picture_of_another_size() -> None:
    follower = Follower("gate", CameraSettings(), InstantDesk())
    parked = [plate_at(80)]
    for index in range(600):
        follower.follow(Look(road_frame(index), parked))
    assert [event.kind for event in follower.silent(60)] == [EventKind.FINAL]
    back = [resized(Look(road_frame(index), parked), 2) for index in range(600, 690)]
    assert [event for look in back for event in follower.follow(look)] == []


def test_a_plate_that_is_in_one_picture_only_is_read_and_told() -> None:
    follower = Follower("album", CameraSettings(), InstantDesk())
    follower.follow(Look(road_frame(0), [plate_at(0)]))
    assert [event.kind for event in follower.end()] == [EventKind.FINAL]


def test_an_unknown_plate_format_is_refused() -> None:
    with pytest.raises(ConfigError, match="no plate format called xx"):
        Follower("gate", CameraSettings(formats=("xx",)), InstantDesk())


@pytest.mark.parametrize("shape", [(1, 1, 3), (360, 640, 3)])
def test_pictures_of_any_size_can_be_followed(shape: tuple[int, int, int]) -> None:
    planes = Planes(PixelFormat.BGR, (np.zeros(shape, np.uint8),))
    picture = replace(make_frame(0), width=shape[1], height=shape[0], planes=planes)
    assert Follower("gate", CameraSettings(), InstantDesk()).follow(Look(picture, [])) == []
