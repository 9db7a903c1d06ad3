"""Counters, gauges and histograms of the whole program, declared once, in one place.

A value that is dropped, refused or late is always counted with its reason. The HTTP server and
the status socket only read `REGISTRY`.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry()

FRAMES = Counter("anpr_frames", "Frames taken from a source", ["camera"], registry=REGISTRY)
FRAMES_DROPPED = Counter(
    "anpr_frames_dropped", "Frames not looked at, by reason", ["camera", "reason"], registry=REGISTRY
)
LOOKS_SAVED = Counter(
    "anpr_looks_saved", "Looks left out because the picture stood still", ["camera"], registry=REGISTRY
)
DETECTIONS = Counter("anpr_detections", "Plates found in frames", ["camera"], registry=REGISTRY)
CROPS_DROPPED = Counter(
    "anpr_crops_dropped", "Crops not read, by reason", ["camera", "reason"], registry=REGISTRY
)
READS = Counter("anpr_reads", "Crops read", ["camera"], registry=REGISTRY)
READS_REJECTED = Counter(
    "anpr_reads_rejected", "Reads that do not count, by reason", ["camera", "reason"], registry=REGISTRY
)
EVENTS = Counter("anpr_events", "Events sent, by kind", ["camera", "kind"], registry=REGISTRY)
VISITS_UNREAD = Counter(
    "anpr_visits_unread", "Visits without a text, by reason", ["camera", "reason"], registry=REGISTRY
)
LATENCY_S = Histogram(
    "anpr_event_latency_seconds",
    "From a frame's capture to its event",
    ["camera"],
    buckets=(0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10),
    registry=REGISTRY,
)
STAGE_S = Histogram(
    "anpr_stage_seconds",
    "Time in one stage",
    ["stage"],
    buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1),
    registry=REGISTRY,
)
CAMERA_UP = Gauge("anpr_camera_up", "1 while a camera delivers frames", ["camera"], registry=REGISTRY)
CAMERA_RECONNECTS = Counter(
    "anpr_camera_reconnects",
    "Times that a camera was rebuilt, by reason",
    ["camera", "reason"],
    registry=REGISTRY,
)
QUEUE_DEPTH = Gauge("anpr_queue_depth", "Entries waiting in a queue", ["queue"], registry=REGISTRY)
DELIVERIES = Counter(
    "anpr_deliveries", "Tries to deliver an event, by result", ["sink", "result"], registry=REGISTRY
)
OUTBOX_DEPTH = Gauge("anpr_outbox_depth", "Events not yet delivered", ["sink", "state"], registry=REGISTRY)
EVENTS_ACCEPTED = Counter(
    "anpr_events_accepted", "Events safe on disk, by kind", ["camera", "kind"], registry=REGISTRY
)
EVENTS_DROPPED = Counter(
    "anpr_events_dropped", "Events not kept, by reason", ["camera", "reason"], registry=REGISTRY
)
PICTURES_DROPPED = Counter(
    "anpr_pictures_dropped", "Pictures not stored, by reason", ["reason"], registry=REGISTRY
)
CLIPS_STORED = Counter("anpr_clips_stored", "Clips stored", ["camera"], registry=REGISTRY)
CLIPS_SHORT = Counter(
    "anpr_clips_short",
    "Clips stored whose begin or end was not in memory: a break of the stream, or a visit told late",
    ["camera"],
    registry=REGISTRY,
)
CLIPS_DROPPED = Counter(
    "anpr_clips_dropped", "Visits without a clip, by reason", ["camera", "reason"], registry=REGISTRY
)
CLIP_PACKETS_DROPPED = Counter(
    "anpr_clip_packets_dropped",
    "Encoded pictures of which no clip can be made, by reason",
    ["camera", "reason"],
    registry=REGISTRY,
)
STORE_FAULTS = Counter("anpr_store_faults", "Commits that failed and were tried again", registry=REGISTRY)
STORE_FREE_BYTES = Gauge("anpr_store_free_bytes", "Free space on the store's disk", registry=REGISTRY)
FORGOTTEN = Counter(
    "anpr_forgotten",
    "Visits, pictures, dead letters and audit records deleted by retention",
    ["what"],
    registry=REGISTRY,
)
RETENTION_HELD = Gauge(
    "anpr_retention_held",
    "1 while nothing is deleted by age because the clock jumped",
    registry=REGISTRY,
)
LIST_HITS = Counter("anpr_list_hits", "Events of plates on a list", ["list"], registry=REGISTRY)
DELIVERY_S = Histogram(
    "anpr_delivery_seconds",
    "From an event's acceptance to its receiver",
    ["sink"],
    buckets=(0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 60, 600, 3600),
    registry=REGISTRY,
)
HTTP_DROPPED = Counter(
    "anpr_http_dropped", "Web clients whose connection was cut, by reason", ["reason"], registry=REGISTRY
)
LATENCY_P95_S = Gauge(
    "anpr_event_latency_p95_seconds",
    "Latency that 95 of 100 events of the last five minutes stay under",
    ["camera"],
    registry=REGISTRY,
)
