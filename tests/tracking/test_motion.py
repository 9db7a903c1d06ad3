import math

import pytest

from anpr_stream.config.tracking import TrackerSettings
from anpr_stream.testing import make_box
from anpr_stream.tracking.motion import PlateMotion, Step, measure

SETTINGS = TrackerSettings()


def drive(motion: PlateMotion, speed_px_s: float, steps: int, step_s: float, grow: float = 0.0) -> None:
    for i in range(1, steps + 1):
        motion.predict(Step(step_s, SETTINGS))
        motion.correct(make_box(100 + speed_px_s * i * step_s, 200, 20 + grow * i))


def test_what_is_measured() -> None:
    assert measure((10.0, 20.0, 50.0, 30.0))[0] == pytest.approx([30.0, 25.0, math.log(10), math.log(4)])


@pytest.mark.parametrize("step_s", [1 / 50, 1 / 15, 1 / 3])
def test_the_speed_is_in_seconds_whatever_the_frame_rate(step_s: float) -> None:
    motion = PlateMotion(make_box(100, 200, 20), SETTINGS)
    drive(motion, 300.0, 25, step_s)
    assert motion.velocity_px_s == pytest.approx((300.0, 0.0), abs=15)


def test_an_uneven_frame_rate_does_no_harm() -> None:
    motion, time_s = PlateMotion(make_box(100, 200, 20), SETTINGS), 0.0
    for step_s in [0.04, 0.2, 0.04, 0.04, 0.4, 0.1] * 4:
        time_s += step_s
        motion.predict(Step(step_s, SETTINGS))
        motion.correct(make_box(100 + 300 * time_s, 200, 20))
    assert motion.velocity_px_s[0] == pytest.approx(300.0, abs=15)


def test_the_forecast_moves_and_keeps_its_size() -> None:
    motion = PlateMotion(make_box(100, 200, 20), SETTINGS)
    drive(motion, 300.0, 20, 0.04, grow=0.5)
    before = motion.box
    for _ in range(10):
        motion.predict(Step(0.04, SETTINGS))
    after = motion.box
    assert after[0] - before[0] == pytest.approx(120.0, abs=8)
    assert after[3] - after[1] == pytest.approx(before[3] - before[1])


def test_doubt_grows_with_time_and_shrinks_with_sight() -> None:
    motion = PlateMotion(make_box(100, 200, 20), SETTINGS)
    drive(motion, 0.0, 20, 0.04)
    seen = motion.spread_heights
    motion.predict(Step(0.04, SETTINGS))
    soon = motion.spread_heights
    motion.predict(Step(0.4, SETTINGS))
    later = motion.spread_heights
    motion.correct(make_box(100, 200, 20))
    assert seen < soon < later
    assert motion.spread_heights < later


def test_trembling_boxes_are_smoothed() -> None:
    motion = PlateMotion(make_box(100, 200, 20), SETTINGS)
    centres = []
    for i in range(60):
        motion.predict(Step(0.02, SETTINGS))
        motion.correct(make_box(100 + (-1) ** i * 3, 200, 20))
        centres.append(motion.state[0])
    assert max(centres[30:]) - min(centres[30:]) < 4.0
