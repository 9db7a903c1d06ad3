"""Does an engine answer what the network answered where it was trained?"""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np

from anpr_stream.errors import BackendError
from anpr_stream.inference.meaning import difference
from anpr_stream.inference.models import Golden
from anpr_stream.interfaces import Backend
from anpr_stream.types import FloatArray
from anpr_stream.vision.contract import Contract

TOLERANCES = {"fp32": 1e-3, "fp16": 0.02, "bf16": 0.05, "int8": 0.2}
"""Largest error by precision: root mean square of the difference over that of the right answer's spread."""

RUNS = 25
"""Of so many runs some are undisturbed on a busy machine, too: the choice is remembered for long."""


def error_of(outputs: Mapping[str, FloatArray], expected: Mapping[str, FloatArray]) -> float:
    """Relative error of the worst output.

    Raises:
        BackendError: an output is missing, has another shape or is not finite.
    """
    return max(_error_of(name, outputs, right) for name, right in expected.items())


def check(backend: Backend, golden: Golden, precision: str, contract: Contract) -> float:
    """Run the golden sample and compare: all numbers, and the plates or texts that they mean.

    Returns:
        The relative error.

    Raises:
        BackendError: the engine fails or answers something else (slug `golden-disagrees`).
    """
    outputs = backend.run(golden.images)
    error = error_of(outputs, golden.outputs)
    if error > TOLERANCES[precision]:
        raise BackendError(
            f"{backend.description} is {100 * error:.2g} % off the golden sample, "
            f"{100 * TOLERANCES[precision]:.2g} % are allowed for {precision}",
            "golden-disagrees",
        )
    if fault := difference(outputs, golden.outputs, contract):
        raise BackendError(f"{backend.description} fails the golden sample: {fault}", "golden-disagrees")
    return error


def time_ms(backend: Backend, golden: Golden) -> float:
    """Milliseconds of one picture of the golden sample: the best of a few runs, the others were disturbed."""
    one = golden.images[:1]
    backend.run(one)
    return min(_timed_ms(backend, one) for _ in range(RUNS))


def _timed_ms(backend: Backend, images: FloatArray) -> float:
    start_s = time.perf_counter()
    backend.run(images)
    return 1000 * (time.perf_counter() - start_s)


def _error_of(name: str, outputs: Mapping[str, FloatArray], right: FloatArray) -> float:
    got = outputs.get(name)
    if got is None or got.shape != right.shape:
        shape = None if got is None else got.shape
        raise BackendError(f"output {name}: expected {right.shape}, got {shape}", "golden-disagrees")
    if not np.isfinite(got).all():
        raise BackendError(f"output {name} is not finite", "golden-disagrees")
    spread = float(np.std(right)) or 1.0
    return float(np.sqrt(np.mean((got - right) ** 2))) / spread
