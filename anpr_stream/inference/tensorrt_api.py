"""Which TensorRT is installed: `tensorrt` 10 or 11, or `tensorrt_rtx`, which share one API.

Nothing is imported before it is asked for, so that a machine without a GPU never pays for it.
"""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass
from typing import Any

from anpr_stream.errors import BackendError

PACKAGES = ("tensorrt", "tensorrt_rtx")
OLDEST = {"tensorrt": (10, 0), "tensorrt_rtx": (1, 2)}


@dataclass(frozen=True, slots=True)
class TensorRT:
    """An installed TensorRT.

    Attributes:
        module: the imported package.
        package: its name.
        version: numbers, e.g. (10, 7, 0); compared as numbers, so that 10.10 follows 10.9.
    """

    module: Any
    package: str
    version: tuple[int, ...]

    @property
    def text(self) -> str:
        """Name and version for logs and cache keys."""
        return f"{self.package} {'.'.join(map(str, self.version))}"

    @property
    def ahead_of_time(self) -> bool:
        """Whether plans can be built for a named GPU generation on a machine without a GPU."""
        return self.package == "tensorrt_rtx"

    @property
    def keeps_timings(self) -> bool:
        """Whether a build measures kernels and keeps their times; RTX chooses at run time instead."""
        return not self.ahead_of_time


def version_numbers(text: str) -> tuple[int, ...]:
    """Return the leading numbers of a version, e.g. `10.7.0.post1` gives (10, 7, 0)."""
    match = re.match(r"\d+(\.\d+)*", text)
    return tuple(int(part) for part in match.group().split(".")) if match else ()


def find_tensorrt(packages: tuple[str, ...] = PACKAGES) -> TensorRT:
    """Import the first TensorRT that is new enough.

    Raises:
        BackendError: there is none; the line names what was tried and what installs it.
    """
    faults = []
    for package in packages:
        try:
            module = importlib.import_module(package)
        except (ImportError, OSError) as error:
            faults.append(f"{package}: {str(error).splitlines()[0]}")
            continue
        version = version_numbers(module.__version__)
        if version >= OLDEST[package]:
            return TensorRT(module, package, version)
        faults.append(f"{package} {module.__version__} is older than {'.'.join(map(str, OLDEST[package]))}")
    raise BackendError(
        f"TensorRT is not usable ({'; '.join(faults)}); install it with pip install 'anpr_stream[tensorrt]'",
        slug="tensorrt-missing",
    )
