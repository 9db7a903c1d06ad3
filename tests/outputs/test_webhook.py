from __future__ import annotations

import hashlib
import hmac
import json
import shutil
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from anpr_stream.config.delivery import WebhookTarget
from anpr_stream.config.tls import Tls
from anpr_stream.outputs.transport import Verdict
from anpr_stream.outputs.webhook import SIGNATURE, WebhookTransport
from tests.brokers import free_port
from tests.certificates import make_both_certificates, make_certificate
from tests.outputs.messages import ALL_GOOD, messages, verdicts
from tests.service.fakes import FakeClock


class Receiver(ThreadingHTTPServer):
    """A web server that answers from a script, then 204, and keeps the requests."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script: list[tuple[int, dict[str, str]]] = []
        self.requests: list[tuple[str, dict[str, str], bytes]] = []


class Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append((self.path, dict(self.headers), body))
        status, headers = self.server.script.pop(0) if self.server.script else (204, {})
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def serving(tls: tuple[Path, Path] | None = None, clients: Path | None = None) -> Iterator[Receiver]:
    with Receiver() as server:
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            if clients is not None:
                context.verify_mode = ssl.CERT_REQUIRED
                context.load_verify_locations(clients)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with serving() as server:
        yield server


@contextmanager
def transport_to(port: int, scheme: str = "http", **target: Any) -> Iterator[WebhookTransport]:
    settings = WebhookTarget(url=f"{scheme}://127.0.0.1:{port}/hook", **target)
    transport = WebhookTransport(settings, 10.0, FakeClock(1_700_000_000.9))
    yield transport
    transport.close()
    transport.close()


def test_an_event_is_posted_with_key_signature_and_token(receiver: Receiver) -> None:
    wanted = {"secret": "s3cret", "bearer": "t0ken", "headers": {"X-Site": "north"}}
    with transport_to(receiver.server_port, **wanted) as transport:
        assert verdicts(transport.send(messages("a"))) == [Verdict.DELIVERED]
    path, headers, body = receiver.requests[0]
    mac = hmac.new(b"s3cret", b"1700000000." + body, hashlib.sha256).hexdigest()
    assert headers[SIGNATURE] == f"t=1700000000,v1={mac}"
    assert (path, headers["Idempotency-Key"], headers["X-Site"]) == ("/hook", "a/2", "north")
    assert headers["Authorization"] == "Bearer t0ken"
    assert json.loads(body)["visit_id"] == "a"


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (200, Verdict.DELIVERED),
        (201, Verdict.DELIVERED),
        (301, Verdict.REFUSED),
        (302, Verdict.REFUSED),
        (304, Verdict.REFUSED),
        (400, Verdict.HOPELESS),
        (401, Verdict.AWAY),
        (404, Verdict.AWAY),
        (413, Verdict.HOPELESS),
        (418, Verdict.REFUSED),
        (422, Verdict.HOPELESS),
        (429, Verdict.AWAY),
        (500, Verdict.REFUSED),
        (503, Verdict.AWAY),
    ],
)
def test_only_2xx_counts_as_delivered(receiver: Receiver, status: int, verdict: Verdict) -> None:
    receiver.script = [(status, {"Location": "/elsewhere"})]
    with transport_to(receiver.server_port) as transport:
        (result,) = transport.send(messages("a"))
    assert result.verdict is verdict
    assert (str(status) in result.error) == (verdict is not Verdict.DELIVERED)
    assert [path for path, _, _ in receiver.requests] == ["/hook"]


def test_nothing_overtakes_a_message_that_must_be_sent_again(receiver: Receiver) -> None:
    receiver.script = [(204, {}), (500, {})]
    with transport_to(receiver.server_port) as transport:
        assert verdicts(transport.send(messages("a", "b", "c"))) == [Verdict.DELIVERED, Verdict.REFUSED]
        receiver.script = [(422, {})]
        assert verdicts(transport.send(messages("b", "c"))) == [Verdict.HOPELESS, Verdict.DELIVERED]
    assert [headers["Idempotency-Key"] for _, headers, _ in receiver.requests] == ["a/2", "b/2", "b/2", "c/2"]


@pytest.mark.parametrize(
    ("header", "wait_s"),
    [
        ("7", 7.0),
        ("999999", 3600.0),
        ("Tue, 14 Nov 2023 22:13:30 GMT", 9.1),
        ("Tue, 14 Nov 2000 22:13:30 GMT", 0.0),
        ("soon", 0.0),
        ("-5", 0.0),
    ],
)
def test_the_receiver_says_how_long_to_wait(receiver: Receiver, header: str, wait_s: float) -> None:
    receiver.script = [(429, {"Retry-After": header})]
    with transport_to(receiver.server_port) as transport:
        assert transport.send(messages("a"))[0].retry_after_s == pytest.approx(wait_s)


@contextmanager
def answering(answer: bytes, more: bytes = b"") -> Iterator[int]:
    """Give one caller an answer, and then as much more as it takes."""

    def run() -> None:
        caller, _ = server.accept()
        with caller, suppress(OSError):
            caller.recv(65536)
            caller.sendall(answer)
            while more:
                caller.sendall(more)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=run)
        thread.start()
        yield server.getsockname()[1]
        thread.join(60)
        assert not thread.is_alive()


@pytest.mark.parametrize(
    ("head", "more"),
    [
        (b"200 OK\r\nContent-Length: 100", b""),
        (b"200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2", b""),
        (b"200 OK", b"x" * 65536),
    ],
    ids=["cut off", "no gzip", "without end"],
)
def test_a_broken_body_does_not_change_the_answer(head: bytes, more: bytes) -> None:
    with answering(b"HTTP/1.1 " + head + b"\r\n\r\nok", more) as port, transport_to(port) as transport:
        assert verdicts(transport.send(messages("a"))) == [Verdict.DELIVERED]


def test_a_receiver_that_is_not_there_is_away() -> None:
    with transport_to(free_port()) as transport:
        (result,) = transport.send(messages("a", "b"))
    assert result.verdict is Verdict.AWAY
    assert "refused" in result.error


def test_tls_is_verified(tmp_path: Path) -> None:
    files = make_certificate(tmp_path)
    with serving(files) as server:
        with transport_to(server.server_port, "https") as transport:
            (result,) = transport.send(messages("a", "b"))
            assert (result.verdict, "CERTIFICATE_VERIFY_FAILED" in result.error) == (Verdict.AWAY, True)
        for tls in (Tls(ca_file=files[0]), Tls(verify=False)):
            with transport_to(server.server_port, "https", tls=tls) as transport:
                assert verdicts(transport.send(messages("a", "b"))) == ALL_GOOD


def test_the_certificates_name_is_verified(tmp_path: Path) -> None:
    files = make_certificate(tmp_path, "elsewhere.example")
    with (
        serving(files) as server,
        transport_to(server.server_port, "https", tls=Tls(ca_file=files[0])) as transport,
    ):
        assert transport.send(messages("a"))[0].verdict is Verdict.AWAY


def test_a_renewed_certificate_is_taken(tmp_path: Path) -> None:
    old, renewed = tmp_path / "old", tmp_path / "renewed"
    for folder in (old, renewed):
        folder.mkdir()
        make_certificate(folder)
    authority = shutil.copy(old / "cert.pem", tmp_path / "ca.pem")
    with (
        serving((renewed / "cert.pem", renewed / "key.pem")) as server,
        transport_to(server.server_port, "https", tls=Tls(ca_file=authority)) as transport,
    ):
        assert "CERTIFICATE_VERIFY_FAILED" in transport.send(messages("a"))[0].error
        authority.unlink()
        assert f"ca_file {authority} cannot be used" in transport.send(messages("a"))[0].error
        shutil.copy(renewed / "cert.pem", authority)
        assert verdicts(transport.send(messages("a", "b"))) == ALL_GOOD


def test_a_receiver_may_ask_for_a_certificate_and_gets_a_renewed_one(tmp_path: Path) -> None:
    server_files, (certificate, key) = make_both_certificates(tmp_path)
    trusted = shutil.copy(certificate, tmp_path / "trusted.pem")
    away = [path.rename(f"{path}.away") for path in (certificate, key)]
    make_certificate(certificate.parent, "another.example")
    tls = Tls(ca_file=server_files[0], cert_file=certificate, key_file=key)
    with (
        serving(server_files, trusted) as server,
        transport_to(server.server_port, "https", tls=tls) as transport,
    ):
        assert transport.send(messages("a"))[0].verdict is Verdict.AWAY
        key.unlink()
        assert transport.send(messages("a"))[0].error == (
            f"key_file {key} cannot be used: No such file or directory"
        )
        for path, wanted in zip(away, (certificate, key), strict=True):
            path.rename(wanted)
        assert verdicts(transport.send(messages("a", "b"))) == ALL_GOOD
