"""Packets into an MP4 file in memory, as they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from anpr_stream.errors import SourceError
from anpr_stream.sources.clip_ring import Packet
from anpr_stream.sources.gst_runtime import NO_TIME, SECOND, Gio, Gst, change_state, make
from anpr_stream.sources.gst_stream import STOP_LIMIT_S, link_all

FORMS = {
    "video/x-h264": ("h264", "video/x-h264, stream-format=avc, alignment=au"),
    "video/x-h265": ("h265", "video/x-h265, stream-format=hvc1, alignment=au"),
}
"""Codec, and the form of it that an MP4 file holds and Safari plays, by the name of its caps."""
FRAGMENT_MS = 1000
LIMIT_S = 10.0


def mux(packets: Sequence[Packet]) -> bytes:
    """Return packets of one form, the first of them a key frame, as a fragmented MP4 file.

    Raises:
        SourceError: an element is missing, or the packets are damaged.
    """
    caps = Gst.Caps.from_string(packets[0].form)
    target = Gio.MemoryOutputStream.new_resizable()
    source = make("appsrc", format=Gst.Format.TIME, max_bytes=0, caps=caps)
    chain = [source, *_middle(caps), make("giostreamsink", stream=target)]
    pipeline = Gst.Pipeline()
    for element in chain:
        pipeline.add(element)
    link_all(chain)
    try:
        change_state(pipeline, Gst.State.PLAYING, LIMIT_S)
        for buffer in _buffers(packets):
            source.push_buffer(buffer)
        source.end_of_stream()
        _wait_for_end(pipeline)
    finally:
        change_state(pipeline, Gst.State.NULL, STOP_LIMIT_S)
    target.close(None)
    return bytes(target.steal_as_bytes().get_data())


def _middle(caps: Any) -> list[Any]:
    codec, form = FORMS[caps.get_structure(0).get_name()]
    elements = [make(f"{codec}parse")]
    # Since GStreamer 1.22; without it only streams whose pictures come in the order in which they are shown.
    if Gst.ElementFactory.find(f"{codec}timestamper"):
        elements.append(make(f"{codec}timestamper"))
    elements.append(make("capsfilter", caps=Gst.Caps.from_string(form)))
    return [*elements, make("mp4mux", fragment_duration=FRAGMENT_MS)]


def _buffers(packets: Sequence[Packet]) -> list[Any]:
    """Packets with times from 0 on; pictures shown before the key frame need one that is not there."""
    first_s = packets[0].time_s
    buffers = []
    for packet in packets:
        if packet.time_s < first_s:
            continue
        buffer = Gst.Buffer.new_wrapped(packet.data)
        buffer.pts, buffer.dts = round((packet.time_s - first_s) * SECOND), NO_TIME
        if not packet.is_key:
            buffer.set_flags(Gst.BufferFlags.DELTA_UNIT)
        buffers.append(buffer)
    return buffers


def _wait_for_end(pipeline: Any) -> None:
    kinds = Gst.MessageType.EOS | Gst.MessageType.ERROR
    message = pipeline.get_bus().timed_pop_filtered(int(LIMIT_S * SECOND), kinds)
    if message is not None and message.type == Gst.MessageType.EOS:
        return
    why = "it takes too long" if message is None else message.parse_error()[0].message
    raise SourceError(f"a clip cannot be made: {why}", "source-broken")
