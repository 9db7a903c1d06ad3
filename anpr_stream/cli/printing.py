"""Standard output that takes no more, because its reader has gone or the disk is full."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

from anpr_stream.errors import SinkError, reason_of


@contextlib.contextmanager
def printing() -> Iterator[None]:
    """Guard what prints.

    Raises:
        SinkError: standard output took not all of it.
    """
    try:
        yield
        sys.stdout.flush()
    except OSError as error:
        raise SinkError(f"standard output: cannot write: {reason_of(error)}", "sink-write") from error


def finish_printing() -> bool:
    """Print what still waits; tell whether standard output took it.

    What it did not take is given up: Python would try again at its end, and complain.
    """
    try:
        sys.stdout.flush()
    except OSError:
        with contextlib.suppress(OSError):  # a stream without a file
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return False
    return True
