"""TLS of a client: how the other side is checked, and with which certificate this machine shows who it is."""

from __future__ import annotations

import ssl
from pathlib import Path

from pydantic import ValidationInfo, model_validator

from anpr_stream.config.section import FilePath, Section, has_secrets
from anpr_stream.errors import reason_of


class Tls(Section):
    """How a receiver's certificate is checked, and which one it is shown."""

    verify: bool = True
    """Check certificate and host name; false lets anybody in between read and change events."""
    ca_file: FilePath | None = None
    """PEM file of the authority that signed the receiver's certificate; default: the system's."""
    cert_file: FilePath | None = None
    """PEM file of this machine's own certificate and those between it and its authority, for a receiver
    that asks for one (mutual TLS); none: no certificate is shown."""
    key_file: FilePath | None = None
    """PEM file of that certificate's key, without a passphrase; default: it stands in `cert_file`."""

    @model_validator(mode="after")
    def _can_load_files(self, info: ValidationInfo) -> Tls:
        """Load the files once, but not for commands that need none of the service's secrets."""
        if self.key_file is not None and self.cert_file is None:
            raise ValueError("key_file: give its certificate as cert_file")
        if has_secrets(info) and (self.ca_file or self.cert_file):
            try:
                tls_context(self)
            except OSError as error:
                raise ValueError(str(error)) from error
        return self


def tls_context(tls: Tls) -> ssl.SSLContext:
    """Return a client's TLS context; certificates are checked unless somebody said not to.

    Raises:
        OSError: a file cannot be read (any more) or holds no certificate, or the key is another's.
    """
    try:
        context = trusting(tls.ca_file, is_verified=tls.verify)
    except OSError as error:
        raise OSError(f"ca_file {tls.ca_file} cannot be used: {reason_of(error)}") from error
    if tls.cert_file is not None:
        _load_own(context, tls.cert_file, tls.key_file)
    return context


def trusting(ca_file: Path | None, *, is_verified: bool) -> ssl.SSLContext:
    """Return the context of a client that trusts an authority, None: the system's, or anybody.

    Raises:
        OSError: the file cannot be read or holds no certificate.
    """
    context = ssl.create_default_context(cafile=ca_file)
    if not is_verified:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _load_own(context: ssl.SSLContext, cert_file: Path, key_file: Path | None) -> None:
    """Load the own certificate and its key; OpenSSL alone would not say which of the files is wrong."""
    key_name = f"cert_file {cert_file}" if key_file is None else f"key_file {key_file}"

    def refuse_to_ask() -> str:
        raise OSError("it has a passphrase; write it without: openssl pkey -in OLD -out NEW")

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cert_file)
    except OSError as error:
        raise OSError(f"cert_file {cert_file} cannot be used: {reason_of(error)}") from error
    try:
        context.load_cert_chain(cert_file, key_file, refuse_to_ask)
    except ssl.SSLError as error:
        raise OSError(f"{key_name} holds no key of the certificate in cert_file {cert_file}") from error
    except OSError as error:
        raise OSError(f"{key_name} cannot be used: {reason_of(error)}") from error
