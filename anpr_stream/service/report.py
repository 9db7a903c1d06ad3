"""The state of everything as one JSON document: what `anpr-stream status` and `/status` show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prometheus_client import Gauge

from anpr_stream.metrics import QUEUE_DEPTH
from anpr_stream.outputs.schema import utc_text
from anpr_stream.pipeline.camera import CameraStatus
from anpr_stream.service.lane import LaneStatus


def camera_report(status: CameraStatus, latency_p95_s: float | None) -> dict[str, Any]:
    """Return one camera's state."""
    source = status.source
    return {
        "state": source.state.value,
        "reason": status.error or source.reason,
        "fps": round(source.fps, 1),
        "frames": source.frames,
        "looked_at": status.looked_at,
        "dropped": dict(source.dropped),
        "events": status.events,
        "last_event": None if status.last_event_utc_s is None else utc_text(status.last_event_utc_s),
        "latency_p95_s": None if latency_p95_s is None else round(latency_p95_s, 3),
        "decoder": source.decoder,
        "reconnects": source.reconnects,
        "retry_in_s": round(source.retry_in_s, 1),
    }


def outputs_report(
    lanes: Mapping[str, LaneStatus], depths: Mapping[str, Mapping[str, int]]
) -> dict[str, dict[str, Any]]:
    """Return each receiver's state; also of those that only old parcels still know."""
    found = {}
    for name in sorted(lanes.keys() | depths.keys()):
        depth = depths.get(name, {})
        status = lanes.get(name, LaneStatus("not configured any more"))
        found[name] = {
            "waiting": depth.get("waiting", 0) + depth.get("started", 0),
            "dead": depth.get("dead", 0),
            "error": status.error,
            "pause_s": round(status.pause_s, 1),
        }
    return found


def queues_report(gauge: Gauge = QUEUE_DEPTH) -> dict[str, int]:
    """Return the number of entries in each queue, as in the metrics."""
    return {
        sample.labels["queue"]: int(sample.value) for metric in gauge.collect() for sample in metric.samples
    }
