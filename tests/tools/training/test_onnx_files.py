"""An export that answers something else than PyTorch does not pass."""

import numpy as np
import pytest
import torch
from torch import nn

from tools.training.calibration import fit_temperature, read_all
from tools.training.onnx_files import (
    ExportError,
    answers,
    check_parity,
    export_onnx,
    halve_weights,
    node_names,
)

IMAGES = np.random.default_rng(0).random((2, 3, 8, 8), np.float32)


@pytest.fixture
def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU()).eval()


def test_a_true_export_passes_and_takes_other_sizes(network, tmp_path):
    path = tmp_path / "n.onnx"
    export_onnx(network, IMAGES, ["out"], path, free=True)
    assert check_parity(network, path, IMAGES)["out"].shape == (2, 4, 8, 8)
    larger = np.random.default_rng(1).random((1, 3, 16, 24), np.float32)
    assert check_parity(network, path, larger)["out"].shape == (1, 4, 16, 24)
    assert len(node_names(path, ["Conv"])) == 1


def test_the_worst_element_is_named(network, tmp_path):
    path = tmp_path / "n.onnx"
    export_onnx(network, IMAGES, ["out"], path, free=False)
    with torch.no_grad():
        network[0].bias[2] += 5
    with pytest.raises(ExportError, match=r"n\.onnx: out\[\d, 2, \d, \d\] is .* PyTorch says"):
        check_parity(network, path, IMAGES)


def test_numbers_that_are_none_fail(network, tmp_path):
    path = tmp_path / "n.onnx"
    export_onnx(network, IMAGES, ["out"], path, free=False)
    with torch.no_grad():
        network[0].bias.fill_(torch.nan)
    with pytest.raises(ExportError):
        check_parity(network, path, IMAGES)


def test_halved_weights_shrink_the_file_and_answer_nearly_the_same(tmp_path):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, 64, 3, padding=1)).eval()
    path = tmp_path / "n.onnx"
    export_onnx(network, IMAGES, ["out"], path, free=True)
    size, before = path.stat().st_size, answers(path, IMAGES)["out"]
    halve_weights(path)
    after = answers(path, IMAGES)["out"]
    assert path.stat().st_size < 0.55 * size
    assert after.dtype == np.float32
    assert 0 < np.abs(after - before).max() < 1e-3


def logits(sure: float, count: int, wrong: int) -> tuple[torch.Tensor, list[dict[str, str]]]:
    """Reads of "1", of which the first `wrong` are labelled otherwise."""
    steps = torch.zeros(count, 64, 37)
    steps[:, :, 0] = sure
    steps[:, 5, 0], steps[:, 5, 2] = 0, sure
    return steps, [{"text": "2" if index < wrong else "1"} for index in range(count)]


def test_temperature_makes_an_overconfident_reader_modest():
    given, records = logits(9.0, 20, 10)
    assert fit_temperature(given, records) > 1.1
    given, records = logits(7.0, 20, 0)
    assert fit_temperature(given, records) < 0.8


def test_confidence_falls_with_the_temperature():
    given, _ = logits(9.0, 1, 0)
    assert read_all(given, 1.0)[0].text == "1"
    assert read_all(given, 2.0)[0].confidence < read_all(given, 1.0)[0].confidence
