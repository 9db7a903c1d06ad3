from __future__ import annotations

import hashlib
import json
import socket
import threading
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import generate_latest

from anpr_stream.config.delivery import Http
from anpr_stream.config.packaged import packaged
from anpr_stream.errors import AddressError
from anpr_stream.metrics import REGISTRY
from anpr_stream.service import trail, web_server
from anpr_stream.service.http import PAGE, web_application
from anpr_stream.service.web_server import WebServer
from anpr_stream.store.database import open_database
from anpr_stream.store.privacy import keyed_hash
from tests.service.fakes import event
from tests.service.house import KEY, House, serving
from tests.store.pictures import event_with_picture

TOKEN = "0123456789abcdef0123"
PAGE_FOLDER = Path(web_server.__file__).parent / "page"


def visits(client: httpx.Client, **query: Any) -> list[str]:
    answer = client.get("/events", params=query)
    assert answer.status_code == 200, answer.text
    return [visit["event"]["visit_id"] for visit in answer.json()]


def test_health_and_readiness(house: House, client: httpx.Client) -> None:
    assert [client.get(path).status_code for path in ("/healthz", "/readyz")] == [200, 200]
    house.faults, house.is_ready = ["gate"], False
    answers = [client.get(path) for path in ("/healthz", "/readyz")]
    assert [(answer.status_code, answer.json()) for answer in answers] == [(503, {"ok": False})] * 2


@pytest.mark.parametrize("path", PAGE)
def test_the_page(client: httpx.Client, path: str) -> None:
    name, media_type = PAGE[path]
    answer = client.get(path)
    assert (answer.status_code, answer.content) == (200, (PAGE_FOLDER / name).read_bytes())
    assert answer.headers["content-type"].split(";")[0] == media_type
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'; script-src 'self';")


def test_metrics_and_status(client: httpx.Client) -> None:
    assert "anpr_events_accepted_total" in client.get("/metrics").text
    assert client.get("/status").json() == {"summary": "fine"}


def test_search(client: httpx.Client) -> None:
    assert set(visits(client)) == {"gate-1", "v2"}
    assert visits(client, text="y9") == ["v2"]
    assert visits(client, text="XY99?", camera="yard") == ["v2"]
    assert visits(client, camera=["gate", "nowhere"]) == ["gate-1"]
    assert visits(client, list="staff") == ["gate-1"]
    assert visits(client, limit=1, since="2020-01-01") != []
    (found,) = client.get("/events", params={"text": "AB1ZCDE", "fuzzy": 0.5}).json()
    assert (found["event"]["visit_id"], found["class"], round(found["distance"], 2)) == (
        "gate-1",
        "listed",
        0.3,
    )


def test_a_hashed_visit_is_found_by_its_text(house: House, client: httpx.Client) -> None:
    house.record(
        event("h", text=None, plate=replace(event().plate, text=keyed_hash(KEY, "ZZ1"), raw_text=""))
    )
    assert visits(client, text="zz-1") == ["h"]


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=x", "text=", "fuzzy=1", "since=now", "class=x", "colour=red", "camera="]
)
def test_wrong_parameters_are_refused(client: httpx.Client, query: str) -> None:
    answer = client.get(f"/events?{query}")
    assert answer.status_code == 400
    assert query.split("=")[0] in answer.json()["error"]


def test_a_visit_with_all_its_events(house: House, client: httpx.Client) -> None:
    house.record(event("v2", 1), event("v2", 2))
    assert [found["revision"] for found in client.get("/visits/v2").json()] == [0, 1, 2]
    assert client.get("/visits/nobody").status_code == 404


def test_a_picture(client: httpx.Client) -> None:
    (found,) = client.get("/visits/gate-1").json()
    answer = client.get(f"/snapshots/{found['images']['crop']['path']}")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
    assert answer.content.startswith(b"\xff\xd8")


def test_a_picture_is_found_by_its_path_whatever_the_camera_is_called(
    house: House, client: httpx.Client
) -> None:
    house.record(event_with_picture(visit_id="odd", camera='Tor 1/Süd "A"%2'))
    (found,) = client.get("/visits/odd").json()
    assert client.get(f"/snapshots/{found['images']['frame']['path']}").status_code == 200


def test_a_clip_and_parts_of_it(house: House, client: httpx.Client) -> None:
    assert client.get("/visits/gate-1/clip").status_code == 404
    assert [visit["clip"] for visit in client.get("/events").json()] == [None, None]
    data = bytes(range(256)) * 100
    house.keep_clip("gate-1", data)
    whole = client.get("/visits/gate-1/clip")
    assert (whole.status_code, whole.content) == (200, data)
    assert (whole.headers["content-type"], whole.headers["accept-ranges"]) == ("video/mp4", "bytes")
    (found,) = (visit["clip"] for visit in client.get("/events?camera=gate").json())
    assert found["sha256"] == hashlib.sha256(data).hexdigest() == whole.headers["etag"].strip('"')
    assert client.get(f"/snapshots/{found['path']}").content == data
    part = client.get("/visits/gate-1/clip", headers={"Range": "bytes=300-599"})
    assert (part.status_code, part.content) == (206, data[300:600])
    assert part.headers["content-range"] == f"bytes 300-599/{len(data)}"
    changed = client.get("/visits/gate-1/clip", headers={"Range": "bytes=0-1", "If-Range": '"other"'})
    assert changed.status_code == 200
    assert client.get("/visits/gate-1/clip", headers={"Range": "bytes=99999-"}).status_code == 416
    assert client.get("/visits/v2/clip").status_code == 404
    with serving(
        house, change=lambda job: (house.snapshots.delete([found["path"]]), house.site.change(job))[1]
    ) as at:
        assert at.get("/visits/gate-1/clip").status_code == 404  # retention takes it while it is noted
    assert client.get("/visits/gate-1/clip").status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "../anpr-stream.sqlite",
        "..%2fanpr-stream.sqlite",
        "%2e%2e/anpr-stream.sqlite",
        "%2e%2e%2fsecret.jpg",
        "..%5csecret.jpg",
        "a/..%2f..%2fsecret.jpg",
        "/etc/passwd",
        "%2fetc%2fpasswd",
        "x%00.jpg",
        "link.jpg",
        "x" * 300 + ".jpg",
        "",
    ],
)
def test_nothing_outside_the_pictures_is_served(house: House, client: httpx.Client, path: str) -> None:
    secret = house.snapshots.folder.parent / "secret.jpg"
    secret.write_text("secret")
    (house.snapshots.folder / "link.jpg").symlink_to(secret)
    answer = client.send(
        httpx.Request("GET", httpx.URL(str(client.base_url), raw_path=f"/snapshots/{path}".encode()))
    )
    assert answer.status_code in (400, 404)
    assert "secret" not in answer.text


def test_a_damaged_store_is_told(house: House, client: httpx.Client, tmp_path: Path) -> None:
    with closing(open_database(tmp_path)) as database:
        database.execute("DROP TABLE hits")
    answer = client.get("/events", params={"list": "staff"})
    assert (answer.status_code, answer.json()) == (503, {"error": "the store cannot be read"})


def test_a_token_may_hold_any_character(house: House) -> None:
    with serving(house, tokens={"token": "Schlüssel-für-alle"}) as client:
        good = {"Authorization": "Bearer Schlüssel-für-alle".encode()}
        assert client.get("/events", headers=good).status_code == 200


def test_the_token_is_asked_for(house: House) -> None:
    with serving(house, tokens={"token": TOKEN}) as client:
        paths = (
            "/metrics",
            "/status",
            "/events",
            "/visits/v2",
            "/visits/v2/clip",
            "/snapshots/x",
            "/openapi.json",
            "/none",
        )
        for path in paths:
            for header in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"}):
                answer = client.get(path, headers=header)
                assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
        for scheme in ("Bearer", "bearer", "BEARER "):
            good = {"Authorization": f"{scheme} {TOKEN}"}
            assert client.get("/events", headers=good).status_code == 200
        assert {client.get(path).status_code for path in ("/healthz", *PAGE)} == {200}
        assert client.get("/events", params={"token": TOKEN}).status_code == 401


@pytest.mark.parametrize("host", ["x/healthz?", "x/healthz#", "/healthz?"])
def test_the_token_is_asked_for_whatever_the_host_is_called(house: House, host: str) -> None:
    with serving(house, tokens={"token": TOKEN}) as client, raw_connection(client) as connection:
        connection.sendall(f"GET /status HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: connection.recv(9999), b""))
    assert answer.split()[1] in (b"400", b"401")
    assert b"fine" not in answer


def raw_connection(client: httpx.Client) -> socket.socket:
    return socket.create_connection(("127.0.0.1", client.base_url.port or 0), 60)


def test_a_foreign_page_cannot_ask_loopback_under_its_own_name(client: httpx.Client) -> None:
    for host in ("evil.example", "127.0.0.1.evil.example:8480", "[::1", "localhost@evil.example"):
        assert [client.get(path, headers={"Host": host}).status_code for path in ("/events", "/")] == [
            400
        ] * 2


def test_every_loopback_address_answers(house: House, client: httpx.Client) -> None:
    for host in ("localhost:8480", "LOCALHOST", "127.0.0.2:8480", "[::1]:8480"):
        assert client.get("/events", headers={"Host": host}).status_code == 200


def test_nothing_can_be_changed(client: httpx.Client) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert client.request(method, "/events").status_code == 405


class Stream:
    """Reads server-sent events."""

    def __init__(self, client: httpx.Client, **request: Any) -> None:
        headers = {"Accept": "text/event-stream", **request.pop("headers", {})}
        self._context = client.stream("GET", "/events", headers=headers, **request)

    def __enter__(self) -> Stream:
        self._lines = self._context.__enter__().iter_lines()
        return self

    def __exit__(self, *error: Any) -> None:
        self._context.__exit__(*error)

    def next(self) -> tuple[int, dict[str, Any]]:
        number = 0
        for line in self._lines:
            if line.startswith("id: "):
                number = int(line[4:])
            if line.startswith("data: "):
                return number, json.loads(line[6:])
        raise AssertionError("the stream ended")

    def welcome(self) -> int:
        """Return the number from which on events come."""
        assert next(self._lines) == ": welcome"
        return int(next(self._lines).removeprefix("id: "))


def test_new_events_are_streamed(house: House, client: httpx.Client) -> None:
    with Stream(client) as stream:
        stream.welcome()
        house.record(event("v3"))
        number, found = stream.next()
    assert (number, found["visit_id"]) == (3, "v3")


def test_a_stream_goes_on_where_it_was_cut(client: httpx.Client) -> None:
    with Stream(client, headers={"Last-Event-ID": "1"}) as stream:
        assert stream.next()[0] == 2
    assert (
        client.get("/events", headers={"Accept": "text/event-stream", "Last-Event-ID": "x"}).status_code
        == 400
    )


def test_a_stream_that_was_cut_before_its_first_event_misses_none(house: House, client: httpx.Client) -> None:
    with Stream(client) as stream:
        number = stream.welcome()
    house.record(event("meanwhile"))
    with Stream(client, headers={"Last-Event-ID": str(number)}) as stream:
        assert stream.next()[1]["visit_id"] == "meanwhile"


def test_a_stream_goes_on_over_a_store_that_knows_less_than_the_caller(
    house: House, client: httpx.Client
) -> None:
    with Stream(client, headers={"Last-Event-ID": "5000"}) as stream:
        stream.welcome()
        house.record(event("after the backup"))
        assert stream.next()[1]["visit_id"] == "after the backup"


def test_a_stream_of_one_camera(house: House, client: httpx.Client) -> None:
    with Stream(client, params={"camera": "yard"}, headers={"Last-Event-ID": "0"}) as stream:
        assert stream.next()[1]["visit_id"] == "v2"


def test_an_open_stream_does_not_keep_the_server_from_ending(house: House) -> None:
    with serving(house) as client, Stream(client) as stream:
        stream.welcome()
        house.news.end()


def test_news_after_the_servers_end_are_for_nobody(house: House) -> None:
    with serving(house) as client, Stream(client) as stream:
        stream.welcome()
    house.news.tell()  # Python would warn of a coroutine that nobody runs


def is_dropped(connection: socket.socket) -> bool:
    """Wait for the end of a connection; tell whether it came without an answer."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


@pytest.mark.parametrize("said", [b"", b"GET /healthz HTTP/1.1\r\nHost: "])
def test_a_caller_that_says_nothing_whole_is_dropped_and_a_stream_is_not(
    house: House, monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    monkeypatch.setattr(web_server, "ASK_WITHIN_S", 0.2)
    with serving(house) as client, Stream(client) as stream:
        stream.welcome()
        with raw_connection(client) as silent:
            silent.sendall(said)
            assert is_dropped(silent)
        house.record(event("v3"))
        assert stream.next()[1]["visit_id"] == "v3"
        assert client.get("/healthz").status_code == 200


def test_a_caller_that_takes_nothing_of_its_answer_is_dropped(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_server, "TAKE_WITHIN_S", 0.2)
    asked = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with serving(house) as client, raw_connection(client) as deaf, suppress(ConnectionError):
        while True:  # until all buffers between are full and the connection is cut
            deaf.sendall(asked)
    assert 'anpr_http_dropped_total{reason="stalled"} 1.0' in generate_latest(REGISTRY).decode()


def test_a_caller_beyond_the_limit_is_turned_away(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_server, "MOST_CONNECTIONS", 2)
    with serving(house) as client, Stream(client) as one, Stream(client) as two:
        one.welcome()
        two.welcome()
        with raw_connection(client) as third:
            assert is_dropped(third)


def test_an_address_that_is_taken_is_named(house: House) -> None:
    with (
        WebServer(Http(port=0), web_application(house.site)) as server,
        pytest.raises(AddressError, match=rf"cannot listen on 127\.0\.0\.1:{server.port}: Address"),
    ):
        WebServer(Http(port=server.port), web_application(house.site))


def test_the_description_is_served(client: httpx.Client) -> None:
    assert client.get("/openapi.json").json() == json.loads(
        (packaged("configs") / "openapi.json").read_text()
    )


def test_a_correction_is_kept_shown_and_taken_back(house: House, client: httpx.Client) -> None:
    path = "/visits/v2/correction"
    assert client.get(path).json() is None
    answer = client.put(path, json={"text": "xy 998"})
    assert (answer.status_code, answer.json()) == (200, {"text": "XY998"})
    (row,) = client.get("/events", params={"text": "XY998"}).json()
    assert (row["event"]["text"], row["correction"]) == ("XY999", {"text": "XY998"})
    assert client.put(path, json={"text": None}).json() == client.get(path).json() == {"text": None}
    assert [client.delete(path).status_code for _ in range(2)] == [204, 204]
    assert [row["correction"] for row in client.get("/events").json()] == [None, None]


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b'{"text": "--"}', "application/json", 400),
        (b'{"text": 7}', "application/json", 400),
        (b'{"text": "AB1", "more": 1}', "application/json", 400),
        (b"[" * 900, "application/json", 400),
        (b"\xff", "application/json", 400),
        (b'{"text": "AB1"}', "text/plain", 415),
        (b'{"text": "' + b"A" * 2000 + b'"}', "application/json", 413),
    ],
)
def test_a_wrong_correction_is_refused(
    client: httpx.Client, body: bytes, content_type: str, status: int
) -> None:
    answer = client.put("/visits/v2/correction", content=body, headers={"Content-Type": content_type})
    assert answer.status_code == status
    assert "\n" not in answer.json()["error"]
    assert client.get("/visits/v2/correction").json() is None


def test_what_cannot_be_corrected_says_why(house: House, client: httpx.Client) -> None:
    assert client.put("/visits/nothing/correction", json={"text": "AB1"}).status_code == 404
    house.is_plain = False
    answer = client.put("/visits/v2/correction", json={"text": "AB1"})
    assert (answer.status_code, "privacy" in answer.json()["error"]) == (409, True)


def test_a_correction_does_not_wait_for_ever(
    house: House, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trail, "WITHIN_S", 0.01)
    may_go_on = threading.Event()
    house.site.change(lambda database: may_go_on.wait(60))
    answer = client.put("/visits/v2/correction", json={"text": "AB1"})
    may_go_on.set()
    assert answer.status_code == 503
