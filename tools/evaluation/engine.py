"""The engine on which a single network is judged."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import get_args

from anpr_stream.config.models import EngineName, InferenceSettings, Precision
from anpr_stream.inference.select import LoadedNetwork, load_network


def add_engine(parser: argparse.ArgumentParser) -> None:
    """The options that name an engine and its arithmetic."""
    parser.add_argument("--backend", choices=get_args(EngineName), default="onnxruntime")
    parser.add_argument("--precision", choices=get_args(Precision), default="fp32")


def load_alone(model: str, backend: str, precision: str) -> LoadedNetwork:
    """Load a network on one thread; what is chosen for it is not remembered for the product.

    Raises:
        ModelError: there is no such network, or it is damaged.
        BackendError: the engine cannot run it.
    """
    wanted = {"backend": backend, "precision": precision, "threads": 1}
    with tempfile.TemporaryDirectory() as folder:
        return load_network(model, InferenceSettings.model_validate(wanted), Path(folder) / "engines.json")
