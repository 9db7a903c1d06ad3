"""The GRU in other forms: the same answers on the CPU, and plans for GPUs that are not here."""

from __future__ import annotations

import importlib.util
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper

from anpr_stream.errors import BackendError
from anpr_stream.inference import tensorrt
from anpr_stream.inference.gru import GRU_FORMS, GruForm, with_gru
from anpr_stream.inference.models import find_model
from anpr_stream.inference.precision import to_half
from tests.inference import networks
from tests.inference.gpu_helpers import onnx_bytes

needs_rtx = pytest.mark.skipif(importlib.util.find_spec("tensorrt_rtx") is None, reason="needs tensorrt_rtx")
WRITTEN_OUT = tuple(form for form in GRU_FORMS if form != "native")
READER = find_model("reader-cpu").path.read_bytes()


def run(network: bytes, images: np.ndarray) -> np.ndarray:
    options = ort.SessionOptions()
    # Its dearest optimisations end the process on some FP16 networks.
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    session = ort.InferenceSession(network, options, providers=["CPUExecutionProvider"])
    return session.run(None, {"images": images})[0]


def one_direction(**attributes: int) -> bytes:
    """steps (5, n, 3) through a GRU of one direction."""
    node = helper.make_node("GRU", ["images", "w", "r", "b"], ["y"], hidden_size=4, **attributes)
    graph = helper.make_graph(
        [node],
        "one direction",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [5, "n", 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [5, 1, "n", 4])],
        [
            networks.weights("w", 1, 12, 3),
            networks.weights("r", 1, 12, 4, seed=1),
            networks.weights("b", 1, 24, seed=2),
        ],
    )
    return onnx_bytes(graph)


NETWORKS = {
    "shipped reader": (READER, (3, 3, 64, 128)),
    "two directions": (networks.recurrent(), (2, 3, 8, 16)),
    "one direction": (one_direction(linear_before_reset=1), (5, 2, 3)),
}


@pytest.mark.parametrize("form", WRITTEN_OUT)
@pytest.mark.parametrize("name", NETWORKS)
def test_every_form_answers_what_the_operator_answers(name: str, form: GruForm) -> None:
    network, shape = NETWORKS[name]
    images = np.random.default_rng(0).random(shape, np.float32)
    right = run(network, images)
    assert np.abs(run(with_gru(network, form), images) - right).max() <= 1e-4
    assert right.std() > 0.01


@pytest.mark.parametrize("form", WRITTEN_OUT)
def test_half_goes_through_every_form(form: GruForm) -> None:
    images = np.random.default_rng(0).random((2, 3, 64, 128), np.float32)
    right = run(READER, images)
    half = run(to_half(with_gru(READER, form)), images.astype(np.float16))
    assert np.sqrt(np.mean((half - right) ** 2)) < 0.01 * right.std()


def kinds(network: bytes) -> Counter[str]:
    return Counter(node.op_type for node in onnx.load_from_string(network).graph.node)


def test_fused_needs_half_as_many_products_a_step() -> None:
    apart, together = (kinds(with_gru(networks.recurrent(), form)) for form in ("unrolled", "fused"))
    steps = 16
    assert (apart["GRU"], together["GRU"]) == (0, 0)
    assert apart["MatMul"] == 2 * (steps + 1)
    assert together["MatMul"] == steps + 1


def test_what_only_the_operator_needed_is_gone() -> None:
    network = onnx.load_from_string(with_gru(READER, "fused"))
    assert "ConstantOfShape" not in {node.op_type for node in network.graph.node}
    assert not [weight.name for weight in network.graph.initializer if weight.name.startswith("onnx::GRU")]
    onnx.checker.check_model(network, full_check=True)


def test_native_is_the_file_itself() -> None:
    assert with_gru(READER, "native") is READER


def test_a_gru_of_another_kind_is_refused() -> None:
    with pytest.raises(BackendError, match="y is not of the kind"):
        with_gru(one_direction(), "fused")


@needs_rtx
@pytest.mark.parametrize("target", networks.TARGETS)
@pytest.mark.parametrize("form", WRITTEN_OUT)
def test_every_form_builds_for_every_generation(form: GruForm, target: str) -> None:
    network = to_half(with_gru(networks.recurrent(), form))
    rtx = tensorrt.find_tensorrt(("tensorrt_rtx",))
    plan = tensorrt.build_plan(rtx, network, tensorrt.Profile(8, 16, 4), compute_capability=target).plan
    assert len(plan) > 100_000


def test_forms_have_plans_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = find_model("reader-cpu")
    built = []

    def build(_: object, network: bytes, *rest: object) -> tensorrt.Built:
        built.append(network)
        return tensorrt.Built(b"plan", b"")

    monkeypatch.setattr(tensorrt, "build_plan", build)
    rtx = tensorrt.TensorRT(None, "tensorrt_rtx", (1, 7))
    cache = tensorrt.PlanCache(tmp_path)
    for form in (*GRU_FORMS, *GRU_FORMS):
        tensorrt.PlanMaker(rtx, file, "fp32", 4, cache, gru=form).plan((64, 128), "SM86")
    assert len(built) == len(set(built)) == len(GRU_FORMS)
