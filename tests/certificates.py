"""Self-made certificates for tests of TLS on loopback."""

from __future__ import annotations

import subprocess
from pathlib import Path


def make_certificate(folder: Path, name: str = "127.0.0.1") -> tuple[Path, Path]:
    """Return certificate and key for an address; the certificate is its own authority."""
    certificate, key = folder / "cert.pem", folder / "key.pem"
    kind = "IP" if name[0].isdigit() else "DNS"
    command = [
        *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
        *("-keyout", str(key), "-out", str(certificate), "-days", "2", "-subj", f"/CN={name}"),
        *("-addext", f"subjectAltName={kind}:{name}"),
    ]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key


def make_both_certificates(folder: Path) -> tuple[tuple[Path, Path], tuple[Path, Path]]:
    """Return certificate and key of a server on loopback, and those of a client that it may ask for."""
    server, client = folder / "server", folder / "client"
    server.mkdir()
    client.mkdir()
    return make_certificate(server), make_certificate(client, "anpr.example")


def encrypt(key: Path) -> None:
    """Give a key a passphrase."""
    plain = key.rename(key.with_suffix(".plain"))
    command = ["openssl", "pkcs8", "-topk8", "-in", str(plain), "-out", str(key), "-passout", "pass:s3cret"]
    subprocess.run(command, check=True, capture_output=True)


def expire(certificate: Path, key: Path) -> None:
    """Let a certificate that is its own authority have ended yesterday."""
    new = certificate.with_suffix(".new")
    command = [
        "openssl",
        "x509",
        "-in",
        str(certificate),
        "-signkey",
        str(key),
        "-days",
        "-1",
        "-out",
        str(new),
    ]
    subprocess.run(command, check=True, capture_output=True)
    new.rename(certificate)
