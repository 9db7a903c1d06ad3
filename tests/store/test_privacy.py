from __future__ import annotations

from dataclasses import replace

import numpy as np

from anpr_stream.outputs.schema import event_to_json
from anpr_stream.store.ledger import PlateClass
from anpr_stream.store.privacy import HIDDEN, blur, class_of, hide, keyed_hash, strip
from anpr_stream.types import ListHit
from tests.outputs.events import make_event
from tests.store.pictures import stripes

KEY = b"0123456789abcdef"


def test_a_hash_depends_on_key_and_normalised_text() -> None:
    assert keyed_hash(KEY, "ab-12 cde") == keyed_hash(KEY, "AB12CDE")
    assert keyed_hash(KEY, "AB12CDE") != keyed_hash(b"another key 1234", "AB12CDE")
    assert len(keyed_hash(KEY, "AB12CDE")) == 33


def test_classes() -> None:
    assert class_of(make_event()) is PlateClass.LISTED
    assert class_of(replace(make_event(), list_hits=())) is PlateClass.UNLISTED
    assert class_of(make_event(plate=None)) is PlateClass.UNREAD


def test_a_hidden_event_gives_nothing_of_the_text_away() -> None:
    event = replace(make_event(), list_hits=(ListHit("staff", "allow", "AB12CDF", 0.4, False, "Ms Smith"),))
    text = event_to_json(hide(event, KEY))
    for part in ("AB12", "12CDE", "A812", "Smith"):
        assert part not in text
    assert keyed_hash(KEY, "AB12CDE") in text
    assert keyed_hash(KEY, "AB12CDF") in text


def test_a_hashed_entry_is_not_hashed_again() -> None:
    entry = keyed_hash(KEY, "AB12CDE")
    event = replace(make_event(), list_hits=(ListHit("staff", "allow", entry, 0.0),))
    assert hide(event, KEY).list_hits[0].entry == entry


def test_an_unread_event_has_nothing_to_hide() -> None:
    event = make_event(plate=None)
    assert hide(event, KEY) == event


def test_a_stripped_event_tells_only_that_somebody_passed() -> None:
    event = strip(make_event())
    assert (event.plate, event.reason, event.list_hits, event.images, event.crop) == (
        None,
        HIDDEN,
        (),
        {},
        None,
    )


def test_blur_takes_the_plate_and_leaves_the_rest() -> None:
    picture = stripes()
    blurred = blur(picture, [(100.0, 50.0, 180.0, 80.0)])
    assert np.std(blurred[45:85, 85:195].astype(float)) < 15
    assert np.array_equal(blurred[:40], picture[:40])
    assert np.std(picture[50:80, 100:180].astype(float)) > 100


def test_blur_survives_boxes_beyond_the_picture() -> None:
    picture = stripes()
    blurred = blur(picture, [(-50, -50, 20, 20), (310, 170, 400, 300), (500, 500, 600, 600), (5, 5, 5, 5)])
    assert blurred.shape == picture.shape
    assert np.std(blurred[:15, :15].astype(float)) < 15
