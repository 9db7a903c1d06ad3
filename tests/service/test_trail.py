"""Nobody is shown plates over HTTP before it is written down who it was."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import httpx
import pytest

from anpr_stream.service import trail
from anpr_stream.store import audit
from anpr_stream.store.database import read_database
from anpr_stream.store.privacy import keyed_hash
from tests.service.house import KEY, House, serving

TOKEN = "0123456789abcdef0123"
THREADS = 40
"""That the web server has for what waits."""


def trail_of(house: House) -> list[tuple[str, str, dict[str, Any], int | None]]:
    """Return who did what, oldest first."""
    with closing(read_database(house.site.folder)) as database:
        found = list(audit.records(database))
    return [(one.who, one.action, dict(one.asked), one.answers) for one in reversed(found)]


def test_who_was_shown_plates_is_written_down(house: House) -> None:
    with serving(house, tokens={"token": TOKEN, "anna": TOKEN[::-1]}) as client:
        client.headers = {"Authorization": f"Bearer {TOKEN[::-1]}"}
        (row,) = client.get("/events", params={"text": "ab12"}).json()
        picture, crop = (row["event"]["images"][role]["path"] for role in ("frame", "crop"))
        visit = row["event"]["visit_id"]
        for path in (f"/visits/{visit}", f"/snapshots/{picture}", "/visits/none", "/status"):
            client.get(path)
        assert client.get(f"/snapshots/{crop}").status_code == 200  # its search is noted
        client.put("/visits/v2/correction", json={"text": "xy 998"})
        client.get("/visits/v2/correction")
        client.delete("/visits/v2/correction")
        client.put("/visits/none/correction", json={"text": "xy 998"})
        client.headers = {"Authorization": f"Bearer {TOKEN}", "X-Forwarded-For": "10.0.0.7"}
        with client.stream("GET", "/events", headers={"Accept": "text/event-stream", "Last-Event-ID": "0"}):
            pass
        client.get("/events", headers={"Authorization": "Bearer wrong"})
    anna = "anna@127.0.0.1"
    assert trail_of(house) == [
        (anna, "search", {"text": "ab12", "limit": 100}, 1),
        (anna, "visit", {"visit": visit}, 1),
        (anna, "picture", {"picture": picture}, 1),
        (anna, "correct", {"visit": "v2", "text": "XY998"}, 1),
        (anna, "visit", {"visit": "v2"}, 1),
        (anna, "correct", {"visit": "v2", "take_back": True}, None),
        ("token@10.0.0.7", "stream", {"limit": 100, "after": 0}, None),
    ]


def test_a_text_that_privacy_hides_is_none_in_the_audit_trail(house: House, client: httpx.Client) -> None:
    house.is_plain = False
    client.get("/events", params={"text": "AB12CDE"})
    hashed = keyed_hash(KEY, "AB12CDE")
    assert trail_of(house) == [("http@127.0.0.1", "search", {"text": hashed, "limit": 100}, 1)]


def test_nobody_is_shown_plates_while_it_cannot_be_written_down(
    house: House, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    (row,) = client.get("/events", params={"text": "AB12"}).json()
    monkeypatch.setattr(trail, "WITHIN_S", 0.01)
    may_go_on = threading.Event()
    house.site.change(lambda database: may_go_on.wait(60))
    picture = row["event"]["images"]["frame"]["path"]
    answers = [client.get(path) for path in ("/events", "/visits/v2", f"/snapshots/{picture}")]
    may_go_on.set()
    assert {answer.status_code for answer in answers} == {503}
    assert {answer.json()["error"] for answer in answers} == {trail.NOT_NOTED}
    assert "v2" not in "".join(answer.text for answer in answers)


def test_who_waits_for_a_full_disk_holds_up_nobody_else(house: House) -> None:
    may_go_on, waiting = threading.Event(), threading.Semaphore(0)

    def change(job: Any) -> Any:
        future = house.site.change(job)
        waiting.release()
        return future

    house.site.change(lambda database: may_go_on.wait(60))
    with serving(house, change=change) as client, ThreadPoolExecutor(THREADS) as callers:
        answers = [callers.submit(client.get, "/visits/v2") for _ in range(THREADS)]
        assert all(waiting.acquire(timeout=60) for _ in answers)
        try:
            assert client.get("/status", timeout=5).status_code == 200
        finally:
            may_go_on.set()
        assert {answer.result().status_code for answer in answers} == {200}
