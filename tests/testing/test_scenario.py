from pathlib import Path

import pytest
from pydantic import ValidationError

from anpr_stream.testing import Player, Scenario, make_box, summary
from anpr_stream.testing.scenario import ReadAt, Vehicle

CAR = {"way": [{"at": 1, "x": 600}, {"at": 3, "x": 800}], "reads": [{"text": "AB1234", "every": 0.5}]}


def scenario(**more: object) -> Scenario:
    return Scenario.model_validate({"about": "a car", "seconds": 8, "vehicles": [CAR], "expect": [], **more})


@pytest.mark.parametrize(
    ("read", "times"),
    [
        ({"at": 2.5}, [2.5]),
        ({"every": 1.0}, [1.0, 2.0, 3.0, 4.0]),
        ({"every": 1.0, "between": (2.0, 3.5)}, [2.0, 3.0]),
        ({"every": 1.0, "between": (9.0, 10.0)}, []),
    ],
)
def test_when_a_vehicle_is_read(read: dict[str, object], times: list[float]) -> None:
    assert ReadAt.model_validate({"text": "A1", **read}).times(1.0, 4.0) == pytest.approx(times)


def test_where_a_vehicle_is() -> None:
    way = [{"at": 1, "x": 100, "height": 10}, {"at": 3, "x": 300, "height": 30}]
    vehicle = Vehicle.model_validate({"way": way, "hidden": [[2.5, 2.8]]})
    assert vehicle.box(2.0) == pytest.approx(make_box(200, 600, 20))
    assert [vehicle.box(time_s) for time_s in (0.5, 2.6, 3.5)] == [None] * 3


def test_a_vehicle_needs_a_way() -> None:
    with pytest.raises(ValidationError, match="way"):
        Vehicle.model_validate({"way": []})


def test_an_unknown_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "case.yaml"
    path.write_text("about: x\nseconds: 1\nvehicles: []\nexpect: []\nspeed: 3\n")
    with pytest.raises(ValidationError, match="speed"):
        Scenario.load(path)


def test_what_is_told_and_when() -> None:
    played = Player(scenario()).play()
    first, *_, last = [summary(time_s, event) for time_s, event in played.events]
    assert (first["kind"], first["text"], first["revision"]) == ("new", "AB1234", 0)
    assert 1.5 <= first["at"] <= 1.8
    assert (last["kind"], last["direction"], last["dwell_s"]) == ("final", "right", 2.0)


def test_late_reads_make_late_events() -> None:
    early, late = (Player(scenario(read_delay_s=delay_s)).play().events[0][0] for delay_s in (0.0, 1.0))
    assert late == pytest.approx(early + 1.0)


def test_lists_are_asked() -> None:
    lists = {
        "near": {"entries": ["A81234"], "max_distance": 0.5},
        "exact": {"entries": ["AB1234"]},
        "other": {"entries": ["XY9"]},
    }
    events = Player(scenario(lists=lists)).play().events
    assert summary(*events[-1])["lists"] == ["near", "exact"]


def test_a_cut_and_a_segment_end_the_track() -> None:
    for kind in ("cuts", "segments"):
        events = Player(scenario(**{kind: [2.0]})).play().events
        assert {event.track_id for _, event in events} <= {1, 2}
        assert len({event.visit_id for _, event in events}) == 1
