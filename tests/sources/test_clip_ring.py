from __future__ import annotations

from itertools import pairwise

from anpr_stream.config.clips import ClipSettings
from anpr_stream.metrics import CLIP_PACKETS_DROPPED
from anpr_stream.sources.clip_ring import SLACK_S, ClipRing, Packet

FPS = 10
KB = 1000


def ring(**settings: float) -> ClipRing:
    found = ClipRing("ring", ClipSettings(enabled=True, before_s=0, after_s=0, **settings))
    found.begin(0.0)
    return found


def fill(
    ring: ClipRing, seconds: float, first_s: float = 0.0, size: int = KB, group: int = FPS, form: str = "x"
) -> None:
    """Put pictures of a stream, a key frame in each `group`."""
    for number in range(round(seconds * FPS)):
        ring.put(form, first_s + number / FPS, number % group == 0, bytes(size))


def times(packets: list[Packet]) -> tuple[float, float]:
    assert packets[0].is_key
    assert all(0 < round(other.time_s - one.time_s, 6) < 1.5 / FPS for one, other in pairwise(packets))
    return packets[0].time_s, packets[-1].time_s


def dropped(reason: str) -> float:
    return CLIP_PACKETS_DROPPED.labels("ring", reason)._value.get()


def test_a_clip_begins_at_the_key_frame_before_and_ends_in_time() -> None:
    found = ring(most_s=30)
    fill(found, 10)
    assert times(found.cut(3.4, 6.25, 3.4)) == (3.0, 6.2)
    assert times(found.cut(3.0, 4.0, 3.0)) == (3.0, 4.0)
    assert times(found.cut(-5.0, 0.5, -5.0)) == (0.0, 0.5)
    assert found.cut(10.5, 12.0, 10.5) == []


def test_stream_time_counts_from_where_the_connection_began() -> None:
    found = ring(most_s=30)
    found.begin(100.0)
    fill(found, 5)
    assert times(found.cut(102.0, 103.0, 102.0)) == (102.0, 103.0)


def test_it_is_bounded_in_seconds_and_forgets_by_whole_groups() -> None:
    found = ring(most_s=5)
    fill(found, 100)
    first_s, last_s = times(found.cut(0.0, 100.0, 0.0))
    assert 5 + SLACK_S - 1 / FPS <= last_s - first_s <= 5 + SLACK_S + 1
    assert found.size == round((last_s - first_s) * FPS + 1) * KB


def test_it_is_bounded_in_bytes() -> None:
    before = dropped("most_mb")
    found = ring(most_s=60, most_mb=1)
    fill(found, 60, size=10 * KB)
    assert found.size <= 1_000_000
    assert times(found.cut(0.0, 60.0, 0.0)) == (50.0, 59.9)
    assert dropped("most_mb") - before == 500


def test_a_stream_without_key_frames_is_bounded_too() -> None:
    before = dropped("no_key_frame")
    found = ring(most_s=60, most_mb=1)
    fill(found, 60, size=10 * KB, group=10_000)
    assert found.size == 0
    assert dropped("no_key_frame") > before
    fill(found, 2, first_s=60.0)
    assert times(found.cut(0.0, 99.0, 0.0)) == (60.0, 61.9)


def test_a_clip_spans_no_break() -> None:
    found = ring(most_s=60)
    fill(found, 5)
    found.end()
    found.begin(8.0)
    fill(found, 5)
    assert times(found.cut(4.0, 9.0, 4.5)) == (4.0, 4.9)
    assert times(found.cut(4.0, 9.0, 8.5)) == (8.0, 9.0), "the vehicle came after the break"
    assert times(found.cut(6.0, 9.0, 7.0)) == (8.0, 9.0)
    fill(found, 5, first_s=5.0, form="another size")
    assert times(found.cut(12.0, 14.0, 12.0)) == (12.0, 12.9)


def test_time_that_goes_back_is_placed_as_that_of_frames_is() -> None:
    found = ring(most_s=60)
    fill(found, 5)
    fill(found, 5)
    assert times(found.cut(4.0, 6.0, 4.0)) == (4.0, 4.9)
    assert times(found.cut(6.5, 7.0, 6.5)) == (5.9, 7.0)


def test_what_needs_a_lost_packet_is_of_no_use() -> None:
    found = ring(most_s=60)
    fill(found, 2.5)
    found.lost("waited", 1)
    for number in range(26, 40):
        found.put("x", number / FPS, number == 30, bytes(KB))
    assert times(found.cut(0.0, 9.0, 0.0)) == (0.0, 2.4)
    assert times(found.cut(2.6, 9.0, 2.6)) == (3.0, 3.9)


def test_a_clip_is_due_when_its_end_has_come_or_nothing_more_will() -> None:
    found = ring(most_s=60)
    fill(found, 5)
    assert found.is_due(4.9)
    assert not found.is_due(5.0)
    found.end()
    assert found.is_due(5.0)
    found.begin(6.0)
    assert not found.is_due(5.0)


def test_a_connection_that_is_made_anew_forgets_what_it_had() -> None:
    found = ring(most_s=60)
    found.begin(3.0)
    fill(found, 5)
    found.begin_again()
    assert (found.size, found.cut(0.0, 99.0, 0.0)) == (0, [])
    fill(found, 1)
    assert times(found.cut(0.0, 99.0, 0.0)) == (3.0, 3.9)
