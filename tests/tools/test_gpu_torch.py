"""PyTorch in TensorRT's place: the same answers as ONNX Runtime, through everything that is ours."""

from __future__ import annotations

import numpy as np
import onnxruntime as ort
import pytest
import torch

from anpr_stream.errors import BackendError
from anpr_stream.inference.frame_store import FrameStore
from anpr_stream.inference.gpu_backend import GpuBackend
from anpr_stream.inference.gru import GRU_FORMS, with_gru
from anpr_stream.inference.models import find_model
from tests.inference import networks
from tests.inference.host_device import HostDevice
from tests.inference.host_torch import HostTorch
from tools.gpu.torch_engine import TorchEngine, TorchNetwork


def answers(network: bytes, images: np.ndarray, precision: str = "fp32") -> dict[str, np.ndarray]:
    device = HostDevice()
    engine = HostTorch(network, images.shape[2:], precision, 4, "cpu")
    with device.current():
        return GpuBackend(engine, device, FrameStore(device, 4)).begin(images).result()


def right(network: bytes, images: np.ndarray) -> dict[str, np.ndarray]:
    session = ort.InferenceSession(network, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"images": images}), strict=True))


READER = find_model("reader-cpu").path.read_bytes()
NETWORKS = {form: (with_gru(READER, form), (64, 128)) for form in GRU_FORMS}
NETWORKS["detector"] = (find_model("detector-cpu").path.read_bytes(), (96, 160))
NETWORKS["small"] = (networks.recurrent(), (8, 16))


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_answers_what_onnx_runtime_answers(name: str) -> None:
    network, size = NETWORKS[name]
    images = np.random.default_rng(0).random((3, 3, *size), np.float32)
    made, expected = answers(network, images), right(network, images)
    assert set(made) == set(expected)
    for output, values in expected.items():
        np.testing.assert_allclose(made[output], values, atol=1e-3)


@pytest.mark.parametrize("name", ["detector", "unrolled", "fused"])
def test_no_operator_asks_the_gpu_for_a_number(name: str) -> None:
    """A device without numbers stands for one that would have to be waited for, which no graph records."""
    network, size = NETWORKS[name]
    images = torch.zeros((3, 3, *size), dtype=torch.float16, device="meta")
    made = TorchNetwork(network, "fp16", "meta")(images)
    assert {(value.device.type, len(value)) for value in made.values()} == {("meta", 3)}


def test_half_comes_near_and_answers_in_float() -> None:
    images = np.random.default_rng(0).random((2, 3, 64, 128), np.float32)
    made, expected = answers(READER, images, "fp16")["logits"], right(READER, images)["logits"]
    assert made.dtype == np.float32
    assert 0 < np.sqrt(np.mean((made - expected) ** 2)) < 0.02 * expected.std()


def test_a_network_with_other_operators_is_refused() -> None:
    with pytest.raises(BackendError, match="QuantizeLinear"):
        TorchEngine(networks.quantised(), (16, 16), "fp32", 1, "cpu")
