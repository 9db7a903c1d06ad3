"""A pipeline from bytes to pictures: `input ! parsebin ! decoder ! convert ! turn ! appsink`.

Decoding runs in GStreamer's own threads; Python only takes what is ready. `parsebin` finds container
and codec, the decoder is chosen here, `videoconvert` and `videoflip` do nothing (and cost nothing)
where the decoder gives what is wanted.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from itertools import pairwise
from typing import Any

from anpr_stream.config.source import SourceSettings
from anpr_stream.errors import SourceError
from anpr_stream.sources.gst_decoders import choose_decoder, codec_name
from anpr_stream.sources.gst_errors import UNPLAYABLE, BusReader
from anpr_stream.sources.gst_frames import CAPS, Layout, copies, layout_of
from anpr_stream.sources.gst_inputs import open_input
from anpr_stream.sources.gst_runtime import NO_TIME, SECOND, Gst, GstApp, change_state, make
from anpr_stream.sources.locate import Address
from anpr_stream.sources.session import EndOfStream, Picture, StreamInfo

log = logging.getLogger(__name__)

TIME = Gst.Format.TIME
START_LIMIT_S = 10.0
STOP_LIMIT_S = 2.0
NTP_CAPS = Gst.Caps.from_string("timestamp/x-ntp")
NTP_TO_UNIX_S = 2_208_988_800
"""Seconds from 1900, where NTP begins, to 1970."""
TURNS = {"auto": "auto", "0": "identity", "90": "90r", "180": "180", "270": "90l"}
COPY_NOTE = "; planes are copied: sudo apt install python3-gst-1.0"


class Player:
    """Plays one address once; a `Session`.

    One thread calls it. GStreamer's threads call `_add_pad` while the pipeline starts; what goes wrong
    there is kept and raised by `pull`, for raising inside a callback would hang the pipeline.
    """

    def __init__(self, address: Address, settings: SourceSettings) -> None:
        self._address = address
        self._settings = settings
        self._fault: SourceError | None = None
        self._seen: list[str] = []
        self._codec = self._decoder = ""
        self._is_hardware = False
        self._layout: Layout | None = None
        self._caps: Any = None
        self._count = 0
        self._last_running_s = 0.0
        self._pipeline = Gst.Pipeline()
        self._bus = BusReader(self._pipeline.get_bus(), address)
        self._sink = self._build()
        if not change_state(self._pipeline, Gst.State.PLAYING, START_LIMIT_S):
            self._bus.drain()
            self.close()
            raise self._bus.fault()

    def pull(self, limit_s: float) -> Picture | None:
        """Wait for the next picture; see `Session`."""
        sample = self._sink.try_pull_sample(int(limit_s * SECOND))
        self._bus.drain()
        if sample is not None:
            return self._picture(sample)
        if self._fault or self._bus.has_error:
            raise self._why()
        if self._sink.is_eos():
            raise EndOfStream if self._codec else self._no_video()
        if not self._codec and not self._address.is_live and not self._is_reading():
            raise SourceError(f"{self._address.shown} {UNPLAYABLE[1]}", UNPLAYABLE[0])
        return None

    def info(self) -> StreamInfo:
        """What is known of the stream; complete once a picture was pulled."""
        duration_s = None
        if not self._address.is_live:
            known, duration = self._pipeline.query_duration(TIME)
            duration_s = duration / SECOND if known and duration > 0 else None
        fps = self._layout.fps if self._layout else 0.0
        return StreamInfo(fps, self._codec, self._decoder, duration_s, self._bus.created_utc_s)

    @property
    def may_do_without_hardware(self) -> bool:
        """Whether a video engine was to decode this and has not given a single picture."""
        return self._is_hardware and self._count == 0

    def close(self) -> None:
        """Stop and free the pipeline; may be called twice."""
        if self._pipeline is not None:
            change_state(self._pipeline, Gst.State.NULL, STOP_LIMIT_S)
            self._pipeline.get_bus().set_flushing(True)
            self._pipeline = self._sink = None

    def _build(self) -> GstApp.AppSink:
        inputs = open_input(self._address, self._settings)
        parse = make("parsebin")
        parse.connect("pad-added", self._add_pad)
        parse.connect("unknown-type", self._note_unknown)
        tail = self._tail()
        for element in (*inputs, parse, *tail):
            self._pipeline.add(element)
        _link(inputs)
        _link(tail)
        self._tail_pad = tail[0].get_static_pad("sink")
        if inputs[-1].get_static_pad("src") is None:
            inputs[-1].connect("pad-added", _link_late, parse)
        else:
            _link([inputs[-1], parse])
        return tail[-1]

    def _tail(self) -> list[Any]:
        turn = make("videoflip")
        Gst.util_set_object_arg(turn, "video-direction", TURNS[self._settings.rotate])
        is_live = self._address.is_live
        sink = make(
            "appsink",
            sync=False,
            enable_last_sample=False,
            max_buffers=1 if is_live else self._settings.queue_frames,
            drop=is_live,
        )
        return [make("videoconvert"), make("capsfilter", caps=Gst.Caps.from_string(CAPS)), turn, sink]

    def _add_pad(self, _parse: Any, pad: Any) -> None:
        """Take the first video stream; sound and text stay unlinked and are never decoded."""
        caps = pad.get_current_caps() or pad.query_caps(None)
        name = caps.get_structure(0).get_name()
        self._seen.append(name)
        if self._codec or not name.startswith(("video/", "image/")):
            return
        self._codec = codec_name(caps)
        try:
            self._decode(pad, caps, name)
        except SourceError as error:
            self._fault = SourceError(f"{self._address.shown}: {error.message}", error.reason_slug)

    def _decode(self, pad: Any, caps: Any, name: str) -> None:
        if name == "video/x-raw":
            self._decoder = "none (raw video)"
            pad.link(self._tail_pad)
            return
        decoder = choose_decoder(caps, self._settings.decoder, self._settings.decoder_threads)
        self._decoder = decoder.description + (COPY_NOTE if copies() else "")
        self._is_hardware = decoder.is_hardware
        for element in decoder.elements:
            self._pipeline.add(element)
        _link(decoder.elements)
        decoder.elements[-1].get_static_pad("src").link(self._tail_pad)
        for element in decoder.elements:
            element.sync_state_with_parent()
        pad.link(decoder.elements[0].get_static_pad("sink"))

    def _is_reading(self) -> bool:
        """Whether any thread still reads the file.

        parsebin swallows an error that a demuxer posts while it is being linked: nothing more comes
        then, neither an error nor the end.
        """
        elements = list(self._pipeline.iterate_recurse())
        states = [pad.get_task_state() for element in elements for pad in element.pads]
        return Gst.TaskState.STARTED in states

    def _note_unknown(self, _parse: Any, _pad: Any, caps: Any) -> None:
        self._seen.append(caps.get_structure(0).get_name())

    def _why(self) -> SourceError:
        """What went wrong; sound that nobody takes counts as a fault where there is no video."""
        if self._fault:
            return self._fault
        return self._no_video() if self._seen and not self._codec else self._bus.fault()

    def _no_video(self) -> SourceError:
        found = ", ".join(sorted(set(self._seen))) or "nothing"
        return SourceError(f"{self._address.shown} has no video track (it holds {found})", "source-no-video")

    def _picture(self, sample: Any) -> Picture:
        buffer, caps = sample.get_buffer(), sample.get_caps()
        if self._layout is None or not caps.is_equal(self._caps):
            self._caps, self._layout = caps, layout_of(caps)
        layout = self._layout
        running_s = self._running_s(sample, buffer, layout)
        picture = Picture(
            layout.planes(buffer),
            layout.width,
            layout.height,
            self._number(),
            running_s,
            self._age_s(running_s),
            _camera_utc_s(buffer),
        )
        self._count = picture.number + 1
        self._last_running_s = running_s
        return picture

    def _running_s(self, sample: Any, buffer: Any, layout: Layout) -> float:
        """Time since the stream began; a picture without a time follows one frame after the last."""
        running = NO_TIME
        pts = buffer.pts
        if pts != NO_TIME:
            running = sample.get_segment().to_running_time(TIME, pts)
        if running != NO_TIME:
            return float(running / SECOND)
        return self._last_running_s + (1 / layout.fps if layout.fps and self._count else 0.0)

    def _number(self) -> int:
        """How many pictures came before this one, counting those that newer ones pushed out.

        The sink counts what it gets; the picture at hand is the last of them, but for one that may have
        come this very moment. So a number may be one too high, once, and never goes back.
        """
        if not self._address.is_live:
            return self._count
        received = int(self._sink.get_property("stats").get_value("rendered"))
        return max(self._count, received - 1)

    def _age_s(self, running_s: float) -> float:
        """How long ago a live picture arrived, however late it is taken."""
        if not self._address.is_live:
            return 0.0
        now = self._pipeline.get_current_running_time()
        return 0.0 if now == NO_TIME else max(0.0, float(now / SECOND) - running_s)


class Playback:
    """A player that falls back to a software decoder where a hardware one starts, but gives nothing.

    Hardware tells only with the first pictures that it does not know a profile, a size or a bit depth.
    """

    def __init__(self, address: Address, settings: SourceSettings) -> None:
        self._address = address
        self._settings = settings
        self._note = ""
        self._player = Player(address, settings)

    def pull(self, limit_s: float) -> Picture | None:
        """Wait for the next picture; see `Session`."""
        try:
            return self._player.pull(limit_s)
        except SourceError as error:
            if not self._player.may_do_without_hardware:
                raise
            self._note = f"; {self._player.info().decoder} failed: {error.message}"
        self._player.close()
        self._player = Player(self._address, self._settings.model_copy(update={"decoder": "software"}))
        return None

    def info(self) -> StreamInfo:
        """What is known of the stream."""
        info = self._player.info()
        return replace(info, decoder=info.decoder + self._note)

    def close(self) -> None:
        """Stop and free the pipeline."""
        self._player.close()


def _camera_utc_s(buffer: Any) -> float | None:
    """The camera's own time of a picture, known once it has sent an RTCP sender report."""
    meta = buffer.get_reference_timestamp_meta(NTP_CAPS)
    return None if meta is None else meta.timestamp / SECOND - NTP_TO_UNIX_S


def _link(elements: Any) -> None:
    for upstream, downstream in pairwise(elements):
        if not upstream.link(downstream):
            raise SourceError(f"{upstream.name} does not fit {downstream.name}", "source-broken")


def _link_late(_source: Any, pad: Any, parse: Any) -> None:
    """Link an input whose pad comes only after it has talked to the camera."""
    target = parse.get_static_pad("sink")
    if not target.is_linked():
        pad.link(target)
