from collections.abc import Iterable

import pytest

from anpr_stream.config.tracking import TrackerSettings
from anpr_stream.interfaces import PlateTracker
from anpr_stream.tracking.tracker import KalmanTracker
from anpr_stream.types import Detection, Track, TrackState


def plate(x: float, y: float = 100.0, height: float = 20.0, confidence: float = 0.9) -> Detection:
    """A plate of aspect 4 around a centre."""
    return Detection((x - 2 * height, y - height / 2, x + 2 * height, y + height / 2), confidence)


def follow(
    tracker: KalmanTracker, frames: Iterable[list[Detection]], step_s: float, start_s: float = 0.0
) -> list[list[Track]]:
    return [tracker.update(start_s + i * step_s, detections) for i, detections in enumerate(frames)]


def test_it_is_a_plate_tracker() -> None:
    assert isinstance(KalmanTracker(), PlateTracker)


def test_a_track_is_tentative_until_seen_often_enough() -> None:
    tracker = KalmanTracker(TrackerSettings(confirm_hits=3))
    states = [tracks[0].state for tracks in follow(tracker, [[plate(100 + i)] for i in range(4)], 1 / 30)]
    assert states == [TrackState.TENTATIVE] * 2 + [TrackState.CONFIRMED] * 2


@pytest.mark.parametrize(
    ("step_s", "speed_px_s"), [(1 / 30, 900), (1 / 10, 900), (1 / 5, 450), (1 / 5, -450), (1 / 2, 300)]
)
def test_one_plate_is_one_track_at_any_frame_rate(step_s: float, speed_px_s: float) -> None:
    frames = [[plate(1000 + i * step_s * speed_px_s)] for i in range(15)]
    result = follow(KalmanTracker(), frames, step_s)
    assert {track.track_id for tracks in result for track in tracks} == {1}
    assert result[-1][0].hits == 15
    assert result[-1][0].velocity_px_s[0] == pytest.approx(speed_px_s, rel=0.1)


def test_the_gate_closes_on_far_plates() -> None:
    tracker = KalmanTracker()
    follow(tracker, [[plate(100)] for _ in range(10)], 1 / 30)
    assert {t.track_id for t in tracker.update(10 / 30, [plate(400)])} == {1, 2}


def test_a_plate_of_another_size_is_another_plate() -> None:
    tracker = KalmanTracker()
    follow(tracker, [[plate(100, height=20)] for _ in range(5)], 1 / 30)
    assert {t.track_id for t in tracker.update(5 / 30, [plate(100, height=60)])} == {1, 2}


def test_two_plates_that_pass_each_other_keep_their_tracks() -> None:
    frames = [[plate(100 + 12 * i, 100), plate(700 - 12 * i, 130)] for i in range(50)]
    result = follow(KalmanTracker(), frames, 1 / 25)
    last = {track.track_id: track.box[0] for track in result[-1]}
    assert set(last) == {1, 2}
    assert last[1] > last[2]


def test_the_order_of_detections_does_not_matter() -> None:
    frames = [[plate(100 + 5 * i), plate(600 - 5 * i, 300)] for i in range(20)]
    forth = follow(KalmanTracker(), frames, 1 / 25)[-1]
    back = follow(KalmanTracker(), [frames[0], *(list(reversed(f)) for f in frames[1:])], 1 / 25)[-1]
    assert [(t.track_id, t.box) for t in forth] == [(t.track_id, t.box) for t in back]


def test_a_weak_detection_continues_a_track_but_starts_none() -> None:
    tracker = KalmanTracker()
    assert tracker.update(0.0, [plate(100, confidence=0.2)]) == []
    follow(tracker, [[plate(100)] for _ in range(3)], 0.04, start_s=0.04)
    tracks = tracker.update(0.16, [plate(102, confidence=0.2), plate(500, confidence=0.2)])
    assert [(t.track_id, t.hits) for t in tracks] == [(1, 4)]


def test_weak_clutter_beside_a_plate_leads_no_track_away() -> None:
    tracker = KalmanTracker()
    follow(tracker, [[plate(100)] for _ in range(6)], 0.04)
    (track,) = tracker.update(0.24, [plate(180, confidence=0.3)])
    assert (track.state, track.hits) == (TrackState.LOST, 6)


def test_a_lost_track_takes_no_weak_detection() -> None:
    tracker = KalmanTracker()
    follow(tracker, [[plate(100)] for _ in range(6)], 0.04)
    tracker.update(0.24, [])
    (track,) = tracker.update(0.28, [plate(100, confidence=0.3)])
    assert (track.state, track.hits) == (TrackState.LOST, 6)


def test_a_plate_far_from_where_one_was_lost_is_another() -> None:
    tracker = KalmanTracker()
    follow(tracker, [[plate(100)] for _ in range(6)], 0.04)
    follow(tracker, [[]] * 15, 0.04, start_s=0.24)
    tracks = tracker.update(0.84, [plate(100 + 12 * 20)])
    assert [(t.track_id, t.state) for t in tracks] == [(1, TrackState.LOST), (2, TrackState.TENTATIVE)]


def test_noise_below_the_weak_limit_continues_nothing() -> None:
    tracker = KalmanTracker()
    follow(tracker, [[plate(100)] for _ in range(3)], 0.04)
    (track,) = tracker.update(0.12, [plate(100, confidence=0.05)])
    assert (track.state, track.detection) == (TrackState.LOST, None)


def test_a_lost_track_is_found_again_where_it_should_be() -> None:
    tracker = KalmanTracker()
    follow(tracker, [[plate(100 + 10 * i)] for i in range(10)], 0.04)
    for i in range(10, 20):
        (track,) = tracker.update(i * 0.04, [])
        assert track.state is TrackState.LOST
        assert (track.box[0] + track.box[2]) / 2 == pytest.approx(100 + 10 * i, abs=10)
    (track,) = tracker.update(20 * 0.04, [plate(300)])
    assert (track.track_id, track.state, track.hits) == (1, TrackState.CONFIRMED, 11)


def test_a_lost_track_ends_once_and_its_id_is_never_used_again() -> None:
    tracker = KalmanTracker(TrackerSettings(lost_s=0.2))
    follow(tracker, [[plate(100)] for _ in range(3)], 0.04)
    ended = [
        track
        for tracks in follow(tracker, [[]] * 20, 0.04, start_s=0.12)
        for track in tracks
        if track.state is TrackState.ENDED
    ]
    assert [t.track_id for t in ended] == [1]
    (track,) = tracker.update(1.0, [plate(100)])
    assert track.track_id == 2


def test_a_false_detection_ends_after_two_looks() -> None:
    result = follow(KalmanTracker(), [[plate(100)], [], [], []], 0.04)
    assert [[t.state for t in tracks] for tracks in result] == [
        [TrackState.TENTATIVE],
        [TrackState.TENTATIVE],
        [TrackState.ENDED],
        [],
    ]


def test_one_missed_look_of_a_slow_detector_ends_nothing() -> None:
    tracker = KalmanTracker(TrackerSettings(lost_s=0.5))
    result = follow(tracker, [[plate(100)], [plate(100)], [], [plate(100)]], 1.0)
    assert [t.state for t in result[2]] == [TrackState.LOST]
    assert [(t.track_id, t.hits) for t in result[3]] == [(1, 3)]


@pytest.mark.parametrize("jump_s", [-0.5, 3.5])
def test_a_time_jump_ends_all_tracks(jump_s: float) -> None:
    tracker = KalmanTracker(TrackerSettings(max_gap_s=3.0))
    follow(tracker, [[plate(100)]] * 3, 0.04, start_s=10.0)
    tracks = tracker.update(10.08 + jump_s, [plate(100)])
    assert [(t.track_id, t.state) for t in tracks] == [(1, TrackState.ENDED), (2, TrackState.TENTATIVE)]


def test_a_cut_ends_all_tracks() -> None:
    tracker = KalmanTracker()
    tracker.update(0.0, [plate(100), plate(500)])
    assert [(t.track_id, t.state) for t in tracker.cut()] == [(1, TrackState.ENDED), (2, TrackState.ENDED)]
    assert tracker.cut() == []
    assert [t.track_id for t in tracker.update(0.04, [plate(100)])] == [3]


def test_two_looks_at_one_time_are_harmless() -> None:
    tracker = KalmanTracker()
    tracker.update(1.0, [plate(100)])
    (track,) = tracker.update(1.0, [plate(101)])
    assert track.hits == 2


def test_a_degenerate_box_is_survived() -> None:
    tracker = KalmanTracker()
    for _ in range(3):
        tracker.update(0.0, [Detection((50.0, 50.0, 50.0, 50.0), 0.9)])
