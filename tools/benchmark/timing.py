"""Time of a call, on the clock and on the processor."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

LEAST_RUNS = 5


@dataclass(frozen=True)
class Timing:
    """Cost of one call.

    Attributes:
        ms: median on the clock; too high on a busy machine.
        best_ms: the least on the clock.
        cpu_ms: mean on the processor, all threads of the process; hardly depends on other processes.
    """

    ms: float
    best_ms: float
    cpu_ms: float


def timed(call: Callable[[], object], budget_s: float) -> Timing:
    """Call until `budget_s` is used up, at least `LEAST_RUNS` times, after two calls to warm up."""
    call()
    call()
    walls_ms: list[float] = []
    cpu_began_s, began_s = time.process_time(), time.perf_counter()
    while len(walls_ms) < LEAST_RUNS or time.perf_counter() - began_s < budget_s:
        start_s = time.perf_counter()
        call()
        walls_ms.append(1000 * (time.perf_counter() - start_s))
    cpu_ms = 1000 * (time.process_time() - cpu_began_s) / len(walls_ms)
    return Timing(median(walls_ms), min(walls_ms), cpu_ms)
