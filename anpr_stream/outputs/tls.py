"""TLS as the settings want it; certificates are checked unless somebody said not to."""

from __future__ import annotations

import ssl

from anpr_stream.config.delivery import Tls
from anpr_stream.errors import ConfigError


def tls_context(tls: Tls) -> ssl.SSLContext:
    """Return a client's TLS context.

    Raises:
        ConfigError: the authority's file cannot be read.
    """
    try:
        context = ssl.create_default_context(cafile=tls.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"ca_file {tls.ca_file}: {error}", "tls-ca-file") from error
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
