"""A pipeline from bytes to pictures: `input ! parsebin ! decoder ! convert ! turn ! appsink`.

Decoding runs in GStreamer's own threads; Python only takes what is ready. `parsebin` finds container
and codec, the decoder is chosen here, `videoconvert` and `videoflip` do nothing (and cost nothing)
where the decoder gives what is wanted.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from anpr_stream.config.source import SourceSettings
from anpr_stream.errors import SourceError
from anpr_stream.sources.clip_ring import ClipRing
from anpr_stream.sources.gst_decoders import choose_decoder
from anpr_stream.sources.gst_frames import copies
from anpr_stream.sources.gst_pictures import TIME, PictureMaker, now_s, picture_tail
from anpr_stream.sources.gst_runtime import NO_TIME, SECOND, Gst
from anpr_stream.sources.gst_stream import Stream, link_all
from anpr_stream.sources.gst_tap import Tap, tap_of
from anpr_stream.sources.locate import Address
from anpr_stream.sources.session import Picture, StreamInfo

COPY_NOTE = "; planes are copied: sudo apt install python3-gst-1.0"


class Player(Stream):
    """Plays one address once; a `Session`."""

    def __init__(self, address: Address, settings: SourceSettings, ring: ClipRing | None = None) -> None:
        self._ring = ring
        self._tap: Tap | None = None
        self._decoder = ""
        self._is_hardware = False
        self._maker = PictureMaker()
        self._count = 0
        super().__init__(address, settings)

    def pull(self, limit_s: float) -> Picture | None:
        """Wait for the next picture; see `Session`."""
        sample = self._pull_sample(limit_s)
        if self._tap is not None:
            self._tap.drain()
        if sample is None:
            return None
        now = now_s(self._pipeline) if self._address.is_live else None
        picture = self._maker.make(sample, self._number(), now)
        self._count = picture.number + 1
        return picture

    def info(self) -> StreamInfo:
        """What is known of the stream; complete once a picture was pulled."""
        duration_s = video_end_s = None
        if not self._address.is_live:
            known, duration = self._pipeline.query_duration(TIME)
            duration_s = duration / SECOND if known and duration > 0 else None
            video_end_s = self._video_end_s()
        return StreamInfo(
            self._maker.fps,
            self._codec,
            self._decoder,
            duration_s,
            self._bus.created_utc_s,
            video_end_s,
            self._sound_s,
        )

    def _video_end_s(self) -> float | None:
        """Running time at which the segment ends that the pictures come in; mp4 and mov tell it."""
        event = self._sink.get_static_pad("sink").get_sticky_event(Gst.EventType.SEGMENT, 0)
        segment = None if event is None else event.parse_segment()
        if segment is None or segment.stop == NO_TIME:
            return None
        return float(segment.to_running_time(TIME, segment.stop) / SECOND)

    @property
    def may_do_without_hardware(self) -> bool:
        """Whether a video engine was to decode this and has not given a single picture."""
        return self._is_hardware and self._count == 0

    def _tail(self) -> list[Any]:
        return picture_tail(self._settings, is_live=self._address.is_live)

    def _take(self, pad: Any, caps: Any) -> None:
        tap = tap_of(caps, self._ring, self._address.shown)
        if caps.get_structure(0).get_name() == "video/x-raw":
            self._decoder = "none (raw video)"
            pad.link(self._tail_pad)
            return
        decoder = choose_decoder(caps, self._settings.decoder, self._settings.decoder_threads)
        self._decoder = decoder.description + (COPY_NOTE if copies() else "")
        self._is_hardware = decoder.is_hardware
        for element in decoder.elements:
            self._pipeline.add(element)
        link_all(decoder.elements)
        decoder.elements[-1].get_static_pad("src").link(self._tail_pad)
        for element in decoder.elements:
            element.sync_state_with_parent()
        entry = decoder.elements[0].get_static_pad("sink")
        pad.link(entry if tap is None else tap.before(self._pipeline, entry))
        self._tap = tap

    def _number(self) -> int:
        """How many pictures came before this one, counting those that newer ones pushed out.

        The sink counts what it gets; the picture at hand is the last of them, but for one that may have
        come this very moment. So a number may be one too high, once, and never goes back.
        """
        if not self._address.is_live:
            return self._count
        received = int(self._sink.get_property("stats").get_value("rendered"))
        return max(self._count, received - 1)


class Playback:
    """A player that falls back to a software decoder where a hardware one starts, but gives nothing.

    Hardware tells only with the first pictures that it does not know a profile, a size or a bit depth.
    """

    def __init__(self, address: Address, settings: SourceSettings, ring: ClipRing | None = None) -> None:
        self._address = address
        self._settings = settings
        self._ring = ring
        self._note = ""
        self._player = Player(address, settings, ring)

    def pull(self, limit_s: float) -> Picture | None:
        """Wait for the next picture; see `Session`."""
        try:
            return self._player.pull(limit_s)
        except SourceError as error:
            if not self._player.may_do_without_hardware:
                raise
            self._note = f"; {self._player.info().decoder} failed: {error.message}"
        self._player.close()
        if self._ring is not None:
            self._ring.begin_again()
        without = self._settings.model_copy(update={"decoder": "software"})
        self._player = Player(self._address, without, self._ring)
        return None

    def info(self) -> StreamInfo:
        """What is known of the stream."""
        info = self._player.info()
        return replace(info, decoder=info.decoder + self._note)

    def close(self) -> None:
        """Stop and free the pipeline."""
        self._player.close()
