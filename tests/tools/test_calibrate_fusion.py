from pathlib import Path

import numpy as np
import pytest

from anpr_stream.plates.formats import FormatSet
from anpr_stream.testing import FakeReader, make_read
from anpr_stream.tracking.calibration import Calibration
from tests.tools.evaluation.test_passes import picture
from tools.calibrate_fusion import (
    Outcome,
    comparison,
    main,
    reliability,
    run_pass,
)
from tools.evaluation.passes import LabelledPlate, make_pass


def outcome(truth: str, *texts: str) -> Outcome:
    plate = LabelledPlate(picture(), (60.0, 50.0, 180.0, 80.0), truth)
    answers = iter(texts)

    crops = make_pass(plate, len(texts), np.random.default_rng(1))
    return run_pass(truth, crops, FakeReader(lambda _: make_read(next(answers))), FormatSet(()))


def test_a_pass_is_read_and_fused() -> None:
    passed = outcome("AB1234", "AB1284", "AB1234", "AB1234")
    assert passed.is_right
    assert [read.text for read in passed.reads] == ["AB1284", "AB1234", "AB1234"]


def test_a_pass_without_any_text_is_wrong() -> None:
    passed = outcome("AB1234", "", "")
    assert (passed.is_right, passed.features) == (False, None)


def test_the_report_compares_and_shows_reliability() -> None:
    outcomes = [outcome("AB1234", *["AB1234"] * 3), outcome("XY99", *["XY98"] * 3)]
    assert comparison(outcomes)[1].split() == ["3", "2", "0.500", "0.500", "0.500"]
    lines = reliability(outcomes, Calibration())
    assert sum(int(line.rsplit(" ", 1)[1]) for line in lines[:-1]) == 2
    assert "Brier" in lines[-1]


def test_an_unknown_reader_is_told_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data", str(tmp_path), "--reader", "nobody"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("calibrate_fusion: no network is called nobody")
    assert error.count("\n") == 1
