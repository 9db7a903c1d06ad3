"""Standard output that takes no more, because its reader has gone or the disk is full."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator

from anpr_stream.errors import SinkError, reason_of


class _Guarded(io.TextIOWrapper):
    """Standard output whose errors are told like those of every other output, whoever prints."""

    def write(self, text: str) -> int:
        with _telling():
            return super().write(text)

    def flush(self) -> None:
        with _telling():
            super().flush()


@contextlib.contextmanager
def _telling() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SinkError(f"standard output: cannot write: {reason_of(error)}", "sink-write") from error


def guard_printing() -> None:
    """Let all that prints raise `SinkError` where standard output takes no more, or was closed before.

    A closed one gets a file that refuses all writing: else the next file opened would have its number.
    """
    stream = sys.stdout
    if stream is None:
        refusing = io.FileIO(os.open(os.devnull, os.O_RDONLY), "w")
        sys.stdout = _Guarded(io.BufferedWriter(refusing))
    elif stream is sys.__stdout__ and isinstance(stream, io.TextIOWrapper):
        sys.stdout = _Guarded(
            stream.buffer,
            stream.encoding,
            stream.errors,
            line_buffering=stream.line_buffering,
            write_through=stream.write_through,
        )


def finish_printing() -> bool:
    """Print what still waits; tell whether standard output took it.

    What it did not take is given up: Python would try again at its end, and complain.
    """
    try:
        sys.stdout.flush()
    except (OSError, SinkError):
        with contextlib.suppress(OSError):  # a stream without a file
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return False
    return True
