"""The event as JSON, schema 1: the contract with everyone who receives events.

Keys stand in a fixed order and numbers are rounded, so that the same event is always the same
bytes. A new key may come within schema 1; a changed meaning makes schema 2.
"""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

from anpr_stream.types import Event, FusedRead, ListHit, Moment, StoredImage

SCHEMA = 1


def event_to_dict(event: Event) -> dict[str, Any]:
    """Return the event as plain JSON values; times are UTC, boxes and corners in pixels of the frame."""
    return {
        "schema": SCHEMA,
        "visit_id": event.visit_id,
        "revision": event.revision,
        "kind": event.kind.value,
        "camera": event.camera,
        "track_id": event.track_id,
        **_plate(event.plate),
        "reason": event.reason,
        "first_seen": _moment(event.first_seen),
        "last_seen": _moment(event.last_seen),
        "dwell_s": round(event.dwell_s, 3),
        "direction": event.direction,
        "zones": list(event.zones),
        "lists": [_list_hit(hit) for hit in event.list_hits],
        "box": [round(edge, 1) for edge in event.box],
        "quad": None if event.quad is None else [[round(x, 1), round(y, 1)] for x, y in event.quad],
        "plate_height_px": round(event.plate_height_px, 1),
        "frame_index": event.frame_index,
        "pts_s": round(event.read_at.pts_s, 3),
        "read_at": _moment(event.read_at),
        "images": {role: _image(image) for role, image in sorted(event.images.items())},
        "backend": event.backend,
        "models": dict(sorted(event.models.items())),
    }


def event_to_json(event: Event) -> str:
    """Return the event as one line of JSON without a line end."""
    return json.dumps(event_to_dict(event), ensure_ascii=False, separators=(",", ":"))


def utc_text(utc_s: float) -> str:
    """Return seconds since the Unix epoch as ISO 8601 UTC with milliseconds."""
    moment = datetime.fromtimestamp(round(utc_s, 3), tz=timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _plate(plate: FusedRead | None) -> dict[str, Any]:
    """Return the keys that a visit without a read has too, as None or empty."""
    return {
        "text": plate and plate.text,
        "raw_text": plate and plate.raw_text,
        "confidence": plate and round(plate.confidence, 4),
        "char_confidences": [round(value, 4) for value in plate.char_confidences] if plate else [],
        "candidates": [
            {"text": candidate.text, "confidence": round(candidate.confidence, 4)}
            for candidate in (plate.candidates if plate else ())
        ],
        "format": plate and plate.format,
        "country": plate and plate.country,
        "reads": plate.reads if plate else 0,
        "agreeing_reads": plate.agreeing_reads if plate else 0,
    }


def _moment(moment: Moment) -> dict[str, Any]:
    return {"utc": utc_text(moment.utc_s), "pts_s": round(moment.pts_s, 3)}


def _list_hit(hit: ListHit) -> dict[str, Any]:
    return {
        "list": hit.list_name,
        "action": hit.action,
        "entry": hit.entry,
        "distance": round(hit.distance, 3),
        "ambiguous": hit.ambiguous,
        "note": hit.note,
    }


def _image(image: StoredImage) -> dict[str, str]:
    return {"path": image.path, "sha256": image.sha256}
