import shutil

import numpy as np
import pytest

from anpr_stream.errors import ModelError
from anpr_stream.inference import models
from anpr_stream.inference.models import find_model, shipped_models
from tests.networks import write_detector, write_reader


@pytest.fixture
def engines(tmp_path, monkeypatch):
    monkeypatch.setattr(models, "packaged", lambda folder: tmp_path / folder)
    folder = tmp_path / "engines"
    folder.mkdir()
    return folder


def test_by_name_and_by_path(engines):
    path = write_detector(engines)
    by_name, by_path = find_model("tiny-detector"), find_model(path)
    assert by_name == by_path
    assert by_name.name == "tiny-detector"
    assert len(by_name.sha256) == 12


def test_unknown_name_lists_what_there_is(engines):
    write_detector(engines)
    write_reader(engines)
    with pytest.raises(ModelError, match="shipped: tiny-detector, tiny-reader"):
        find_model("tiny-detectro")


def test_int8_is_found_beside_and_not_listed_apart(engines):
    path = write_reader(engines)
    assert find_model(path).int8_path is None
    shutil.copy(path, engines / "tiny-reader.int8.onnx")
    assert find_model(path).int8_path == engines / "tiny-reader.int8.onnx"
    assert [entry.path.name for entry in shipped_models()] == ["tiny-reader.onnx"]


def test_a_damaged_file_is_listed_with_its_fault(engines):
    write_reader(engines)
    (engines / "broken.onnx").write_bytes(b"PK not a network")
    broken, good = shipped_models()
    assert good.model.name == "tiny-reader"
    assert broken.model is None
    assert "broken.onnx" in broken.fault


def test_golden_sample(engines):
    golden = find_model(write_reader(engines)).golden()
    assert golden.images.shape == (3, 3, 64, 128)
    assert golden.outputs["logits"].shape == (3, 64, 37)


def test_missing_golden_sample(engines):
    path = write_reader(engines)
    path.with_suffix(".golden.npz").unlink()
    with pytest.raises(ModelError, match="golden sample beside it") as error:
        find_model(path).golden()
    assert error.value.reason_slug == "golden-missing"


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off", b"text"])
def test_damaged_golden_sample(engines, content):
    path = write_reader(engines)
    path.with_suffix(".golden.npz").write_bytes(content)
    with pytest.raises(ModelError, match="golden") as error:
        find_model(path).golden()
    assert error.value.reason_slug == "golden-damaged"


def test_golden_sample_without_input(engines):
    path = write_reader(engines)
    np.savez(path.with_suffix(".golden.npz"), logits=np.zeros(3))
    with pytest.raises(ModelError, match="damaged golden"):
        find_model(path).golden()


def test_a_sample_repeats_its_pictures_and_answers_together(engines):
    golden = find_model(write_reader(engines)).golden()
    repeated = golden.repeated(5)
    assert repeated.images.shape[0] == repeated.outputs["logits"].shape[0] == 5
    assert np.array_equal(repeated.images[4], golden.images[1])
    assert np.array_equal(repeated.outputs["logits"][3], golden.outputs["logits"][0])
