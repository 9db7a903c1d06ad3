"""Tiny networks that keep the models' contract, with random weights, and fakes that answer as told."""

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

ANCHORS = [[[12, 6], [24, 9], [28, 18]], [[48, 16], [56, 34], [88, 26]], [[110, 62], [170, 50], [270, 110]]]
STRIDES = [8, 16, 32]


def detector_contract(corners=True, **changes):
    return contract(
        "detector", 128, 96, strides=STRIDES, anchors=ANCHORS, corners=corners, decode="yolov3", **changes
    )


def reader_contract(**changes):
    return contract("reader", 128, 64, blank=0, **{"lines": 2, "temperature": 1.5, "margin": 0.1, **changes})


def contract(kind, width, height, **more):
    data = {
        "schema": 1,
        "kind": kind,
        "name": f"tiny-{kind}",
        "version": "1",
        "input": {"name": "images", "width": width, "height": height, "color": "bgr", "layout": "nchw"},
    }
    return {**data, **more}


def write_detector(folder: Path, name="tiny-detector", seed=0, objectness=0.0) -> Path:
    """Heads that are one convolution of the picture each; `objectness` is added to each anchor's."""
    rng = np.random.default_rng(seed)
    bias = np.zeros(39, np.float32)
    bias[4::13] = objectness
    nodes, weights, outputs = [], [numpy_helper.from_array(bias, "bias")], []
    for stride in STRIDES:
        kernel = rng.normal(0, 0.2, (39, 3, stride, stride)).astype(np.float32)
        weights.append(numpy_helper.from_array(kernel, f"w{stride}"))
        conv = ["images", f"w{stride}", "bias"]
        nodes.append(helper.make_node("Conv", conv, [f"head{stride}"], strides=[stride, stride]))
        shape = ["n", 39, f"h{stride}", f"w{stride}"]
        outputs.append(helper.make_tensor_value_info(f"head{stride}", TensorProto.FLOAT, shape))
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 3, "h", "w"])
    return _write(
        folder / f"{name}.onnx", nodes, weights, images, outputs, detector_contract(), (2, 3, 96, 128)
    )


def write_reader(folder: Path, name="tiny-reader", seed=0) -> Path:
    """Steps that are one convolution of a strip of the picture each."""
    rng = np.random.default_rng(seed)
    weights = [
        numpy_helper.from_array(rng.normal(0, 0.3, (37, 3, 64, 2)).astype(np.float32), "w"),
        numpy_helper.from_array(np.array([0, 37, 64], np.int64), "shape"),
    ]
    nodes = [
        helper.make_node("Conv", ["images", "w"], ["strips"], strides=[64, 2]),
        helper.make_node("Reshape", ["strips", "shape"], ["flat"]),
        helper.make_node("Transpose", ["flat"], ["logits"], perm=[0, 2, 1]),
    ]
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 3, 64, 128])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 64, 37])
    return _write(
        folder / f"{name}.onnx", nodes, weights, images, [logits], reader_contract(), (3, 3, 64, 128)
    )


def _write(path, nodes, weights, images, outputs, metadata, sample):
    graph = helper.make_graph(nodes, "tiny", [images], outputs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, {"anpr": json.dumps(metadata), "other": "x"})
    onnx.save(model, path)
    write_golden(path, np.random.default_rng(1).random(sample, np.float32))
    return path


def write_golden(path: Path, images, noise=0.0):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    outputs = dict(zip(names, session.run(names, {"images": images}), strict=True))
    rng = np.random.default_rng(2)
    noisy = {name: array + noise * rng.normal(0, 1, array.shape) for name, array in outputs.items()}
    arrays = {name: array.astype(np.float32) for name, array in noisy.items()}
    np.savez(path.with_suffix(".golden.npz"), input=images, **arrays)


class FakeBackend:
    """Answers what it is told and keeps what it was asked."""

    description = "fake fp32 cpu"
    streams = 1

    def __init__(self, answer):
        self.answer = answer
        self.asked = []

    def run(self, images):
        self.asked.append(np.array(images))
        return self.answer(images)

    def close(self):
        pass
