"""Hand-made networks and clips: a detector of magenta plates, a reader that always says `AB12CDE`.

They keep the contract of the real networks, so the whole program runs without weights, and what it
must find is known exactly.
"""

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from anpr_stream.outputs.video import VideoWriter
from anpr_stream.types import ALPHABET, Image

TEXT = "AB12CDE"
WIDTH, HEIGHT = 640, 360
PLATE_WIDTH, PLATE_HEIGHT = 64, 32
MAGENTA = (255, 0, 255)
STEPS, CLASSES = 64, 37
FPS = 30


def write_networks(folder: Path) -> Path:
    """Write both networks with their golden samples and return a settings file that names them."""
    detector, reader = folder / "stub-detector.onnx", folder / "stub-reader.onnx"
    _save(detector, _detector_graph(), _detector_contract(), (1, 3, 96, 128))
    _save(reader, _reader_graph(), _reader_contract(), (2, 3, 64, 128))
    settings = folder / "stubs.yaml"
    settings.write_text(
        f"detector: {{model: {detector}}}\nreader: {{model: {reader}}}\n"
        "inference: {backend: onnxruntime, precision: fp32, threads: 1}\n"
        # The stub sees a plate of the size that it has at 640, and twice where it is smaller.
        "pictures: {input_px: 640}\n"
    )
    return settings


def write_clip(path: Path, frames: int = 45, plate: bool = True) -> Path:
    """Render a clip of one magenta plate that crosses a still scene."""
    with VideoWriter(path) as video:
        for index in range(frames):
            video.write(scene(index if plate else None), index / FPS)
    return path


def scene(index: int | None) -> Image:
    """Return the still scene, with the plate where it is in a frame."""
    blocks = np.random.default_rng(1).integers(60, 160, (18, 32, 1), np.uint8)
    image = np.repeat(np.kron(blocks[:, :, 0], np.ones((20, 20), np.uint8))[:, :, None], 3, axis=2)
    if index is not None:
        x = 40 + 4 * index
        image[200 : 200 + PLATE_HEIGHT, x : x + PLATE_WIDTH] = MAGENTA
    return np.ascontiguousarray(image)


def _detector_contract() -> dict:
    anchors = [[PLATE_WIDTH, PLATE_HEIGHT]] * 3
    return {
        **_contract("detector", "stub-detector", WIDTH, 384),
        "strides": [8, 16, 32],
        "anchors": [anchors] * 3,
        "corners": False,
        "decode": "yolov3",
    }


def _reader_contract() -> dict:
    return {
        **_contract("reader", "stub-reader", 128, 64),
        "alphabet": ALPHABET,
        "blank": 0,
        "lines": 2,
        "temperature": 1.0,
        "margin": 0.1,
    }


def _contract(kind: str, name: str, width: int, height: int) -> dict:
    source = {"name": "images", "width": width, "height": height, "color": "bgr"}
    return {
        "schema": 1,
        "kind": kind,
        "name": name,
        "version": "1",
        "input": {**source, "scale": 1 / 255, "layout": "nchw"},
    }


def _detector_graph() -> onnx.GraphProto:
    """A matched filter: how magenta is the window of a plate's size around each cell?"""
    colour = np.array([0.5, -1.0, 0.5], np.float32).reshape(1, 3, 1, 1)
    objectness = np.zeros((15, 1, 1, 1), np.float32)
    objectness[4] = 40
    bias = np.zeros(15, np.float32)
    bias[[4, 9, 14]] = [-30, -20, -20]
    side, above = (PLATE_WIDTH - 8) // 2, (PLATE_HEIGHT - 8) // 2
    window = {"kernel_shape": [PLATE_HEIGHT, PLATE_WIDTH], "strides": [8, 8]}
    nodes = [
        helper.make_node("Conv", ["images", "colour"], ["magenta"], kernel_shape=[1, 1]),
        helper.make_node(
            "AveragePool",
            ["magenta"],
            ["match"],
            **window,
            pads=[above, side, above, side],
            count_include_pad=1,
        ),
        helper.make_node("Conv", ["match", "objectness", "bias"], ["head8"], kernel_shape=[1, 1]),
    ]
    for stride, factor in ((16, 2), (32, 4)):
        size = {"kernel_shape": [factor, factor], "strides": [factor, factor]}
        nodes += [
            helper.make_node("AveragePool", ["head8"], [f"pooled{stride}"], **size),
            helper.make_node("Mul", [f"pooled{stride}", "zero"], [f"zeros{stride}"]),
            helper.make_node("Add", [f"zeros{stride}", "nothing"], [f"head{stride}"]),
        ]
    heads = [_value(f"head{s}", ["n", 15, f"h{s}", f"w{s}"]) for s in (8, 16, 32)]
    weights = {
        "colour": colour,
        "objectness": objectness,
        "bias": bias,
        "zero": np.zeros(1, np.float32),
        "nothing": np.full((1, 15, 1, 1), -20, np.float32),
    }
    return helper.make_graph(
        nodes, "detector", [_value("images", ["n", 3, "h", "w"])], heads, _tensors(weights)
    )


def _reader_graph() -> onnx.GraphProto:
    """The same text for every picture."""
    logits = np.full((1, STEPS, CLASSES), -8, np.float32)
    logits[:, :, 0] = 8
    for place, character in enumerate(TEXT):
        step = 2 + 4 * place
        logits[0, step, 0] = -8
        logits[0, step, 1 + ALPHABET.index(character)] = 8
    nodes = [
        helper.make_node("ReduceMean", ["images", "axes"], ["mean"], keepdims=0),
        helper.make_node("Unsqueeze", ["mean", "last"], ["column"]),
        helper.make_node("Mul", ["column", "zero"], ["nothing"]),
        helper.make_node("Add", ["nothing", "text"], ["logits"]),
    ]
    weights = {
        "axes": np.array([1, 2, 3]),
        "last": np.array([1, 2]),
        "zero": np.zeros(1, np.float32),
        "text": logits,
    }
    images, output = _value("images", ["n", 3, 64, 128]), _value("logits", ["n", STEPS, CLASSES])
    return helper.make_graph(nodes, "reader", [images], [output], _tensors(weights))


def _value(name: str, shape: list) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def _tensors(arrays: dict[str, np.ndarray]) -> list[onnx.TensorProto]:
    return [numpy_helper.from_array(array, name) for name, array in arrays.items()]


def _save(path: Path, graph: onnx.GraphProto, contract: dict, shape: tuple[int, ...]) -> None:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    helper.set_model_props(model, {"anpr": json.dumps(contract)})
    onnx.save(model, path)
    images = np.random.default_rng(1).random(shape, np.float32)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    outputs = dict(zip(names, session.run(names, {"images": images}), strict=True))
    np.savez(path.with_suffix(".golden.npz"), input=images, **outputs)
