import json
import sys
from types import ModuleType

import numpy as np
import pytest
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from anpr_stream.config.models import InferenceSettings
from anpr_stream.errors import BackendError, ModelError
from anpr_stream.inference import golden, processor, ways
from anpr_stream.inference.models import find_model
from anpr_stream.inference.select import load_network
from tests.networks import FakeBackend, write_detector, write_golden, write_reader

CPU_FP32 = {"backend": "auto", "precision": "fp32", "threads": 1}


@pytest.fixture
def choices(tmp_path):
    return tmp_path / "cache" / "engines.json"


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch):
    """Tests choose among the processor's engines, whatever this machine has."""
    monkeypatch.setitem(sys.modules, "anpr_stream.inference.tensorrt", None)
    monkeypatch.setattr("anpr_stream.inference.onnx.has_cuda", lambda: False)


def load(path, choices, **settings):
    return load_network(path, InferenceSettings(**{**CPU_FP32, **settings}), choices)


def slugs(loaded):
    return {rejection.engine: rejection.slug for rejection in loaded.rejections}


def quantise(path):
    images = find_model(path).golden().images

    class Samples(CalibrationDataReader):
        left = [{"images": images}]  # noqa: RUF012

        def get_next(self):
            return self.left.pop() if self.left else None

    quantize_static(
        path,
        path.with_suffix(".int8.onnx"),
        Samples(),
        quant_format=QuantFormat.QDQ,
        activation_type=QuantType.QInt8,
        weight_type=QuantType.QInt8,
        extra_options={"ActivationSymmetric": True, "WeightSymmetric": True, "QuantizeBias": False},
    )


def test_auto_takes_one_and_says_why_not_the_others(tmp_path, choices):
    loaded = load(write_reader(tmp_path), choices)
    other = {"openvino": "onnxruntime", "onnxruntime": "openvino"}[loaded.engine]
    assert slugs(loaded) == {
        "tensorrt": "tensorrt-missing",
        "cuda": "cuda-missing",
        f"{other} fp32": "slower",
    }
    assert "ms a picture" in loaded.because
    assert loaded.backend.description == f"{loaded.engine} fp32 cpu"


def test_the_faster_one_is_taken(tmp_path, choices, monkeypatch):
    times = {"onnxruntime fp32 cpu": 1.0, "openvino fp32 cpu": 2.0}
    monkeypatch.setattr(golden, "time_ms", lambda backend, _: times[backend.description])
    loaded = load(write_reader(tmp_path), choices)
    assert loaded.engine == "onnxruntime"
    assert slugs(loaded)["openvino fp32"] == "slower"
    times["openvino fp32 cpu"] = 0.5
    assert load(write_reader(tmp_path), choices.with_name("other.json")).engine == "openvino"


def test_the_choice_is_kept(tmp_path, choices, monkeypatch):
    path = write_reader(tmp_path)
    first = load(path, choices)
    monkeypatch.setattr(golden, "time_ms", lambda *_: pytest.fail("measured again"))
    again = load(path, choices)
    assert (again.engine, again.because) == (first.engine, first.because)
    assert again.rejections == first.rejections


@pytest.mark.parametrize("change", ["network", "settings", "processor"])
def test_the_choice_is_made_again_when_something_changed(tmp_path, choices, monkeypatch, change):
    path = write_reader(tmp_path)
    load(path, choices)
    settings = {}
    if change == "network":
        write_reader(tmp_path, seed=5)
    elif change == "settings":
        settings = {"threads": 2}
    else:
        monkeypatch.setattr(processor, "name", lambda: "another one")
    load(path, choices, **settings)
    assert len(json.loads(choices.read_text())) == 2


@pytest.mark.parametrize("content", ["", "[]", "{}x", '{"a": 1}', '{"KEY": 1}', '{"KEY": {"engine": "x"}}'])
def test_a_damaged_file_of_choices_is_written_anew(tmp_path, choices, content):
    loaded = load(write_reader(tmp_path), choices)
    (key,) = json.loads(choices.read_text())
    choices.write_text(content.replace("KEY", key))
    load(write_reader(tmp_path), choices)
    assert json.loads(choices.read_text())[key]["precision"] == loaded.precision


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path):
    blocker = tmp_path / "file"
    blocker.write_text("")
    assert load(write_reader(tmp_path), blocker / "engines.json").backend


def test_a_kept_choice_that_no_longer_agrees_is_made_again(tmp_path, choices, monkeypatch):
    path = write_reader(tmp_path)
    monkeypatch.setattr(golden, "time_ms", lambda backend, _: float("openvino" in backend.description))
    assert load(path, choices).engine == "onnxruntime"
    monkeypatch.setattr("anpr_stream.inference.onnx.OnnxBackend", lambda *_, **__: wrong())
    loaded = load(path, choices)
    assert loaded.engine == "openvino"
    assert slugs(loaded)["onnxruntime fp32"] == "golden-disagrees"


def test_a_gpu_that_was_not_ready_is_tried_again(tmp_path, choices, monkeypatch):
    path = write_reader(tmp_path)
    sample = find_model(path).golden()

    def not_ready():
        raise BackendError("the NVIDIA driver does not answer", "gpu-missing")

    def offer(load_gpu):
        way = ways.Way("tensorrt", "fp16", ways.TIERS["tensorrt"], load_gpu)
        monkeypatch.setitem(ways._ENGINES, "tensorrt", lambda *_: [way])

    offer(not_ready)
    first = load(path, choices, precision="auto")
    assert slugs(first)["tensorrt fp16"] == "gpu-missing"
    measured = choices.read_text()
    assert load(path, choices, precision="auto").engine == first.engine
    assert choices.read_text() == measured, "nothing is measured again while it is away"
    offer(
        lambda: FakeBackend(
            lambda images: {"logits": np.resize(sample.outputs["logits"], (len(images), 64, 37))}
        )
    )
    assert load(path, choices, precision="auto").engine == "tensorrt"


def wrong():
    return FakeBackend(lambda images: {"logits": np.ones((len(images), 64, 37), np.float32)})


def test_disagreement_gives_way_to_the_next(tmp_path, choices, monkeypatch):
    monkeypatch.setattr("anpr_stream.inference.openvino.OpenVinoBackend", lambda *_: wrong())
    loaded = load(write_reader(tmp_path), choices)
    assert loaded.engine == "onnxruntime"
    reason = next(entry for entry in loaded.rejections if entry.engine == "openvino fp32")
    assert reason.slug == "golden-disagrees"
    assert "off the golden sample" in reason.reason


@pytest.mark.parametrize(
    "answer", [{}, {"logits": np.zeros((1, 2, 3))}, {"logits": np.full((3, 64, 37), np.nan)}]
)
def test_answers_that_are_no_answers(tmp_path, choices, monkeypatch, answer):
    monkeypatch.setattr(
        "anpr_stream.inference.openvino.OpenVinoBackend", lambda *_: FakeBackend(lambda _: answer)
    )
    loaded = load(write_reader(tmp_path), choices)
    assert slugs(loaded)["openvino fp32"] == "golden-disagrees"


def test_a_network_that_nobody_answers_right(tmp_path, choices):
    path = write_reader(tmp_path)
    write_golden(path, find_model(path).golden().images, noise=5.0)
    with pytest.raises(BackendError, match=r"tiny-reader cannot run .*openvino fp32: .*; onnxruntime fp32: "):
        load(path, choices)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"backend": "tensorrt"}, r"TensorRT is not installed .*pip install anpr_stream\[tensorrt\]"),
        ({"backend": "cuda"}, "pip install onnxruntime-gpu"),
        ({"backend": "onnxruntime", "precision": "bf16"}, "onnxruntime on this processor offers fp32"),
        ({"backend": "openvino", "precision": "int8"}, r"no tiny-reader\.int8\.onnx"),
    ],
)
def test_what_was_asked_for_by_name_is_refused_in_one_line(tmp_path, choices, settings, words):
    with pytest.raises(BackendError, match=words) as error:
        load(write_reader(tmp_path), choices, **settings)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_what_was_asked_for_by_name_is_taken(tmp_path, choices, engine):
    loaded = load(write_detector(tmp_path), choices, backend=engine)
    assert (loaded.engine, loaded.rejections) == (engine, ())


def test_int8_where_the_processor_has_it(tmp_path, choices, monkeypatch):
    path = write_reader(tmp_path)
    quantise(path)
    monkeypatch.setattr(processor, "int8_reason", lambda engine: "avx512_vnni")
    loaded = load(path, choices, precision="auto")
    assert loaded.precision == "int8"
    assert "avx512_vnni" in loaded.because


def test_no_int8_where_it_gains_nothing(tmp_path, choices, monkeypatch):
    path = write_reader(tmp_path)
    quantise(path)
    monkeypatch.setattr(processor, "int8_reason", lambda engine: "")
    loaded = load(path, choices, precision="auto")
    assert loaded.precision != "int8"
    assert slugs(loaded)["onnxruntime int8"] == "int8-unavailable"
    assert load(path, choices, precision="int8").precision == "int8"


@pytest.mark.parametrize("flag", ["avx2", "avx512_vnni"])
def test_int8_is_for_openvino_only(tmp_path, flag):
    listed = tmp_path / "cpuinfo"
    listed.write_text(f"flags\t\t: fpu sse4_1 {flag}\n")
    assert processor.int8_reason("openvino", listed) == flag
    assert processor.int8_reason("onnxruntime", listed) == ""


def test_bad_int8_gives_way_to_fp32(tmp_path, choices, monkeypatch):
    path = write_reader(tmp_path)
    other = write_reader(tmp_path, name="other", seed=9)
    other.rename(path.with_suffix(".int8.onnx"))
    monkeypatch.setattr(processor, "int8_reason", lambda engine: "avx512_vnni")
    monkeypatch.setattr("anpr_stream.inference.openvino.capabilities", lambda: frozenset({"FP32"}))
    loaded = load(path, choices, precision="auto")
    assert loaded.precision == "fp32"
    assert slugs(loaded)["openvino int8"] == slugs(loaded)["onnxruntime int8"] == "golden-disagrees"


def test_bf16_only_where_the_processor_lists_it(tmp_path, choices, monkeypatch):
    path = write_reader(tmp_path)
    monkeypatch.setattr("anpr_stream.inference.openvino.capabilities", lambda: frozenset({"FP32"}))
    assert load(path, choices, precision="auto").precision == "fp32"
    with pytest.raises(BackendError, match="openvino on this processor offers fp32"):
        load(path, choices, backend="openvino", precision="bf16")


def test_a_gpu_engine_goes_first(tmp_path, choices, monkeypatch):
    path = write_reader(tmp_path)
    sample = find_model(path).golden()
    module = ModuleType("anpr_stream.inference.tensorrt")
    module.load = lambda file, settings: FakeBackend(lambda images: sample.repeated(len(images)).outputs)
    monkeypatch.setitem(sys.modules, "anpr_stream.inference.tensorrt", module)
    loaded = load(path, choices, precision="auto")
    assert (loaded.engine, loaded.precision) == ("tensorrt", "fp16")


def test_a_gpu_engine_without_a_gpu_says_so_and_gives_way(tmp_path, choices, monkeypatch):
    def refuse(file, settings):
        raise BackendError("no NVIDIA GPU in this machine", "no-gpu")

    module = ModuleType("anpr_stream.inference.tensorrt")
    module.load = refuse
    monkeypatch.setitem(sys.modules, "anpr_stream.inference.tensorrt", module)
    loaded = load(write_reader(tmp_path), choices, precision="auto")
    assert slugs(loaded)["tensorrt fp16"] == "no-gpu"


def test_missing_network(choices):
    with pytest.raises(ModelError, match="no network is called nothing"):
        load("nothing", choices)


@pytest.mark.parametrize(
    ("cores", "wanted", "threads", "streams"),
    [(5, 0, 2, 2), (5, 3, 3, 1), (2, 0, 1, 2), (2, 4, 4, 1), (8, 1, 1, 8), (1, 0, 1, 1)],
)
def test_threads_and_streams_share_the_cores(monkeypatch, cores, wanted, threads, streams):
    monkeypatch.setattr(processor, "usable_cores", lambda: cores)
    settings = InferenceSettings(threads=wanted)
    assert (ways.threads(settings), ways.streams(settings)) == (threads, streams)


def test_processor_as_linux_lists_it(tmp_path):
    x86, arm, none = tmp_path / "x86", tmp_path / "arm", tmp_path / "none"
    x86.write_text("processor\t: 0\nmodel name\t: Some CPU\nflags\t\t: fpu avx2 avx512_vnni\n")
    arm.write_text("processor\t: 0\nFeatures\t: fp asimd asimddp\n")
    assert (processor.name(x86), processor.int8_reason("openvino", x86)) == ("Some CPU", "avx512_vnni")
    assert processor.int8_reason("openvino", arm) == "asimddp"
    assert processor.int8_reason("openvino", none) == ""
    assert processor.name(none)


def test_a_reader_that_fails_on_batches_is_found_at_the_start(tmp_path, choices, monkeypatch):
    path = write_reader(tmp_path)
    sample = find_model(path).golden()

    def first_right_only(images):
        answer = np.zeros((len(images), 64, 37), np.float32)
        answer[:3] = sample.outputs["logits"][: len(images)]
        return {"logits": answer}

    monkeypatch.setattr(
        "anpr_stream.inference.openvino.OpenVinoBackend", lambda *_: FakeBackend(first_right_only)
    )
    assert slugs(load(path, choices))["openvino fp32"] == "golden-disagrees"
