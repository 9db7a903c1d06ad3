"""Number plates out of live and recorded video: one fused event per vehicle visit."""

import contextlib
import ctypes

__version__ = "0.1.0"

# GStreamer brings libunwind with it, whose functions for C++ exceptions would take the place of the
# compiler's own, and OpenVINO then aborts at its first exception. Who is loaded first stays.
with contextlib.suppress(OSError):
    ctypes.CDLL("libgcc_s.so.1", mode=ctypes.RTLD_GLOBAL)
