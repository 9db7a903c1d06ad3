"""Imports point one way, and each third-party package stays in its corner."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "anpr_stream"
ZERO = {"types", "interfaces", "errors", "metrics"}
RULES = {"config", "plates", "vision", "tracking"}
EDGES = {"inference", "perception", "sources", "outputs", "store"}
BELOW: dict[str, set[str]] = {
    **{name: {"types", "errors"} for name in ZERO},
    "config": ZERO,
    "plates": ZERO | {"config"},
    "vision": ZERO | {"config", "plates"},
    "tracking": ZERO | {"config", "plates", "vision"},
    **dict.fromkeys(EDGES, ZERO | RULES),
    "pipeline": ZERO | RULES | EDGES,
    "synth": ZERO | RULES,
    "testing": ZERO | RULES,
    "service": ZERO | RULES | EDGES | {"pipeline"},
    "cli": ZERO | RULES | EDGES | {"pipeline", "service", "synth"},
    "__main__": {"cli"},
    "__init__": ZERO,
}
CONFINED = {
    "gi": ("sources/gst", "outputs/video"),
    "tensorrt": ("inference/tensorrt",),
    "tensorrt_rtx": ("inference/tensorrt",),
    "pycuda": ("inference/tensorrt", "inference/cuda"),
    "onnxruntime": ("inference/onnx",),
    "openvino": ("inference/openvino",),
    "filterpy": ("tracking/",),
    "typer": ("cli/",),
    "rich": ("cli/",),
    "PIL": ("synth/",),
    "torch": (),
    "matplotlib": (),
    "onnx": ("inference/precision", "inference/gru"),
}
FILES = sorted(PACKAGE.rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def layer(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_downwards(path: Path) -> None:
    own = layer(path)
    for name in imports(path):
        parts = name.split(".")
        if parts[0] != "anpr_stream" or len(parts) < 2 or parts[1].startswith("__"):
            assert parts[0] != "tools", f"{path} imports tools"
            continue
        is_package_data = parts[1] in {"engines", "configs"}
        assert is_package_data or parts[1] == own or parts[1] in BELOW[own], f"{own} imports {name}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_third_party_packages_stay_in_their_corner(path: Path) -> None:
    inside = path.relative_to(PACKAGE).as_posix()
    for name in imports(path):
        corner = CONFINED.get(name.split(".")[0])
        assert corner is None or inside.startswith(corner), f"{inside} imports {name}"


def test_every_folder_has_its_layer() -> None:
    assert {layer(path) for path in FILES} <= set(BELOW)
