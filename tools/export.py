"""Write a trained network for the runtime: `python -m tools.export runs/reader/best.pt --data reader.pack`.

Makes NAME.onnx with its contract, NAME.int8.onnx and NAME.golden.npz. Fails if ONNX Runtime and
PyTorch disagree. Of an exported NAME.onnx it makes NAME.int8.onnx anew.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import nn

from anpr_stream.inference.metadata import read_contract, read_metadata
from anpr_stream.inference.precision import open_network
from anpr_stream.vision.contract import METADATA_KEY
from tools.options import ToolParser
from tools.refusal import exit_code
from tools.training.kinds import KINDS, Description, Kind, batches
from tools.training.loop import TrainingError, load_checkpoint, load_weights
from tools.training.onnx_files import (
    INPUT,
    ExportError,
    answers,
    check_parity,
    export_onnx,
    halve_weights,
    node_names,
    quantise,
    write_contract,
    write_golden,
)

GOLDEN_IMAGES = 2
CALIBRATION_IMAGES = 256
SCHEMA = 1


def load_network(checkpoint: Path) -> tuple[nn.Module, Description]:
    """The averaged network of a checkpoint in evaluation mode, and its description.

    Raises:
        TrainingError: no checkpoint, or of an unknown kind.
    """
    state = load_checkpoint(checkpoint)
    description: Description = state.get("description", {})
    if description.get("kind") not in KINDS:
        known = ", ".join(KINDS)
        raise TrainingError(f"{checkpoint}: kind {description.get('kind')!r}, exported are {known}")
    network = KINDS[description["kind"]].build(description)
    load_weights(network, state.get("ema", state["weights"]), checkpoint)
    return network.eval(), description


def common_contract(description: Description, size: tuple[int, int], version: str) -> dict[str, Any]:
    """The part of the contract that every network has."""
    width, height = size
    form = {"color": "bgr", "scale": 1 / 255, "layout": "nchw"}
    return {
        "schema": SCHEMA,
        "kind": description["kind"],
        "name": description["name"],
        "version": version,
        "input": {"name": INPUT, "width": width, "height": height, **form},
    }


def export(checkpoint: Path, data: Path, out: Path, version: str) -> list[Path]:
    """Export `checkpoint` into the folder `out`, all files or none; returns the files written.

    Raises:
        ExportError: ONNX Runtime and PyTorch disagree.
        TrainingError, PackError: checkpoint or data cannot be used.
    """
    with tempfile.TemporaryDirectory() as folder:
        made = _exported(checkpoint, data, Path(folder), version)
        return [Path(shutil.copy(path, out)) for path in made]


def _exported(checkpoint: Path, data: Path, folder: Path, version: str) -> list[Path]:
    network, description = load_network(checkpoint)
    kind = KINDS[description["kind"]]
    plain = folder / f"{description['name']}.onnx"
    golden = middle(next(batches(kind.images(data), GOLDEN_IMAGES)), kind.golden_size)
    contract = common_contract(description, kind.size, version) | kind.contract(network, description, data)
    export_onnx(network, golden, kind.outputs, plain, kind.free_size)
    write_contract(plain, contract)
    check_parity(network, plain, golden)
    whole_numbers = export_int8(plain, kind, contract, data)
    halve_weights(plain)
    write_golden(plain.with_suffix(".golden.npz"), golden, answers(plain, golden))
    return [plain, plain.with_suffix(".golden.npz"), whole_numbers]


def export_int8_again(plain: Path, data: Path, out: Path) -> list[Path]:
    """Quantise the exported FP32 network `plain` anew into the folder `out`; returns the file written.

    Raises:
        ModelError: `plain` is no network of ours.
        ExportError: it is in INT8 already.
    """
    read_contract(plain)
    if node_names(plain, ["QuantizeLinear"]):
        raise ExportError(f"{plain}: in INT8 already; name the FP32 file beside it")
    content = plain.read_bytes()
    contract = json.loads(read_metadata(content)[METADATA_KEY])
    onnx, model = open_network(content, "INT8")
    with tempfile.TemporaryDirectory() as folder:
        unpacked = Path(folder) / plain.name
        onnx.save(model, unpacked)
        made = export_int8(unpacked, KINDS[contract["kind"]], contract, data)
        return [Path(shutil.copy(made, out))]


def middle(images: npt.NDArray[np.float32], size: tuple[int, int]) -> npt.NDArray[np.float32]:
    """The middle `size` (width, height) of `images` (N, 3, H, W)."""
    left, top = (images.shape[3] - size[0]) // 2, (images.shape[2] - size[1]) // 2
    return np.ascontiguousarray(images[:, :, top : top + size[1], left : left + size[0]])


def export_int8(plain: Path, kind: Kind, contract: dict[str, Any], data: Path) -> Path:
    """The INT8 sibling of `plain`, its ranges measured on training pictures."""
    target = plain.with_suffix(".int8.onnx")
    kept = kind.kept(node_names(plain, ["Conv", "MatMul", "Gemm", "Add"]))
    quantise(plain, target, lambda: batches(kind.images(data), CALIBRATION_IMAGES), kept, kind.ranges)
    halve_weights(target)
    write_contract(target, contract)
    return target


def run(options: argparse.Namespace) -> None:
    """Export what `options` ask for and print the files."""
    options.out.mkdir(parents=True, exist_ok=True)
    if options.source.suffix == ".onnx":
        written = export_int8_again(options.source, options.data, options.out)
    else:
        written = export(options.source, options.data, options.out, options.version)
    for path in written:
        print(f"{path}: {path.stat().st_size / 1e6:.2f} MB")


def main(arguments: list[str] | None = None) -> int:
    """Parse, export; 0, or 2 after one line on what is wrong."""
    parser = ToolParser("tools.export", __doc__)
    parser.add_argument(
        "source", type=Path, help="best.pt or last.pt of a training, or an exported FP32 .onnx"
    )
    parser.add_argument("--data", type=Path, required=True, help="what the training was given")
    parser.add_argument("--out", type=Path, default=Path("engines"))
    parser.add_argument("--version", default="1", help="of the weights, kept in the contract")
    options = parser.parse_args(arguments)
    return exit_code("export", lambda: run(options))


if __name__ == "__main__":
    sys.exit(main())
