"""TLS as the settings want it; certificates are checked unless somebody said not to."""

from __future__ import annotations

import ssl

from anpr_stream.config.delivery import Tls


def tls_context(tls: Tls) -> ssl.SSLContext:
    """Return a client's TLS context."""
    context = ssl.create_default_context(cafile=tls.ca_file)
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
