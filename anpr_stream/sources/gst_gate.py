"""A live stream that is always received, but decoded only while somebody wants its pictures.

`input ! parsebin ! appsink` gives packets; those since the last key frame are kept. Once pictures are
wanted, `appsrc ! decoder ! convert ! turn ! appsink` is fed with them and with all that follow, so that
it is up to date after one group of pictures at most, and costs nothing the rest of the time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from anpr_stream.config.source import SourceSettings
from anpr_stream.errors import SourceError
from anpr_stream.sources.clip_ring import ClipRing
from anpr_stream.sources.gst_decoders import PARSERS, choose_decoder
from anpr_stream.sources.gst_errors import BusReader
from anpr_stream.sources.gst_pictures import PictureMaker, camera_utc_s, now_s, picture_tail, running_time_s
from anpr_stream.sources.gst_runtime import Gst, change_state, make
from anpr_stream.sources.gst_stream import START_LIMIT_S, STOP_LIMIT_S, Stream, link_all
from anpr_stream.sources.gst_tap import Tap, tap_of
from anpr_stream.sources.locate import Address
from anpr_stream.sources.session import Picture, StreamInfo
from anpr_stream.types import PixelFormat, Planes

MOST_PACKETS = 1000
"""Without a key frame for so long, packets are let go until the next one."""
GLANCE_S = 0.01
"""While decoding, how long to wait for a packet before looking for a picture again."""
SIZING = {**PARSERS, "image/jpeg": "jpegparse"}
"""Parsers that tell a picture's size before it is decoded."""
NO_PLANES = Planes(PixelFormat.GRAY8, ())


class GatedPlayer(Stream):
    """Plays one live address, decoded only while wanted; a `Session`.

    A packet that is not decoded gives a picture without planes, so that whoever watches sees that the
    camera is alive, how large its pictures are and what time it has.
    """

    def __init__(
        self,
        address: Address,
        settings: SourceSettings,
        is_wanted: Callable[[], bool],
        ring: ClipRing | None = None,
    ) -> None:
        self._ring = ring
        self._tap: Tap | None = None
        self._is_wanted = is_wanted
        self._packets: list[Any] = []
        self._decoding: PacketDecoder | None = None
        self._count = 0
        super().__init__(address, settings)

    def pull(self, limit_s: float) -> Picture | None:
        """Wait for the next picture; see `Session`."""
        packet = self._pull_sample(min(limit_s, GLANCE_S) if self._decoding else limit_s)
        if packet is not None:
            if self._tap is not None:
                self._tap.put(packet)
            self._keep(packet)
            self._switch(packet)
        picture = self._decoding.pull(self._count, now_s(self._pipeline)) if self._decoding else None
        if picture is None and packet is not None:
            picture = self._sign_of_life(packet)
        self._count += picture is not None
        return picture

    def info(self) -> StreamInfo:
        """What is known of the stream."""
        return StreamInfo(0.0, self._codec, "decoded on demand")

    def close(self) -> None:
        """Stop and free the pipelines; may be called twice."""
        self._stop_decoding()
        super().close()

    def _tail(self) -> list[Any]:
        return [make("appsink", sync=False, enable_last_sample=False, max_buffers=MOST_PACKETS, drop=True)]

    def _take(self, pad: Any, caps: Any) -> None:
        self._tap = tap_of(caps, self._ring, self._address.shown)
        parser = SIZING.get(caps.get_structure(0).get_name())
        if parser is None:
            pad.link(self._tail_pad)
            return
        element = make(parser)
        self._pipeline.add(element)
        element.get_static_pad("src").link(self._tail_pad)
        element.sync_state_with_parent()
        pad.link(element.get_static_pad("sink"))

    def _keep(self, packet: Any) -> None:
        """Keep what a decoder needs to begin now."""
        is_key = not packet.get_buffer().has_flags(Gst.BufferFlags.DELTA_UNIT)
        if is_key or len(self._packets) >= MOST_PACKETS:
            self._packets = []
        if is_key or self._packets:
            self._packets.append(packet)

    def _switch(self, packet: Any) -> None:
        if not self._is_wanted():
            self._stop_decoding()
        elif self._decoding is not None:
            self._decoding.push(packet)
        elif self._packets:
            self._decoding = PacketDecoder(packet.get_caps(), self._address, self._settings)
            for kept in self._packets:
                self._decoding.push(kept)

    def _stop_decoding(self) -> None:
        if self._decoding is not None:
            self._decoding.close()
            self._decoding = None

    def _sign_of_life(self, packet: Any) -> Picture:
        buffer, structure = packet.get_buffer(), packet.get_caps().get_structure(0)
        width, height = structure.get_int("width")[1], structure.get_int("height")[1]
        if self._settings.rotate in ("90", "270"):
            width, height = height, width
        running_s = running_time_s(packet, buffer.pts) or 0.0
        now = now_s(self._pipeline)
        age_s = 0.0 if now is None else max(0.0, now - running_s)
        return Picture(NO_PLANES, width, height, self._count, running_s, age_s, camera_utc_s(buffer))


class PacketDecoder:
    """Decodes packets as they are pushed; only the newest picture waits."""

    def __init__(self, caps: Any, address: Address, settings: SourceSettings) -> None:
        self._maker = PictureMaker()
        self._source = make("appsrc", format=Gst.Format.TIME, is_live=True, max_bytes=0)
        self._source.set_property("handle-segment-change", True)
        decoder = choose_decoder(caps, settings.decoder, settings.decoder_threads)
        chain = [self._source, *decoder.elements, *picture_tail(settings, is_live=True)]
        self._sink = chain[-1]
        self._pipeline = Gst.Pipeline()
        self._bus = BusReader(self._pipeline.get_bus(), address, settings)
        for element in chain:
            self._pipeline.add(element)
        link_all(chain)
        if not change_state(self._pipeline, Gst.State.PLAYING, START_LIMIT_S):
            self.close()
            raise SourceError(f"{address.shown}: its decoder does not start", "source-broken")

    def push(self, packet: Any) -> None:
        """Decode one more packet, a sample with its caps and segment."""
        self._source.push_sample(packet)

    def pull(self, number: int, now_s: float | None) -> Picture | None:
        """Return the newest picture if there is a new one.

        Raises:
            SourceError: the stream cannot be decoded.
        """
        sample = self._sink.try_pull_sample(0)
        self._bus.drain()
        if sample is None and self._bus.has_error:
            raise self._bus.fault()
        return None if sample is None else self._maker.make(sample, number, now_s)

    def close(self) -> None:
        """Stop and free the decoder."""
        change_state(self._pipeline, Gst.State.NULL, STOP_LIMIT_S)
        self._pipeline.get_bus().set_flushing(True)
