"""A network of which only the export is left answers as before and can be trained on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tools.training.detector import CPU, DetectorConfig, YoloV3
from tools.training.loop import TrainingError
from tools.training.onnx_files import answers, export_onnx, halve_weights
from tools.training.unfold import unfold

SMALL = DetectorConfig("small", (8, 8, 8, 8, 8), (1, 1, 1, 1), 1, CPU.anchors)
HEADS = ("head8", "head16", "head32")


@pytest.fixture
def trained() -> YoloV3:
    """A network whose normalisations are no longer at their start."""
    torch.manual_seed(3)
    network = YoloV3(SMALL).train()
    for _ in range(3):
        network(torch.rand(4, 3, 64, 96) * 2)
    return network.eval()


@pytest.fixture
def exported(trained: YoloV3, tmp_path: Path) -> Path:
    path = tmp_path / "small.onnx"
    export_onnx(trained, pictures()[0].numpy(), HEADS, path, free=True)
    halve_weights(path)
    return path


def pictures() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.rand(4, 3, 64, 96, generator=generator) for _ in range(3)]


def test_it_answers_as_the_exported_file(exported: Path) -> None:
    network = YoloV3(SMALL)
    unfold(network, exported, pictures())
    with torch.inference_mode():
        heads = network.eval()(pictures()[0])
    for head, wanted in zip(heads, answers(exported, pictures()[0].numpy()).values(), strict=True):
        np.testing.assert_allclose(head.numpy(), wanted, atol=1e-4)


def test_in_training_mode_it_answers_alike(exported: Path) -> None:
    """Batch statistics take the place of stored ones: what folding alone would lose."""
    network, together = YoloV3(SMALL), torch.cat(pictures())
    unfold(network, exported, pictures())
    with torch.inference_mode():
        stored, measured = network.eval()(together), network.train()(together)
    for still, moving in zip(stored, measured, strict=True):
        np.testing.assert_allclose(still.numpy(), moving.numpy(), atol=1e-3)


def test_another_shape_is_refused(exported: Path) -> None:
    with pytest.raises(TrainingError, match="another network"):
        unfold(YoloV3(CPU), exported, pictures())


def test_a_file_that_is_no_network_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"no network")
    with pytest.raises(TrainingError, match=r"broken\.onnx: no ONNX file"):
        unfold(YoloV3(SMALL), path, pictures())
