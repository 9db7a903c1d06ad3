"""What may be kept of an event: its class, keyed hashes in place of texts, blurred plates."""

from __future__ import annotations

import hashlib
import hmac
import sqlite3
from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from anpr_stream.plates.text import normalise
from anpr_stream.store.ledger import PlateClass
from anpr_stream.types import Box, Event, Image, ListHit

HIDDEN = "not_stored"
"""Reason of an event whose text privacy took away."""


def keyed_hash(key: bytes, text: str) -> str:
    """Return `#` and 32 hexadecimal digits of HMAC-SHA256: without the key nobody can try out plates."""
    return "#" + hmac.new(key, normalise(text).encode(), hashlib.sha256).hexdigest()[:32]


def note_privacy(database: sqlite3.Connection, is_plain: bool) -> None:
    """Write down whether texts may be kept as they are, for commands without settings; the caller commits."""
    database.execute("INSERT OR REPLACE INTO privacy VALUES (1, ?)", (is_plain,))


def keeps_plain(database: sqlite3.Connection) -> bool:
    """Return whether the store's last daemon kept texts as they are."""
    found = database.execute("SELECT is_plain FROM privacy").fetchone()
    return found is None or bool(found[0])


def class_of(event: Event) -> PlateClass:
    """Return whose plate an event tells of."""
    if event.plate is None:
        return PlateClass.UNREAD
    return PlateClass.LISTED if event.list_hits else PlateClass.UNLISTED


def hide(event: Event, key: bytes) -> Event:
    """Return the event with keyed hashes in place of the text and of the lists' entries.

    Whatever else would give the text away goes: raw text, candidates, confidences by character, notes.
    """
    if event.plate is None:
        return event
    plate = replace(
        event.plate,
        text=keyed_hash(key, event.plate.text),
        raw_text="",
        char_confidences=(),
        candidates=(),
    )
    return replace(event, plate=plate, list_hits=tuple(_hide_hit(hit, key) for hit in event.list_hits))


def strip(event: Event) -> Event:
    """Return the event without text, lists and pictures: that somebody passed, not who."""
    return replace(event, plate=None, reason=HIDDEN, list_hits=(), images={}, crop=None)


def _hide_hit(hit: ListHit, key: bytes) -> ListHit:
    entry = hit.entry if hit.entry.startswith("#") else keyed_hash(key, hit.entry)
    return replace(hit, entry=entry, note="")


def blur(image: Image, boxes: Sequence[Box]) -> Image:
    """Return a copy in which nobody can read the plates.

    Each box, a quarter larger on each side, is reduced to few blocks and smoothed: a plain blur of a
    large plate can be undone, averages of blocks wider than a letter cannot.

    Args:
        image: (H, W, 3) BGR.
        boxes: in pixels of the image; parts outside are ignored.
    """
    blurred: Image = image.copy()
    height, width = image.shape[:2]
    for x1, y1, x2, y2 in boxes:
        margin_x, margin_y = (x2 - x1) / 4, (y2 - y1) / 4
        left, right = (int(np.clip(x, 0, width)) for x in (x1 - margin_x, np.ceil(x2 + margin_x)))
        top, bottom = (int(np.clip(y, 0, height)) for y in (y1 - margin_y, np.ceil(y2 + margin_y)))
        if right > left and bottom > top:
            part = blurred[top:bottom, left:right]
            blocks = cv2.resize(part, (4, 2), interpolation=cv2.INTER_AREA)
            size = (right - left, bottom - top)
            blurred[top:bottom, left:right] = cv2.resize(blocks, size, interpolation=cv2.INTER_LINEAR)
    return blurred
