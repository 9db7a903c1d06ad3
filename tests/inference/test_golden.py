"""The golden sample judges by what an answer means, too."""

from __future__ import annotations

import numpy as np
import pytest

from anpr_stream.errors import BackendError
from anpr_stream.inference import golden
from anpr_stream.inference.models import find_model
from anpr_stream.inference.onnx import OnnxBackend
from tests.networks import FakeBackend

OBJECTNESS = 4


@pytest.mark.parametrize("name", ["detector-cpu", "reader-cpu", "characters"])
@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_what_ships_passes(name: str, precision: str) -> None:
    model = find_model(name)
    path = model.int8_path if precision == "int8" else model.path
    assert path is not None
    backend = OnnxBackend(path, precision, 1)
    assert golden.check(backend, model.golden(), precision, model.contract) < 0.2


def test_a_detector_that_finds_no_plate_fails_however_near_its_numbers_are() -> None:
    model = find_model("detector-cpu")
    sample = model.golden()

    def blind(images):
        answers = {}
        for name, head in sample.outputs.items():
            grid = head.reshape(len(images), 3, -1, *head.shape[2:]).copy()
            grid[:, :, OBJECTNESS] = np.minimum(grid[:, :, OBJECTNESS], -3)
            answers[name] = grid.reshape(head.shape)
        return answers

    assert golden.error_of(blind(sample.images), sample.outputs) < golden.TOLERANCES["int8"]
    with pytest.raises(BackendError, match="loses 2 plates and makes up 0"):
        golden.check(FakeBackend(blind), sample, "int8", model.contract)


def test_a_reader_that_takes_one_character_for_another_fails() -> None:
    model = find_model("reader-cpu")
    sample = model.golden()

    def one_wrong(_):
        logits = sample.outputs["logits"].copy()
        step = int(logits[0, :, 1:].max(axis=1).argmax())
        best, other = logits[0, step, 1:].argsort()[[-1, -2]] + 1
        logits[0, step, [best, other]] = logits[0, step, [other, best]]
        return {"logits": logits}

    with pytest.raises(BackendError, match=r"misreads 1 of \d"):
        golden.check(FakeBackend(one_wrong), sample, "int8", model.contract)
