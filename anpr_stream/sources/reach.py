"""Why a host cannot be reached, for GStreamer says only that it failed to connect."""

from __future__ import annotations

import errno
import socket
import ssl

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
UNTRUSTED = (
    "shows a certificate that cannot be trusted ({}): set tls_ca to the file of its authority, "
    "or tls_verify to false to take any"
)
NOT_NOW = (
    "shows a certificate that cannot be trusted ({}): renew it in the camera, or is a clock wrong? "
    "tls_verify false takes any"
)
OUT_OF_DATE = frozenset({9, 10})
"""OpenSSL's numbers for a certificate that is not valid yet, or not any more."""
NO_TLS = "cannot be spoken to by TLS ({}): are scheme and port right?"


def why_unreachable(host: str, port: int, tls: ssl.SSLContext | None = None) -> tuple[str, str]:
    """Try to connect once more, by hand.

    Args:
        host: name or address.
        port: TCP.
        tls: of a camera that is to be spoken to by TLS.

    Returns:
        Slug and the end of a sentence that begins with the source's name; `REACHED` where it can be
        reached after all. Takes at most `LIMIT_S`.
    """
    return within(LIMIT_S, lambda: _try(host, port, tls)) or SILENT


def _try(host: str, port: int, tls: ssl.SSLContext | None) -> tuple[str, str]:
    try:
        with socket.create_connection((host, port), timeout=LIMIT_S) as connection:
            if tls is not None:
                tls.wrap_socket(connection, server_hostname=host).close()
    except ssl.SSLCertVerificationError as error:
        what = NOT_NOW if error.verify_code in OUT_OF_DATE else UNTRUSTED
        return "source-tls", what.format(error.verify_message.rstrip("."))
    except ssl.SSLError as error:
        return "source-tls", NO_TLS.format((error.reason or "no reason given").replace("_", " ").lower())
    except socket.gaierror:
        return "source-unreachable", f"cannot be found: no host is named {host}"
    except TimeoutError:
        return SILENT
    except OSError as error:
        fallback = "source-unreachable", f"cannot be reached: {error.strerror}"
        return REASONS.get(error.errno or 0, fallback)
    return REACHED
