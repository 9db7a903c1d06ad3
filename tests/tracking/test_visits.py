from collections import defaultdict
from collections.abc import Collection
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anpr_stream.config.tracking import TrackingSettings, VisitSettings
from anpr_stream.testing import Player, Scenario, make_box, make_frame, make_read
from anpr_stream.tracking.visit import visit_id
from anpr_stream.tracking.visits import VisitKeeper
from anpr_stream.types import (
    Box,
    Crop,
    CropQuality,
    Detection,
    Event,
    EventKind,
    Frame,
    FusedRead,
    ListHit,
    Moment,
    Track,
    TrackState,
)

BOX = make_box(900, 600, 24)


def track(track_id: int = 1, box: Box | None = BOX, state: TrackState = TrackState.CONFIRMED) -> Track:
    detection = Detection(box, 0.9) if box else None
    return Track(track_id, state, box or BOX, (0.0, 0.0), detection, 0.0, 0.0, 5)


def crop(frame: Frame, track_id: int = 1, box: Box = BOX, sharpness: float = 0.8) -> Crop:
    quality = CropQuality(box[3] - box[1], sharpness, False)
    return Crop(np.zeros((1, 1, 3), np.uint8), Detection(box, 0.9), quality, frame, track_id)


def stay(keeper: VisitKeeper, first: int, last: int, *tracks: Track) -> list[Event]:
    """Show the same tracks in some frames of a 25 Hz stream."""
    return [event for i in range(first, last) for event in keeper.update(make_frame(i), tracks)]


def test_ids_differ_between_cameras_times_and_tracks_and_repeat_for_the_same() -> None:
    moment = Moment(1.5, 1_700_000_000.25)
    ids = {
        visit_id(camera, Moment(1.5, utc_s), track_id)
        for camera in ("gate", "yard")
        for utc_s in (1_700_000_000.25, 1_700_000_000.5)
        for track_id in (1, 2)
    }
    assert len(ids) == 8
    assert visit_id("gate", moment, 1) in ids
    assert visit_id("gate", moment, 1).startswith("20231114T221320250Z-")


def test_an_id_is_safe_in_a_path_whatever_the_camera_is_called() -> None:
    assert set(visit_id("../a b/ü", Moment(0.0, 0.0), 1)) <= set("0123456789abcdefTZ-")


def test_an_event_carries_the_crop_that_was_read_best() -> None:
    keeper = VisitKeeper("gate")
    frames = [make_frame(i) for i in range(4)]
    for frame in frames:
        keeper.update(frame, [track()])
    crops = [crop(frames[0], sharpness=0.2), crop(frames[1], sharpness=0.9), crop(frames[2], sharpness=0.5)]
    (event,) = keeper.update(make_frame(4), [track()], [(c, make_read("AB1234")) for c in crops])
    assert event.crop is crops[1]
    assert (event.frame_index, event.read_at.pts_s) == (1, frames[1].pts_s)
    assert event.box == crops[1].detection.box


def test_the_picture_shows_the_text_that_is_told() -> None:
    keeper = VisitKeeper("gate")
    frame = make_frame(0)
    keeper.update(frame, [track()])
    wrong, right = crop(frame, sharpness=1.0), crop(frame, sharpness=0.4)
    reads = [(right, make_read("AB1234"))] * 4 + [(wrong, make_read("AB7234"))]
    events = keeper.update(make_frame(1), [track()], reads)
    (event,) = events + stay(keeper, 2, 8, track())
    assert event.crop is right


def test_the_other_plates_of_that_frame_are_named() -> None:
    keeper = VisitKeeper("gate")
    neighbour = make_box(300, 600, 24)
    first = make_frame(0)
    keeper.update(first, [track(), track(2, neighbour)])
    reads = [(crop(first), make_read("AB1234"))] * 4
    (event,) = keeper.update(make_frame(1), [track()], reads)
    assert event.other_boxes == (neighbour,)


def test_a_visit_without_any_crop_still_has_place_and_time() -> None:
    keeper = VisitKeeper("gate")
    stay(keeper, 0, 10, track())
    (event,) = keeper.end()
    assert (event.kind, event.plate, event.reason, event.crop) == (EventKind.FINAL, None, "not_read", None)
    assert (event.box, event.frame_index, event.read_at.pts_s) == (BOX, 9, 9 / 25)


def test_a_read_of_an_unknown_track_is_counted() -> None:
    keeper = VisitKeeper("gate")
    keeper.update(make_frame(0), [], [(crop(make_frame(0), 99), make_read("AB1234"))])
    assert keeper.take_counts() == {"late_read": 1}
    assert keeper.take_counts() == {}


def test_what_the_reads_say_so_far_can_be_asked_by_track() -> None:
    keeper = VisitKeeper("gate")
    frame = make_frame(0)
    keeper.update(frame, [track()], [])
    assert keeper.plate(1) is None
    keeper.update(make_frame(1), [track()], [(crop(frame), make_read("AB1234"))])
    plate = keeper.plate(1)
    assert plate is not None
    assert plate.text == "AB1234"
    assert keeper.plate(2) is None
    keeper.end()
    assert keeper.plate(1) is None


def test_a_clock_that_runs_backwards_neither_ends_nor_keeps_a_visit() -> None:
    keeper = VisitKeeper("gate", TrackingSettings(visits=VisitSettings(final_after_s=1.0)))
    stay(keeper, 100, 110, track())
    assert stay(keeper, 0, 20, track(1, None, TrackState.LOST)) == []
    (event,) = stay(keeper, 20, 30, track(1, None, TrackState.ENDED))
    assert event.kind is EventKind.FINAL


def test_the_end_ends_each_visit_once() -> None:
    keeper = VisitKeeper("gate")
    stay(keeper, 0, 10, track(1), track(2, make_box(200, 200, 24)))
    assert [event.track_id for event in keeper.end()] == [1, 2]
    assert keeper.end() == []


def test_times_are_those_of_capture() -> None:
    keeper = VisitKeeper("gate")
    stay(keeper, 5, 15, track())
    (event,) = keeper.end()
    assert event.first_seen == Moment(5 / 25, 1_700_000_000.0 + 5 / 25)
    assert event.last_seen == Moment(14 / 25, 1_700_000_000.0 + 14 / 25)
    assert event.dwell_s == pytest.approx(9 / 25)


def test_a_visit_whose_reads_come_when_its_track_has_ended_lasts_to_its_last_picture() -> None:
    keeper = VisitKeeper("gate")
    stay(keeper, 0, 30, track())
    frames = [make_frame(i) for i in range(30)]
    known = [(crop(frames[i]), make_read("AB1234")) for i in (0, 1, 2)]
    others = [(crop(frames[i]), make_read("XYZ987")) for i in (10, 11, 12)]
    keeper.update(make_frame(60), [track(1, None, TrackState.ENDED)], known)
    keeper.update(make_frame(61), [], others)
    keeper.update(make_frame(62), [], [(crop(frames[29], sharpness=1.0), make_read("XYZ987"))])
    final = next(event for event in keeper.end() if event.plate and event.plate.text == "XYZ987")
    assert final.read_at == final.last_seen == Moment(29 / 25, 1_700_000_000.0 + 29 / 25)


TEXTS = st.sampled_from(["AB1234", "A81234", "AB124", "XY7788", "", "C00D"])
READ = st.fixed_dictionaries(
    {"at": st.floats(0.0, 8.0), "text": TEXTS, "confidence": st.floats(0.3, 1.0), "truncated": st.booleans()}
)
VEHICLE = st.fixed_dictionaries(
    {
        "way": st.tuples(
            st.fixed_dictionaries(
                {"at": st.floats(0.0, 3.0), "x": st.floats(0, 1900), "height": st.floats(5, 40)}
            ),
            st.fixed_dictionaries(
                {"at": st.floats(3.0, 8.0), "x": st.floats(0, 1900), "height": st.floats(5, 40)}
            ),
        ),
        "hidden": st.lists(st.tuples(st.floats(0, 8), st.floats(0, 8)), max_size=1),
        "reads": st.lists(READ, max_size=8),
    }
)
SCENARIO = st.fixed_dictionaries(
    {
        "about": st.just("anything"),
        "seconds": st.just(14.0),
        "fps": st.sampled_from([3.0, 8.0]),
        "vehicles": st.lists(VEHICLE, max_size=3),
        "cuts": st.lists(st.floats(0.0, 8.0), max_size=2),
        "segments": st.lists(st.floats(0.0, 8.0), max_size=2),
        "camera_moves": st.lists(st.tuples(st.floats(0, 8), st.floats(0, 8)), max_size=1),
        "read_delay_s": st.sampled_from([0.0, 0.5, 3.0]),
        "lists": st.just({"known": {"entries": ["AB1234"], "max_distance": 0.4}}),
        "expect": st.just(()),
    }
)


def told(event: Event) -> tuple[object, ...]:
    lists = tuple((hit.list_name, hit.entry) for hit in event.list_hits)
    return event.plate and event.plate.text, lists, event.zones, event.direction


@settings(deadline=None, max_examples=60)
@given(SCENARIO)
def test_what_holds_for_every_visit(raw: dict[str, object]) -> None:
    played = Player(Scenario.model_validate(raw)).play()
    visits: dict[str, list[Event]] = defaultdict(list)
    for _, event in played.events:
        visits[event.visit_id].append(event)
    for events in visits.values():
        kinds = [event.kind for event in events]
        assert kinds[-1] is EventKind.FINAL, "each visit has exactly one end"
        assert kinds[:-1] in ([], [EventKind.NEW] + [EventKind.UPDATE] * (len(kinds) - 2))
        assert [event.revision for event in events] == list(range(len(events)))
        assert all((event.plate is None) == (event.reason is not None) for event in events)
        for before, after in pairwise(events[:-1]):
            assert told(before) != told(after), "no update without a change"
        assert all(event.last_seen.pts_s >= event.first_seen.pts_s for event in events)


def test_lists_that_change_while_a_plate_is_in_view_count_at_its_end() -> None:
    class Lists:
        known: tuple[ListHit, ...] = ()

        def hits(
            self, camera: str, plate: FusedRead, utc_s: float, zones: Collection[str] = ()
        ) -> tuple[ListHit, ...]:
            return self.known

    lists = Lists()
    keeper = VisitKeeper("gate", lists=lists)
    frame = make_frame(0)
    keeper.update(frame, [track()])
    (new,) = keeper.update(make_frame(1), [track()], [(crop(frame), make_read("AB1234"))] * 4)
    lists.known = (ListHit("staff", "allow", "AB1234", 0.0),)
    (final,) = keeper.end()
    assert (new.list_hits, final.list_hits) == ((), lists.known)


def test_two_tracks_of_one_plate_whose_reads_come_together_become_one_visit() -> None:
    keeper = VisitKeeper("gate")
    beside = make_box(903, 601, 24)
    stay(keeper, 0, 5, track(1), track(2, beside))
    frame = make_frame(5)
    reads = [(crop(frame), make_read("AB1234")), (crop(frame, 2, beside), make_read("AB1234"))]
    keeper.update(frame, [track(1), track(2, beside)], reads)
    assert keeper.take_counts()["joined"] == 1
    assert keeper.plate(1) == keeper.plate(2)
