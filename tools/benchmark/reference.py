"""The yardstick: a YOLOv3 of a quarter of the published width at 640x640 in FP32, with random weights.

Weights do not change the time of dense arithmetic, so none need to ship for it.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import torch

from anpr_stream.inference.onnx import OnnxBackend
from tools.benchmark.timing import Timing, timed
from tools.training.detector import CPU_ANCHORS, DetectorConfig, YoloV3

SIDE_PX = 640
QUARTER = DetectorConfig(
    "quarter", (16, 32, 64, 128, 256), (2, 8, 8, 4), 2, CPU_ANCHORS, stem=8, corners=False
)


def reference_timing(folder: Path, budget_s: float) -> Timing:
    """Time the yardstick in ONNX Runtime on one thread."""
    backend = OnnxBackend(write_reference(folder / "reference.onnx"), "fp32", 1)
    images = np.random.default_rng(0).random((1, 3, SIDE_PX, SIDE_PX), np.float32)
    return timed(lambda: backend.run(images), budget_s)


def write_reference(path: Path) -> Path:
    """Export the yardstick as ONNX."""
    network = YoloV3(QUARTER).eval()
    sample = torch.zeros(1, 3, SIDE_PX, SIDE_PX)
    names = ["head8", "head16", "head32"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network, (sample,), str(path), input_names=["images"], output_names=names, dynamo=False
        )
    return path
