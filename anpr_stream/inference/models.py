"""The networks that ship with the package, and any other ONNX file that keeps their contract."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from anpr_stream.config.packaged import packaged
from anpr_stream.errors import AnprError, ModelError
from anpr_stream.inference.metadata import read_contract
from anpr_stream.types import FloatArray
from anpr_stream.vision.contract import Contract

HASH_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Golden:
    """What a network must answer: computed once, where it was trained.

    Attributes:
        images: (N, 3, H, W) float32, the input.
        outputs: output name to array, first axis N.
    """

    images: FloatArray
    outputs: dict[str, FloatArray]

    def repeated(self, count: int) -> Golden:
        """Return the sample with its pictures repeated up to `count`."""
        order = np.arange(count) % len(self.images)
        return Golden(self.images[order], {name: array[order] for name, array in self.outputs.items()})


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One network on disk.

    Attributes:
        path: the FP32 ONNX file.
        contract: what it says about itself.
        sha256: first 12 digits of the file's hash.
    """

    path: Path
    contract: Contract
    sha256: str

    @property
    def name(self) -> str:
        """Name of the network."""
        return self.contract.name

    @property
    def int8_path(self) -> Path | None:
        """The quantised file beside it, where there is one."""
        path = self.path.with_suffix(".int8.onnx")
        return path if path.is_file() else None

    def golden(self) -> Golden:
        """Load the golden sample beside it.

        Raises:
            ModelError: it is missing or damaged.
        """
        path = self.path.with_suffix(".golden.npz")
        try:
            with path.open("rb") as file, np.load(file) as arrays:
                outputs = {name: arrays[name] for name in arrays.files if name != "input"}
                return Golden(arrays["input"], outputs)
        except FileNotFoundError as error:
            raise ModelError(
                f"{path}: missing: a network needs its golden sample beside it (tools/export.py writes it)",
                "golden-missing",
            ) from error
        except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
            raise ModelError(f"{path}: damaged golden sample ({error})", "golden-damaged") from error


@dataclass(frozen=True, slots=True)
class ShippedModel:
    """A line of `anpr-stream models`: the file, and its fault where it cannot be used."""

    path: Path
    model: ModelFile | None
    fault: str = ""


def find_model(name: str | Path) -> ModelFile:
    """Find a network by its name or by the path of its ONNX file.

    Raises:
        ModelError: unknown name, missing or damaged file, another contract.
    """
    path = Path(name)
    if path.suffix != ".onnx":
        path = packaged("engines") / f"{name}.onnx"
        if not path.is_file():
            known = ", ".join(sorted(entry.path.stem for entry in shipped_models())) or "none"
            raise ModelError(
                f"no network is called {name} (shipped: {known}); give a name or the path of a .onnx file",
                "model-missing",
            )
    return ModelFile(path, read_contract(path), file_hash(path))


def shipped_models() -> list[ShippedModel]:
    """List what ships, damaged files with their fault."""
    paths = sorted(packaged("engines").glob("*.onnx"))
    return [_look(path) for path in paths if not path.stem.endswith(".int8")]


def file_hash(path: Path) -> str:
    """First 12 digits of the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:HASH_DIGITS]


def _look(path: Path) -> ShippedModel:
    try:
        return ShippedModel(path, ModelFile(path, read_contract(path), file_hash(path)))
    except AnprError as error:
        return ShippedModel(path, None, str(error))
