"""TLS as the settings want it; certificates are checked unless somebody said not to."""

from __future__ import annotations

import ssl

from anpr_stream.config.delivery import Tls
from anpr_stream.errors import reason_of


def tls_context(tls: Tls) -> ssl.SSLContext:
    """Return a client's TLS context.

    Raises:
        OSError: the authority's file cannot be read (any more), or holds no certificate.
    """
    try:
        context = ssl.create_default_context(cafile=tls.ca_file)
    except OSError as error:
        raise OSError(f"ca_file {tls.ca_file} cannot be used: {reason_of(error)}") from error
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
