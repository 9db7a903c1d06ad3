"""Files of certificates are looked at with the settings, and each fault is one line that names the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from anpr_stream.config.load import parse_settings
from anpr_stream.errors import ConfigError
from tests.certificates import encrypt, make_both_certificates

GONE = "cannot be used: No such file or directory"


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Leave another certificate and key, an encrypted key and a text beside a certificate and its key."""
    (_, other_key), (certificate, key) = make_both_certificates(tmp_path)
    other_key.rename(certificate.with_name("other.pem"))
    (certificate.parent / "text.pem").write_text("no certificate")
    locked = certificate.with_name("locked.pem")
    locked.write_bytes(key.read_bytes())
    encrypt(locked)
    return certificate


def faults(certificate: Path, **names: str) -> str:
    files = ", ".join(f"{key}: {certificate.with_name(name)}" for key, name in names.items())
    output = f"outputs: [{{type: mqtt, name: m, host: h, tls: {{{files}}}}}]"
    with pytest.raises(ConfigError) as caught:
        parse_settings(output, "f", {})
    return caught.value.message.replace(f"{certificate.parent}/", "")


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"ca_file": "gone.pem"}, f"ca_file gone.pem {GONE}"),
        ({"ca_file": "text.pem"}, "ca_file text.pem cannot be used: "),
        ({"cert_file": "gone.pem", "key_file": "key.pem"}, f"cert_file gone.pem {GONE}"),
        ({"cert_file": "text.pem", "key_file": "key.pem"}, "cert_file text.pem cannot be used: "),
        ({"cert_file": "cert.pem"}, "cert_file cert.pem holds no key of the certificate in cert_file"),
        ({"cert_file": "cert.pem", "key_file": "gone.pem"}, f"key_file gone.pem {GONE}"),
        ({"cert_file": "cert.pem", "key_file": "text.pem"}, "key_file text.pem holds no key of the"),
        ({"cert_file": "cert.pem", "key_file": "other.pem"}, "key_file other.pem holds no key of the"),
        (
            {"cert_file": "cert.pem", "key_file": "locked.pem"},
            "key_file locked.pem cannot be used: it has a pass",
        ),
        ({"key_file": "key.pem"}, "key_file: give its certificate as cert_file"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(certificate: Path, files: dict[str, str], says: str) -> None:
    found = faults(certificate, **files)
    assert found.startswith(f"f:1: outputs[0].tls: {says}")
    assert "\n" not in found


@pytest.mark.parametrize(
    "output", ["webhook, url: 'http://h'", "redis, url: 'redis://h'", "nats, servers: ['nats://h']"]
)
def test_certificates_for_an_address_without_tls_are_refused(certificate: Path, output: str) -> None:
    text = f"outputs: [{{type: {output}, name: a, tls: {{ca_file: {certificate}}}}}]"
    with pytest.raises(ConfigError, match="its files need an address that begins with one of https://, "):
        parse_settings(text, "f", {})


def test_who_needs_no_secrets_needs_no_key() -> None:
    text = "outputs: [{type: mqtt, name: m, host: h, tls: {cert_file: '${CREDENTIALS_DIRECTORY}/key'}}]"
    assert parse_settings(text, "f", {}, needs_secrets=False).outputs
    with pytest.raises(ConfigError, match="neither an environment variable"):
        parse_settings(text, "f", {})
