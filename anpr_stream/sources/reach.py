"""Why a host cannot be reached, for GStreamer says only that it failed to connect."""

from __future__ import annotations

import errno
import socket

from anpr_stream.sources.offthread import within

LIMIT_S = 3.0
REASONS = {
    errno.ECONNREFUSED: ("source-refused", "refuses the connection: is the port right and the camera on?"),
    errno.EHOSTUNREACH: ("source-unreachable", "cannot be reached: no route to the host"),
    errno.ENETUNREACH: ("source-unreachable", "cannot be reached: no route to its network"),
    errno.ECONNRESET: ("source-refused", "closed the connection at once"),
}


SILENT = ("source-unreachable", f"does not answer within {LIMIT_S:g} s: is its address right?")
REACHED = ("source-protocol", "answers, but gives no video")


def why_unreachable(host: str, port: int) -> tuple[str, str]:
    """Try to connect once more, by hand.

    Returns:
        Slug and the end of a sentence that begins with the source's name; `REACHED` where it can be
        reached after all. Takes at most `LIMIT_S`.
    """
    return within(LIMIT_S, lambda: _try(host, port)) or SILENT


def _try(host: str, port: int) -> tuple[str, str]:
    try:
        socket.create_connection((host, port), timeout=LIMIT_S).close()
    except socket.gaierror:
        return "source-unreachable", f"cannot be found: no host is named {host}"
    except TimeoutError:
        return SILENT
    except OSError as error:
        fallback = "source-unreachable", f"cannot be reached: {error.strerror}"
        return REASONS.get(error.errno or 0, fallback)
    return REACHED
