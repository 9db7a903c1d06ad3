"""Tells as JSON in its state directory what the unit's sandbox lets it do: `sandbox_probe.py NODE...`."""

from __future__ import annotations

import ctypes
import errno
import json
import mmap
import os
import sys
from pathlib import Path

LOCKED_BYTES = 4 << 20
"""Within the limit that a container cannot raise, see `LimitMEMLOCK` of the unit for more."""
LIBC = ctypes.CDLL(None, use_errno=True)


def open_node(node: str) -> str:
    """Return how opening a device ends, `driver` where there is none behind a node that may be opened."""
    try:
        os.close(os.open(node, os.O_RDWR))
    except OSError as error:
        gets_through = error.errno in (errno.ENXIO, errno.ENODEV)
        return "driver" if gets_through else errno.errorcode[error.errno or 0]
    return "driver"


def make_executable() -> str:
    """Return how mapping memory to write to and to run ends, as compilers of networks do."""
    try:
        mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close()
    except OSError as error:
        return str(error)
    return "done"


def lock() -> str:
    """Return how locking memory ends."""
    block = mmap.mmap(-1, LOCKED_BYTES)
    at = ctypes.addressof(ctypes.c_char.from_buffer(block))
    if LIBC.mlock(ctypes.c_void_p(at), ctypes.c_size_t(LOCKED_BYTES)):
        return os.strerror(ctypes.get_errno())
    return "done"


if __name__ == "__main__":
    told = {"executable": make_executable(), "locked": lock()}
    told |= {node: open_node(node) for node in sys.argv[1:]}
    Path(os.environ["STATE_DIRECTORY"], "probe.json").write_text(json.dumps(told), encoding="utf-8")
