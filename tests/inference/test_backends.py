"""Every engine of this machine answers alike; tests skip by what an engine can do."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnxruntime
import pytest

from anpr_stream.errors import BackendError
from anpr_stream.inference import onnx, openvino
from anpr_stream.inference.golden import error_of
from anpr_stream.inference.models import find_model
from anpr_stream.inference.openvino import MAX_SHAPES, OpenVinoBackend, batch_parts
from anpr_stream.interfaces import Backend
from tests.networks import write_detector, write_reader

ENGINES = {
    "onnxruntime": lambda path, streams=1: onnx.OnnxBackend(path, "fp32", 1, streams=streams),
    "openvino": lambda path, streams=1: OpenVinoBackend(path, "fp32", 1, streams),
}


@pytest.fixture(params=ENGINES)
def load(request):
    return ENGINES[request.param]


def test_golden_sample(load, tmp_path):
    for path in (write_detector(tmp_path), write_reader(tmp_path)):
        golden = find_model(path).golden()
        backend = load(path)
        assert isinstance(backend, Backend)
        assert error_of(backend.run(golden.images), golden.outputs) < 1e-5


def test_an_onnx_runtime_without_its_gpu_says_nothing_on_standard_output(tmp_path, monkeypatch, capsys):
    def broken(*_):
        raise RuntimeError("CUDA failure 35")

    path = write_reader(tmp_path)
    monkeypatch.setattr(onnxruntime.InferenceSession, "_create_inference_session", broken)
    with pytest.raises(BackendError, match="CUDA failure 35"):
        onnx.OnnxBackend(path, "fp32", 1, "cuda")
    assert capsys.readouterr().out == ""


def test_any_batch(load, tmp_path):
    backend = load(write_reader(tmp_path))
    images = np.random.default_rng(0).random((11, 3, 64, 128), np.float32)
    together = backend.run(images)["logits"]
    assert together.shape == (11, 64, 37)
    for index in (0, 7, 8, 10):
        assert np.allclose(backend.run(images[index : index + 1])["logits"][0], together[index], atol=1e-4)


def test_any_size_that_is_a_multiple_of_32(load, tmp_path):
    backend = load(write_detector(tmp_path))
    for height, width in ((96, 128), (384, 640), (32, 32), (96, 128)):
        heads = backend.run(np.zeros((1, 3, height, width), np.float32))
        assert heads["head16"].shape == (1, 39, height // 16, width // 16)


def test_an_answer_stays_when_the_next_comes(load, tmp_path):
    backend = load(write_reader(tmp_path))
    rng = np.random.default_rng(0)
    first = backend.run(rng.random((1, 3, 64, 128), np.float32))["logits"]
    kept = first.copy()
    backend.run(rng.random((1, 3, 64, 128), np.float32))
    assert np.array_equal(first, kept)


def test_input_need_not_be_in_one_piece(load, tmp_path):
    backend = load(write_reader(tmp_path))
    images = np.random.default_rng(0).random((2, 3, 64, 256), np.float32)[..., ::2]
    whole = backend.run(np.ascontiguousarray(images))["logits"]
    assert np.allclose(backend.run(images)["logits"], whole, atol=1e-5)


@pytest.mark.parametrize("streams", [1, 2])
def test_any_number_of_threads_get_each_its_own_answer(load, streams, tmp_path):
    """Of two shapes, one of which comes for the first time in several threads at once."""
    backend = load(write_detector(tmp_path), streams)
    rng = np.random.default_rng(4)
    pictures = [rng.random((1, 3, 32, 32 + 32 * (i % 2)), np.float32) for i in range(24)]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(backend.run, pictures))
    for picture, answer in zip(pictures, answers, strict=True):
        np.testing.assert_array_equal(answer["head32"], backend.run(picture)["head32"])


def test_wrong_shape_is_an_error_of_ours(load, tmp_path):
    backend = load(write_reader(tmp_path))
    with pytest.raises(BackendError, match="failed"):
        backend.run(np.zeros((1, 3, 60, 128), np.float32))


def test_damaged_file(load, tmp_path):
    path = tmp_path / "x.onnx"
    path.write_bytes(b"not a network")
    with pytest.raises(BackendError, match=r"refuses x\.onnx"):
        load(path)


def test_closed_twice_and_used_after(load, tmp_path):
    backend = load(write_reader(tmp_path))
    backend.close()
    backend.close()
    with pytest.raises(BackendError, match="closed"):
        backend.run(np.zeros((1, 3, 64, 128), np.float32))


def test_cuda_without_cuda_is_refused(tmp_path):
    if onnx.has_cuda():
        pytest.skip("this ONNX Runtime has CUDA")
    with pytest.raises(BackendError):
        onnx.OnnxBackend(write_reader(tmp_path), "fp32", 1, "cuda")


def test_openvino_forgets_shapes_that_are_not_used(tmp_path):
    backend = OpenVinoBackend(write_detector(tmp_path), "fp32", 1)
    for side in range(1, MAX_SHAPES + 4):
        assert backend.run(np.zeros((1, 3, 32, 32 * side), np.float32))["head32"].shape == (1, 39, 1, side)
    assert backend.run(np.zeros((1, 3, 32, 32), np.float32))["head32"].shape == (1, 39, 1, 1)


@pytest.mark.parametrize(("count", "sizes"), [(0, []), (1, [1]), (3, [2, 1]), (4, [4]), (11, [4, 4, 2, 1])])
def test_batches_come_in_few_sizes(count, sizes):
    parts = batch_parts((count, 3, 64, 128))
    assert [part.stop - part.start for part in parts] == sizes
    assert [index for part in parts for index in range(part.start, part.stop)] == list(range(count))


def test_large_pictures_come_one_by_one():
    assert batch_parts((3, 3, 384, 640)) == [slice(0, 1), slice(1, 2), slice(2, 3)]


def test_openvino_lists_what_the_processor_can():
    assert "FP32" in openvino.capabilities()


def test_loading_openvino_tells_nobody(tmp_path):
    """OpenVINO's own import sends an event to Google Analytics and leaves files in the home folder."""
    load = "import sys; import anpr_stream.inference.openvino; print(sys.modules['openvino_telemetry'])"
    home = {name: value for name, value in os.environ.items() if name != "CI"} | {"HOME": str(tmp_path)}
    found = subprocess.run([sys.executable, "-c", load], env=home, capture_output=True, text=True, check=True)
    assert found.stdout == "None\n"
    assert list(tmp_path.iterdir()) == []


def test_a_signal_is_taken_after_networks_were_freed_in_the_order_in_which_they_were_loaded(tmp_path):
    code = """
import os, signal, sys
from pathlib import Path
import numpy as np
from anpr_stream.inference.openvino import OpenVinoBackend
both = [OpenVinoBackend(Path(sys.argv[1]), "fp32", 1) for _ in range(2)]
for backend in both:
    backend.run(np.zeros((1, 3, 64, 128), np.float32))
for backend in both:
    backend.close()
signal.signal(signal.SIGTERM, lambda *_: print("taken"))
os.kill(os.getpid(), signal.SIGTERM)
"""
    line = [sys.executable, "-c", code, str(write_reader(tmp_path))]
    done = subprocess.run(line, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "taken\n"), done.stderr
