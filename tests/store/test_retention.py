from __future__ import annotations

import sqlite3

from anpr_stream.store import ledger, outbox, retention
from anpr_stream.store.ledger import ImageRow, OnceLane, PlateClass
from tests.store.entries import make_entry, steps


def store(
    database: sqlite3.Connection,
    visit: str,
    plate_class: PlateClass,
    utc_s: float,
    lanes: tuple[str, ...] = (),
) -> None:
    entry = make_entry(
        visit,
        plate_class=plate_class,
        last_utc_s=utc_s,
        lanes=lanes,
        lists=("watch",),
        once_lanes=(OnceLane("gate", "AB1"),) if lanes else (),
        images=(ImageRow(f"{visit}.jpg", "00", 100),),
    )
    ledger.accept(database, entry, utc_s)


def rows(database: sqlite3.Connection) -> int:
    tables = ("visits", "revisions", "hits", "images", "outbox", "fired")
    return sum(database.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in tables)


def test_old_visits_of_a_class_go_with_all_that_belongs_to_them(database: sqlite3.Connection) -> None:
    store(database, "old", PlateClass.UNLISTED, 10)
    store(database, "new", PlateClass.UNLISTED, 20)
    store(database, "listed", PlateClass.LISTED, 10)
    before = rows(database)
    forgotten = retention.forget_visits(database, PlateClass.UNLISTED, 20)
    assert (forgotten.visits, forgotten.paths) == (1, ("old.jpg",))
    assert rows(database) == before * 2 / 3


def test_a_visit_stays_until_it_is_delivered(database: sqlite3.Connection) -> None:
    store(database, "waits", PlateClass.UNLISTED, 10, lanes=("hook",))
    assert retention.forget_visits(database, PlateClass.UNLISTED, 99).visits == 0
    outbox.delivered(database, [parcel.id for parcel in outbox.take(database, "hook", 9)])
    outbox.refused(database, outbox.take(database, "gate", 1)[0].id, "no", is_dead=True)
    forgotten = retention.forget_visits(database, PlateClass.UNLISTED, 99)
    assert (forgotten.visits, forgotten.dead_letters, rows(database)) == (1, 1, 0)


def test_deleting_goes_in_parts(database: sqlite3.Connection) -> None:
    database.execute("BEGIN")
    for number in range(retention.AT_ONCE + 1):
        store(database, f"v{number}", PlateClass.UNREAD, number)
    counts = [retention.forget_visits(database, PlateClass.UNREAD, 9e9).visits for _ in range(3)]
    assert counts == [retention.AT_ONCE, 1, 0]


def test_pictures_go_oldest_first_and_those_of_listed_plates_last(database: sqlite3.Connection) -> None:
    store(database, "listed", PlateClass.LISTED, 1)
    store(database, "new", PlateClass.UNLISTED, 3)
    store(database, "old", PlateClass.UNREAD, 2)
    assert retention.image_bytes(database) == 300
    assert retention.forget_images(database, 0) == {}
    assert tuple(retention.forget_images(database, 101)) == ("old.jpg", "new.jpg")
    assert tuple(retention.forget_images(database, 1)) == ("listed.jpg",)
    assert retention.image_bytes(database) == 0


def test_files_without_an_event_are_told(database: sqlite3.Connection) -> None:
    store(database, "v", PlateClass.UNREAD, 1)
    assert retention.without_row(database, ["v.jpg", "stray.jpg"]) == ["stray.jpg"]


def test_what_stays_does_not_slow_retention_down(database: sqlite3.Connection) -> None:
    def forget() -> None:
        retention.forget_visits(database, PlateClass.UNREAD, 9e9)
        assert set(retention.forget_images(database, 1.0)) == {"kept0.jpg"}
        database.execute("ROLLBACK")

    def grow(first: int, end: int) -> None:
        for number in range(first, end):
            store(database, f"kept{number}", PlateClass.LISTED, 10.0 + number)
        database.execute("BEGIN")

    grow(0, 500)
    few = steps(database, forget)
    grow(500, 2000)
    assert steps(database, forget) <= few + 2
