"""A branch of a live pipeline that takes the encoded video into a ring and never holds up the decoder."""

from __future__ import annotations

import logging
from typing import Any

from anpr_stream.sources.clip_ring import ClipRing
from anpr_stream.sources.gst_decoders import PARSERS, codec_name
from anpr_stream.sources.gst_pictures import running_time_s
from anpr_stream.sources.gst_runtime import Gst, make

log = logging.getLogger(__name__)

MOST_WAITING = 500
"""Packets that wait for whoever pulls the pictures, some 20 s; then the oldest go and are counted."""


class Tap:
    """Puts the packets of one stream into a ring; for one thread."""

    def __init__(self, ring: ClipRing) -> None:
        self._ring = ring
        self._caps: Any = None
        self._form = ""
        self._sink: Any = None
        self._pulled = 0

    def before(self, pipeline: Any, pad: Any) -> Any:
        """Branch the stream off before a pad; return the pad that takes it instead."""
        tee = make("tee")
        self._sink = make(
            "appsink",
            sync=False,
            **{"async": False},  # it comes when the pipeline runs already, and must not have it wait
            enable_last_sample=False,
            max_buffers=MOST_WAITING,
            drop=True,
            wait_on_eos=False,
        )
        for element in (tee, self._sink):
            pipeline.add(element)
        tee.get_request_pad("src_%u").link(pad)
        tee.link(self._sink)
        for element in (self._sink, tee):
            element.sync_state_with_parent()
        return tee.get_static_pad("sink")

    def drain(self) -> None:
        """Put all packets that wait into the ring; never waits itself."""
        samples = []
        while (sample := self._sink.try_pull_sample(0)) is not None:
            samples.append(sample)
        self._pulled += len(samples)
        if len(samples) >= MOST_WAITING:
            received = int(self._sink.get_property("stats").get_value("rendered"))
            self._ring.lost("waited", received - self._pulled)
            self._pulled = received
        for sample in samples:
            self.put(sample)

    def put(self, sample: Any) -> None:
        """Put one packet, a sample with its caps and segment, into the ring."""
        buffer, caps = sample.get_buffer(), sample.get_caps()
        running_s = running_time_s(sample, buffer.pts)
        if running_s is None:
            self._ring.lost("no_time", 1)
            return
        if self._caps is None or not caps.is_equal(self._caps):
            self._caps, self._form = caps, caps.to_string()
        is_key = not buffer.has_flags(Gst.BufferFlags.DELTA_UNIT)
        self._ring.put(self._form, running_s, is_key, buffer.extract_dup(0, buffer.get_size()))


def tap_of(caps: Any, ring: ClipRing | None, shown: str) -> Tap | None:
    """Return what takes a stream into a ring; None without a ring, or of a stream that gives no clips."""
    if ring is None:
        return None
    if caps.get_structure(0).get_name() in PARSERS:
        return Tap(ring)
    ring.refuse(f"no clips: they need H.264 or H.265, and it sends {codec_name(caps)}")
    log.warning("%s gives %s", shown, ring.refusal)
    return None
