"""Which TensorRT is installed: `tensorrt` 10 or 11, or `tensorrt_rtx`, which share one API.

Nothing is imported before it is asked for, so that a machine without a GPU never pays for it.
"""

from __future__ import annotations

import importlib
import logging
import re
from dataclasses import dataclass
from functools import cache
from typing import Any

from anpr_stream.errors import BackendError

LOG = logging.getLogger(__name__)
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

    @property
    def logger(self) -> Any:
        """The one logger of the process; its `last` is TensorRT's last complaint."""
        return _logger(self.module)

    def begin(self, kind: str) -> Any:
        """Make a `Builder` or a `Runtime`, after which `logger.last` is of its own doing.

        Raises:
            BackendError: CUDA does not start, so that TensorRT gives none.
        """
        self.logger.last = "no reason given"
        try:
            return getattr(self.module, kind)(self.logger)
        except TypeError as error:  # what pybind11 makes of a null pointer
            raise BackendError(
                f"{self.text} does not start: {self.logger.last}", slug="tensorrt-run"
            ) from error


@cache
def _logger(trt: Any) -> Any:
    """Pass TensorRT's words on to our log and keep the last complaint for the error's line.

    TensorRT talks to the first logger that it gets, whatever it is given later, while anything of its lives.
    """

    class Logger(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.last = "no reason given"

        def log(self, severity: Any, message: str) -> None:
            if severity in (trt.ILogger.ERROR, trt.ILogger.INTERNAL_ERROR):
                self.last = " ".join(message.split())
            LOG.debug("tensorrt: %s", message)

    return Logger()


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
        text = getattr(module, "__version__", "of no version")  # a folder of that name is a module, too
        version = version_numbers(text)
        if version >= OLDEST[package]:
            return TensorRT(module, package, version)
        faults.append(f"{package} {text} is older than {'.'.join(map(str, OLDEST[package]))}")
    raise BackendError(
        f"TensorRT is not usable ({'; '.join(faults)}); install it with pip install 'anpr_stream[tensorrt]'",
        slug="tensorrt-missing",
    )
