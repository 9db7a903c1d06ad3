"""What the processor can do, as the operating system lists it."""

from __future__ import annotations

import os
import platform
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")

INT8_FLAGS = frozenset({"avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm"})
"""Instructions that multiply and add 8-bit integers."""

INT8_ANYHOW = frozenset({"avx2"})
"""Instructions with which INT8 is faster, too. They add pairs of products in 16 bits, which overflow unless
the weights keep to 7 bits, as those of our exports do."""

INT8_ENGINE = "openvino"
"""The one engine that INT8 makes faster: ONNX Runtime multiplies whole numbers only where a convolution's
output is rounded at once, which our files leave out, since it costs accuracy."""


def name(cpuinfo: Path = CPUINFO) -> str:
    """Model of the processor."""
    return _field("model name", cpuinfo) or platform.processor() or platform.machine()


def flags(cpuinfo: Path = CPUINFO) -> frozenset[str]:
    """Return the features by their names in Linux; empty where they are not listed."""
    return frozenset((_field("flags", cpuinfo) or _field("Features", cpuinfo)).split())


def int8_reason(engine: str, cpuinfo: Path = CPUINFO) -> str:
    """Return the instruction that makes INT8 worth while on an engine, or an empty text."""
    known = flags(cpuinfo) if engine == INT8_ENGINE else frozenset()
    return min(INT8_FLAGS & known or INT8_ANYHOW & known, default="")


def usable_cores() -> int:
    """Number of cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _field(key: str, cpuinfo: Path) -> str:
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        return ""
    values = (line.partition(":") for line in lines)
    return next((value.strip() for found, _, value in values if found.strip() == key), "")
