import random
from dataclasses import astuple, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anpr_stream.config.packaged import packaged
from anpr_stream.errors import ModelError
from anpr_stream.tracking.calibration import Calibration, FusionFeatures, fit_calibration, log_odds

FEATURES = st.builds(
    FusionFeatures,
    lead=st.floats(-6, 6),
    weakest=st.floats(-6, 6),
    agreement=st.floats(0, 1),
    evidence=st.floats(0, 5),
    own=st.floats(-6, 6),
    known=st.sampled_from([0.0, 1.0]),
)


def drawn(count: int, truth: Calibration) -> list[tuple[FusionFeatures, bool]]:
    """Texts that are right as often as a known calibration says."""
    chance = random.Random(7)
    records = []
    for _ in range(count):
        features = FusionFeatures(
            chance.uniform(-2, 6), chance.uniform(-2, 6), chance.random(), chance.uniform(0.3, 2.0),
            chance.uniform(-2, 6), float(chance.random() < 0.7),
        )  # fmt: skip
        records.append((features, chance.random() < truth.confidence(features)))
    return records


@pytest.mark.parametrize(("probability", "expected"), [(0.5, 0.0), (0.0, -6.0), (1.0, 6.0), (0.9, 2.197)])
def test_log_odds(probability: float, expected: float) -> None:
    assert log_odds(probability) == pytest.approx(expected, abs=1e-3)


@given(FEATURES, st.sampled_from(["lead", "weakest", "agreement", "evidence", "own", "known"]))
def test_more_evidence_never_makes_less_sure(features: FusionFeatures, name: str) -> None:
    more = replace(features, **{name: getattr(features, name) + 0.5})
    assert 0.0 <= Calibration().confidence(features) <= Calibration().confidence(more) <= 1.0


def test_a_fit_finds_what_made_the_data() -> None:
    truth = Calibration(lead=0.5, weakest=0.4, agreement=1.5, evidence=0.6, own=0.2, known=0.5, bias=-3.0)
    fitted = fit_calibration(drawn(4000, truth), ridge=0.0001)
    for features, _ in drawn(50, truth):
        assert fitted.confidence(features) == pytest.approx(truth.confidence(features), abs=0.08)


def test_a_fit_is_right_on_average() -> None:
    records = drawn(2000, Calibration(bias=-5.0))
    fitted = fit_calibration(records)
    mean = sum(fitted.confidence(features) for features, _ in records) / len(records)
    assert mean == pytest.approx(sum(right for _, right in records) / len(records), abs=0.01)


def test_no_weight_is_negative_even_where_the_data_say_so() -> None:
    upside_down = [(features, not right) for features, right in drawn(300, Calibration())]
    assert min(astuple(fit_calibration(upside_down))[:-1]) >= 0.0


@pytest.mark.parametrize("records", [[], [(FusionFeatures(1, 1, 1, 1, 1, 1), True)] * 5])
def test_a_fit_needs_right_and_wrong_texts(records: list[tuple[FusionFeatures, bool]]) -> None:
    with pytest.raises(ValueError, match="right and wrong"):
        fit_calibration(records)


def test_a_file_keeps_the_weights(tmp_path: Path) -> None:
    path = tmp_path / "fusion_calibration.json"
    path.write_text(Calibration(lead=0.125).to_json())
    assert Calibration.load(path) == Calibration(lead=0.125)
    assert Calibration.load(tmp_path / "none.json") == Calibration()


def test_the_shipped_weights_fit_the_code() -> None:
    assert Calibration.load(packaged("engines") / "fusion_calibration.json") != Calibration()


@pytest.mark.parametrize("content", ["", "[1]", '{"lead": "x"}', '{"unknown": 1}'])
def test_a_damaged_file_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "fusion_calibration.json"
    path.write_text(content)
    with pytest.raises(ModelError, match=r"fusion_calibration\.json"):
        Calibration.load(path)
