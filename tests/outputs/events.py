"""Events to write in tests."""

from anpr_stream.types import Candidate, Event, EventKind, FusedRead, ListHit, Moment, StoredImage

PLATE = FusedRead(
    text="AB12CDE",
    raw_text="A812CDE",
    confidence=0.98765432,
    char_confidences=(0.9, 0.5, 1.0, 1.0, 1.0, 1.0, 1.0),
    candidates=(Candidate("AB12CDE", 0.98765432), Candidate("A812CDE", 0.01)),
    format="gb.current",
    country="gb",
    reads=5,
    agreeing_reads=4,
)


def make_event(
    plate: FusedRead | None = PLATE, kind: EventKind = EventKind.FINAL, revision: int = 2
) -> Event:
    return Event(
        visit_id="gate-1",
        revision=revision,
        kind=kind,
        camera="gate",
        track_id=7,
        plate=plate,
        reason=None if plate else "too_small",
        first_seen=Moment(1.0, 1_700_000_001.0),
        last_seen=Moment(3.5, 1_700_000_003.5),
        dwell_s=2.5,
        direction="approaching",
        zones=("lane",),
        box=(10.04, 20.0, 110.0, 50.0),
        quad=((10.0, 20.0), (110.0, 20.0), (110.0, 50.0), (10.0, 50.0)),
        plate_height_px=30.0,
        frame_index=42,
        read_at=Moment(2.0, 1_700_000_002.0),
        list_hits=(ListHit("staff", "allow", "AB12CDE", 0.0),),
        images={"frame": StoredImage("f.jpg", "ff"), "crop": StoredImage("c.jpg", "cc")},
        backend="onnxruntime fp32 cpu",
        models={"reader-cpu": "0123", "detector-cpu": "4567"},
    )
