from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import cv2
import pytest

from anpr_stream.config.delivery import PlateList, Privacy, WebhookOutput
from anpr_stream.interfaces import Sink
from anpr_stream.metrics import EVENTS_DROPPED, PICTURES_DROPPED
from anpr_stream.service import recorder as module
from anpr_stream.service.recorder import Recorder, Rules
from anpr_stream.service.writer import Writer
from anpr_stream.store import outbox
from anpr_stream.store.database import read_database
from anpr_stream.store.history import revisions
from anpr_stream.store.privacy import keyed_hash
from anpr_stream.store.snapshots import SnapshotFolder
from anpr_stream.types import Box, Event, EventKind, Image, ListHit
from tests.service.fakes import FakeClock, event
from tests.store.pictures import NEIGHBOUR, PLATE, event_with_picture

KEY = "0123456789abcdef"
Record = Callable[..., "Kept"]


class Kept:
    """What the store holds after some events."""

    def __init__(self, folder: Path) -> None:
        with closing(read_database(folder)) as database:
            self.payloads = {
                visit: [json.loads(text) for text in revisions(database, visit)]
                for (visit,) in database.execute("SELECT visit_id FROM visits")
            }
            self.depths = outbox.depths(database)
        self.files = sorted(path for path in (folder / "snapshots").rglob("*") if path.is_file())
        self.raw = (folder / "anpr-stream.sqlite").read_bytes()


@pytest.fixture
def record(tmp_path: Path, writer: Writer) -> Iterator[Record]:
    with ExitStack() as stack:

        def run(*events: Event, has_space: bool = True, **rules: Any) -> Kept:
            snapshots = SnapshotFolder(tmp_path / "snapshots", 90)
            recorder = stack.enter_context(Recorder(writer, snapshots, Rules(**rules), FakeClock()))
            recorder.has_space = has_space
            for one in events:
                recorder.write(one)
            recorder.close()
            writer.submit(lambda db: db.execute("SELECT 1").fetchone()).result(60)
            writer.submit(lambda db: None).result(60)
            return Kept(tmp_path)

        yield run


def dropped(camera: str, reason: str) -> float:
    return EVENTS_DROPPED.labels(camera, reason)._value.get()


def hook(name: str = "hook", **change: Any) -> WebhookOutput:
    return WebhookOutput(type="webhook", name=name, url="https://example.org", **change)


def is_blurred(frame: Image, box: Box) -> bool:
    """Return whether a box of `stripes` has lost them."""
    x1, y1, x2, y2 = map(int, box)
    return bool(frame[y1:y2, x1:x2].std() < 60)


def test_an_event_is_stored_and_told(tmp_path: Path, writer: Writer) -> None:
    told = threading.Event()
    with Recorder(writer, None, Rules(), FakeClock(), lambda entry: told.set()) as recorder:
        assert isinstance(recorder, Sink)
        recorder.write(event())
        assert told.wait(60)
    assert Kept(tmp_path).payloads["v1"][0]["text"] == "AB12CDE"


def test_the_picture_is_bound_to_the_payload(record: Record, tmp_path: Path) -> None:
    kept = record(event_with_picture())
    images = kept.payloads["gate-1"][0]["images"]
    assert set(images) == {"crop", "frame"}
    for image in images.values():
        content = (tmp_path / "snapshots" / image["path"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == image["sha256"]


def test_the_same_frame_is_stored_once_per_visit(record: Record) -> None:
    kept = record(
        event_with_picture(revision=0, kind=EventKind.NEW),
        event_with_picture(revision=1, kind=EventKind.FINAL),
    )
    first, second = kept.payloads["gate-1"]
    assert first["images"] == second["images"]
    assert len(kept.files) == 2


def test_a_better_frame_is_stored_beside_the_first(record: Record) -> None:
    record(
        event_with_picture(revision=0, kind=EventKind.NEW),
        event_with_picture(revision=1, kind=EventKind.UPDATE, frame_index=43),
    )
    assert len(record().files) == 4


def test_without_space_the_event_goes_on_without_pictures(record: Record) -> None:
    before = PICTURES_DROPPED.labels("disk_space")._value.get()
    kept = record(event_with_picture(), has_space=False)
    assert kept.payloads["gate-1"][0]["images"] == {}
    assert PICTURES_DROPPED.labels("disk_space")._value.get() == before + 1


def test_a_picture_that_cannot_be_written_does_not_cost_the_event(record: Record, tmp_path: Path) -> None:
    (tmp_path / "snapshots").write_text("in the way")
    assert record(event_with_picture()).payloads["gate-1"][0]["images"] == {}


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        ({}, 3),
        ({"cameras": ["gate"]}, 3),
        ({"cameras": ["exit"]}, 0),
        ({"kinds": ["final"]}, 1),
        ({"lists": ["staff"]}, 2),
    ],
)
def test_outputs_get_what_their_filters_let_through(
    record: Record, filters: dict[str, Any], count: int
) -> None:
    kept = record(
        event("v1", 0),
        event("v1", 1, kind=EventKind.UPDATE, lists=("staff",)),
        event("v1", 2, kind=EventKind.FINAL, lists=("staff", "watch")),
        outputs=(hook(**filters),),
    )
    assert kept.depths.get("hook", {}).get("waiting", 0) == count


def test_lists_fire_their_command_and_webhook_once_per_visit(record: Record) -> None:
    staff = PlateList(name="staff", command=("true",), webhook={"url": "https://example.org"})
    kept = record(
        event("v1", 0),
        event("v1", 1, lists=("staff",)),
        event("v1", 2, lists=("staff",)),
        event("v2", 0, lists=("watch",)),
        lists=(staff, PlateList(name="watch")),
    )
    assert kept.depths == {"command:staff": {"waiting": 1}, "webhook:staff": {"waiting": 1}}


def test_hashed_plates_leave_no_trace(record: Record, tmp_path: Path) -> None:
    kept = record(
        event_with_picture(list_hits=()), outputs=(hook(),), privacy=Privacy(unlisted="hash", key=KEY)
    )
    (payload,) = kept.payloads["gate-1"]
    assert payload["text"] == keyed_hash(KEY.encode(), "AB12CDE")
    assert set(payload["images"]) == {"frame"}
    wal = (tmp_path / "anpr-stream.sqlite-wal").read_bytes()
    for secret in (b"AB12CDE", b"A812CDE", KEY.encode()):
        assert secret not in kept.raw + wal


def test_lists_still_match_when_unlisted_plates_are_hashed(record: Record) -> None:
    privacy = Privacy(unlisted="hash", listed="plain", key=KEY)
    kept = record(event("a", text="AB12CDE", lists=("staff",)), event("b", text="XY9"), privacy=privacy)
    assert [kept.payloads[visit][0]["text"][:1] for visit in ("a", "b")] == ["A", "#"]


@pytest.mark.parametrize(("lists", "count"), [((), 1), (("staff",), 2)])
def test_blurring_leaves_no_crop_of_unlisted_plates(
    record: Record, lists: tuple[str, ...], count: int
) -> None:
    hits = tuple(ListHit(name, "allow", "AB12CDE", 0.0) for name in lists)
    kept = record(event_with_picture(list_hits=hits), privacy=Privacy(blur_unlisted=True))
    assert len(kept.files) == count


@pytest.mark.parametrize(
    ("privacy", "is_hidden"),
    [
        ({}, False),
        ({"blur_unlisted": True}, True),
        ({"unlisted": "drop"}, True),
        ({"unlisted": "hash", "key": KEY}, True),
        ({"listed": "hash", "key": KEY}, True),
    ],
)
def test_an_unread_plate_is_hidden_where_it_may_be_one_that_must_be(
    record: Record, privacy: dict[str, Any], is_hidden: bool
) -> None:
    unread = event_with_picture(plate=None, reason="low_confidence", list_hits=())
    kept = record(unread, privacy=Privacy(**privacy))
    assert sum("crop" in file.name for file in kept.files) == (not is_hidden)
    frame = cv2.imread(str(next(file for file in kept.files if "frame" in file.name)))
    assert [is_blurred(frame, box) for box in (PLATE, NEIGHBOUR)] == [is_hidden, is_hidden]


@pytest.mark.parametrize("unlisted", ["drop", "hash"])
def test_a_listed_plate_stays_sharp_beside_a_neighbour_that_is_hidden(record: Record, unlisted: str) -> None:
    privacy = Privacy(unlisted=unlisted, key=KEY)
    kept = record(event_with_picture(), privacy=privacy)
    assert len(kept.files) == 2
    frame = cv2.imread(str(next(file for file in kept.files if "frame" in file.name)))
    assert [is_blurred(frame, box) for box in (PLATE, NEIGHBOUR)] == [False, True]


def test_dropped_plates_are_only_counted(record: Record) -> None:
    before = dropped("gate", "privacy")
    kept = record(event_with_picture(list_hits=()), privacy=Privacy(unlisted="drop"), outputs=(hook(),))
    assert (kept.payloads, kept.files, kept.depths) == ({}, [], {})
    assert dropped("gate", "privacy") == before + 1


def test_a_visit_that_was_told_ends_even_if_its_plate_is_dropped_now(record: Record) -> None:
    kept = record(
        event("v1", 0, lists=("staff",)),
        event("v1", 1, text="XY9", kind=EventKind.FINAL),
        privacy=Privacy(unlisted="drop"),
    )
    assert [payload["text"] for payload in kept.payloads["v1"]] == ["AB12CDE", None]
    assert kept.payloads["v1"][1]["reason"] == "not_stored"


def test_unread_visits_can_be_dropped(record: Record) -> None:
    assert record(event(text=None), privacy=Privacy(unread="drop")).payloads == {}
    assert len(record(event(text=None)).payloads) == 1


def test_an_event_that_comes_twice_is_kept_once(record: Record) -> None:
    before = dropped("gate", "double")
    kept = record(event(text="AB1"), event(text="XY9"), outputs=(hook(),))
    assert [payload["text"] for payload in kept.payloads["v1"]] == ["AB1"]
    assert kept.depths == {"hook": {"waiting": 1}}
    assert dropped("gate", "double") == before + 1


def test_one_event_that_cannot_be_handled_costs_only_itself(
    record: Record, caplog: pytest.LogCaptureFixture
) -> None:
    kept = record(event("bad", zones=None), event("good"))
    assert set(kept.payloads) == {"good"}
    assert "visit bad is lost" in caplog.text


def test_writing_never_waits_and_memory_is_bounded(
    tmp_path: Path, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 5)
    gate = threading.Event()
    writer.submit(lambda db: gate.wait(60))
    before = dropped("gate", "memory")
    with Recorder(writer, None, Rules(), FakeClock()) as recorder:
        for number in range(9):
            recorder.write(event(f"v{number}"))
        gate.set()
    writer.submit(lambda db: None).result(60)
    assert len(Kept(tmp_path).payloads) == 5
    assert dropped("gate", "memory") == before + 4


def test_pictures_go_before_events(tmp_path: Path, writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_PICTURES_WAITING", 0)
    with Recorder(writer, SnapshotFolder(tmp_path / "snapshots", 90), Rules(), FakeClock()) as recorder:
        recorder.write(event_with_picture())
    writer.submit(lambda db: None).result(60)
    kept = Kept(tmp_path)
    assert len(kept.payloads) == 1
    assert kept.files == []


def test_events_that_come_too_late_are_counted(writer: Writer) -> None:
    recorder = Recorder(writer, None, Rules(), FakeClock())
    recorder.close()
    before = dropped("gate", "closed")
    recorder.write(event())
    assert dropped("gate", "closed") == before + 1


def test_a_store_that_closed_first_is_told(writer: Writer, caplog: pytest.LogCaptureFixture) -> None:
    with Recorder(writer, None, Rules(), FakeClock()) as recorder:
        writer.close()
        recorder.write(event())
    assert "visit v1 is lost" in caplog.text
