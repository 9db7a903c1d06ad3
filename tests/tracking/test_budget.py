import numpy as np
import pytest

from anpr_stream.config.tracking import BudgetSettings, FusionSettings
from anpr_stream.tracking.budget import ReadBudget, worth
from anpr_stream.types import CropQuality, FusedRead

GOOD = CropQuality(height_px=20.0, sharpness=0.8, truncated=False)
SETTLED = FusedRead("AB123", "AB123", 0.99, (0.99,) * 5, (), None, None, reads=4, agreeing_reads=4)


def read_times(
    budget: ReadBudget, seconds: float, quality: CropQuality = GOOD, start_s: float = 0.0
) -> list[float]:
    times = [start_s + i / 25 for i in range(round(seconds * 25))]
    return [t for t in times if budget.refusal(1, t, quality) is None]


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        (CropQuality(20, 0.5, False), CropQuality(15, 0.5, False)),
        (CropQuality(20, 0.9, False), CropQuality(20, 0.2, False)),
        (CropQuality(20, 0.5, False), CropQuality(20, 0.5, True)),
    ],
)
def test_worth_prefers_large_sharp_and_whole(better: CropQuality, worse: CropQuality) -> None:
    assert 0.0 < worth(worse, FusionSettings()) < worth(better, FusionSettings()) <= 1.0


def test_a_tiny_plate_is_never_read() -> None:
    assert ReadBudget().refusal(1, 0.0, CropQuality(5.0, 1.0, False)) == "too_small"


def test_the_first_crop_is_read_at_once_and_the_next_after_a_pause() -> None:
    budget = ReadBudget(BudgetSettings(unread_interval_s=0.1))
    assert budget.refusal(1, 0.0, GOOD) is None
    assert budget.refusal(1, 0.04, GOOD) == "too_soon"
    assert budget.refusal(2, 0.04, GOOD) is None
    assert budget.refusal(1, 0.12, GOOD) is None


def test_no_crop_need_be_cut_while_even_the_best_would_be_refused() -> None:
    budget = ReadBudget(BudgetSettings(unread_interval_s=0.1, settled_interval_s=1.0))
    assert not budget.is_too_soon(1, 0.0)
    budget.refusal(1, 0.0, GOOD)
    assert budget.is_too_soon(1, 0.04)
    assert not budget.is_too_soon(1, 0.12)
    assert not budget.is_too_soon(2, 0.04)
    budget.learn(1, SETTLED)
    assert budget.is_too_soon(1, 0.9)
    assert not budget.is_too_soon(1, 1.0)


def test_an_unread_plate_that_stands_still_is_tried_for_ever_but_ever_more_seldom() -> None:
    budget = ReadBudget(BudgetSettings(eager_reads=5, max_interval_s=2.0))
    times = read_times(budget, 200.0)
    pauses = np.diff(times)
    assert len([t for t in times if t < 1.0]) >= 8
    assert pauses.max() == pauses[-1] == pytest.approx(2.0, abs=0.05)


def test_a_plate_tried_in_vain_from_afar_is_still_read_often_when_it_is_near() -> None:
    times = read_times(ReadBudget(), 6.0)
    assert len([t for t in times if t > 5.0]) >= 2


def test_a_much_better_crop_is_read_at_once_also_late() -> None:
    budget = ReadBudget(BudgetSettings(eager_reads=2))
    last = read_times(budget, 20.0)[-1]
    assert budget.refusal(1, last + 0.1, GOOD) == "too_soon"
    assert budget.refusal(1, last + 0.1, CropQuality(28.0, 1.0, False)) is None


def test_a_settled_plate_is_read_only_when_clearly_better() -> None:
    budget = ReadBudget()
    assert budget.refusal(1, 0.0, GOOD) is None
    assert not budget.is_settled(1)
    budget.learn(1, SETTLED)
    assert budget.is_settled(1)
    assert {budget.refusal(1, i / 25, GOOD) for i in range(1, 100)} == {"settled"}
    assert budget.refusal(1, 5.0, CropQuality(26.0, 0.9, False)) is None
    assert budget.refusal(1, 5.04, CropQuality(28.0, 1.0, False)) in {"settled", "too_soon"}


def test_reads_that_disagree_later_open_the_budget_again() -> None:
    budget = ReadBudget()
    budget.refusal(1, 0.0, GOOD)
    budget.learn(1, SETTLED)
    budget.learn(1, None)
    assert budget.refusal(1, 1.0, GOOD) is None


def test_a_plate_that_was_out_of_sight_is_read_again() -> None:
    budget = ReadBudget()
    budget.refusal(1, 0.0, GOOD)
    budget.learn(1, SETTLED)
    budget.doubt(1)
    assert not budget.is_settled(1)
    assert budget.refusal(1, 0.2, GOOD) is None
    budget.doubt(2)
    assert budget.refusal(2, 0.0, GOOD) is None


def test_a_forgotten_track_leaves_nothing_and_an_unknown_one_is_ignored() -> None:
    budget = ReadBudget()
    budget.learn(7, SETTLED)
    budget.forget(7)
    assert budget.refusal(7, 0.0, GOOD) is None
