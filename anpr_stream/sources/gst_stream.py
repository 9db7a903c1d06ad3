"""The front half of every pipeline: `input ! parsebin`, and what becomes of its first video stream."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from anpr_stream.config.source import SourceSettings
from anpr_stream.errors import SourceError
from anpr_stream.sources.gst_decoders import codec_name
from anpr_stream.sources.gst_errors import STILL, UNPLAYABLE, BusReader
from anpr_stream.sources.gst_inputs import open_input
from anpr_stream.sources.gst_runtime import NO_TIME, SECOND, Gst, GstApp, change_state, make
from anpr_stream.sources.locate import Address, Kind
from anpr_stream.sources.session import EndOfStream

START_LIMIT_S = 10.0
STOP_LIMIT_S = 2.0
MISNAMED = {"image/jpg": "image/jpeg"}
"""Names of streams that HTTP cameras make up."""
GIVEN_UP_S = 0.5
"""A file that nobody reads for so long, without a word, will not be read any more."""


class Stream:
    """One address, opened once, as far as the compressed video; base of what does more with it.

    One thread calls it. GStreamer's threads call `_add_pad` while the pipeline starts; what goes wrong
    there is kept and raised by `_pull_sample`, for raising inside a callback would hang the pipeline.
    """

    def __init__(self, address: Address, settings: SourceSettings) -> None:
        self._address = address
        self._settings = settings
        self._fault: SourceError | None = None
        self._seen: list[str] = []
        self._codec = ""
        self._samples = 0
        self._is_drained = False
        self._sound_s = 0.0
        self._read_s = time.monotonic()
        self._pipeline = Gst.Pipeline()
        self._bus = BusReader(self._pipeline.get_bus(), address, settings)
        self._sink = self._build()
        if not change_state(self._pipeline, Gst.State.PLAYING, START_LIMIT_S):
            self._bus.drain()
            self.close()
            raise self._bus.fault()

    def close(self) -> None:
        """Stop and free the pipeline; may be called twice."""
        if self._pipeline is not None:
            change_state(self._pipeline, Gst.State.NULL, STOP_LIMIT_S)
            self._pipeline.get_bus().set_flushing(True)
            self._pipeline = self._sink = None

    def _tail(self) -> list[Any]:
        """Create the elements that end the pipeline; the last is its `appsink`."""
        raise NotImplementedError

    def _take(self, pad: Any, caps: Any) -> None:
        """Link the video stream to the tail.

        Raises:
            SourceError: it cannot be taken; says why, without the source's name.
        """
        raise NotImplementedError

    def _pull_sample(self, limit_s: float) -> Any:
        """Wait for the next sample of the `appsink`; None if none came within `limit_s`.

        Raises:
            EndOfStream: nothing more will come.
            SourceError: the stream broke; says why.
        """
        sample = self._sink.try_pull_sample(int(limit_s * SECOND))
        self._bus.drain()
        if sample is not None:
            self._samples += 1
            return sample
        if self._fault or self._bus.has_error:
            raise self._why()
        if self._sink.is_eos():
            raise self._end() if self._codec else self._no_video()
        if not self._codec and self._is_over():
            raise self._why() if self._bus.has_error or self._seen else self._unplayable()
        return None

    def _build(self) -> GstApp.AppSink:
        inputs = open_input(self._address, self._settings)
        parse = make("parsebin")
        parse.connect("pad-added", self._add_pad)
        parse.connect("unknown-type", self._note_unknown)
        parse.connect("drained", self._note_end)
        tail = self._tail()
        for element in (*inputs, parse, *tail):
            self._pipeline.add(element)
        link_all(inputs)
        link_all(tail)
        self._tail_pad = tail[0].get_static_pad("sink")
        if inputs[-1].get_static_pad("src") is None:
            inputs[-1].connect("pad-added", _link_late, parse)
        else:
            link_all([inputs[-1], parse])
        return tail[-1]

    def _add_pad(self, _parse: Any, pad: Any) -> None:
        """Take the first video stream; sound and text stay unlinked and are never decoded.

        Those of recordings are timed: a file may end with them.
        """
        caps = pad.get_current_caps() or pad.query_caps(None)
        name = caps.get_structure(0).get_name()
        self._seen.append(name)
        if self._codec or not name.startswith(("video/", "image/")):
            if not self._address.is_live:
                pad.add_probe(Gst.PadProbeType.BUFFER, self._time_sound)
            return
        try:
            pad, caps = self._named(pad, caps)
            self._codec = codec_name(caps)
            self._take(pad, caps)
        except SourceError as error:
            self._fault = SourceError(f"{self._address.shown}: {error.message}", error.reason_slug)

    def _named(self, pad: Any, caps: Any) -> tuple[Any, Any]:
        """Give a stream the name that decoders know it by, where a camera has another."""
        name = MISNAMED.get(caps.get_structure(0).get_name())
        if name is None:
            return pad, caps
        caps = Gst.Caps.new_empty_simple(name)
        setter = make("capssetter", caps=caps, join=False, replace=True)
        self._pipeline.add(setter)
        setter.sync_state_with_parent()
        pad.link(setter.get_static_pad("sink"))
        return setter.get_static_pad("src"), caps

    def _time_sound(self, pad: Any, probed: Any) -> Any:
        segment = pad.get_sticky_event(Gst.EventType.SEGMENT, 0)
        pts = probed.get_buffer().pts
        if segment is not None and pts != NO_TIME:
            running = segment.parse_segment().to_running_time(Gst.Format.TIME, pts)
            self._sound_s = max(self._sound_s, 0.0 if running == NO_TIME else running / SECOND)
        return Gst.PadProbeReturn.OK

    def _note_unknown(self, _parse: Any, _pad: Any, caps: Any) -> None:
        self._seen.append(caps.get_structure(0).get_name())

    def _note_end(self, _parse: Any) -> None:
        self._is_drained = True

    def _is_over(self) -> bool:
        """Whether no video will come, though nobody says so: a camera sent a page of its web server, say."""
        return self._is_drained if self._address.is_live else self._has_given_up()

    def _has_given_up(self) -> bool:
        """Whether no thread has read the file for a while.

        parsebin swallows an error that a demuxer posts while it is being linked: nothing more comes
        then, neither an error nor the end. For a moment nobody reads, too, while a demuxer takes over from
        what found out its kind, and before an error is told.
        """
        states = [pad.get_task_state() for element in every_element(self._pipeline) for pad in element.pads]
        now_s = time.monotonic()
        if Gst.TaskState.STARTED in states:
            self._read_s = now_s
        return now_s - self._read_s > GIVEN_UP_S

    def _why(self) -> SourceError:
        """What went wrong; sound that nobody takes counts as a fault where there is no video."""
        if self._fault:
            return self._fault
        if self._seen and not self._codec:
            return self._no_video()
        fault = self._bus.fault()
        is_vague = fault.reason_slug == "source-broken" and not self._seen and not self._address.is_live
        return self._unplayable() if is_vague else fault

    def _end(self) -> Exception:
        """What the end means: an address may be that of a still picture, which each try would get anew."""
        is_picture = self._samples == 1 and self._seen[0].startswith("image/")
        if self._address.kind is not Kind.HTTP or not is_picture or self._is_in_parts():
            return EndOfStream()
        return SourceError(f"{self._address.shown} {STILL[1]}", STILL[0])

    def _is_in_parts(self) -> bool:
        """Whether pictures come one after the other, so that more may follow over the next connection."""
        factories = [element.get_factory() for element in every_element(self._pipeline)]
        return any(factory and factory.get_name() == "multipartdemux" for factory in factories)

    def _unplayable(self) -> SourceError:
        return SourceError(f"{self._address.shown} {UNPLAYABLE[1]}", UNPLAYABLE[0])

    def _no_video(self) -> SourceError:
        found = ", ".join(sorted(set(self._seen))) or "nothing"
        return SourceError(f"{self._address.shown} has no video track (it holds {found})", "source-no-video")


def every_element(pipeline: Any) -> list[Any]:
    """All elements, however deep; counted anew when one comes or goes meanwhile."""
    found: list[Any] = []
    iterator = pipeline.iterate_recurse()
    while True:
        result, element = iterator.next()
        if result == Gst.IteratorResult.OK:
            found.append(element)
        elif result == Gst.IteratorResult.RESYNC:
            iterator.resync()
            found.clear()
        else:
            return found


def link_all(elements: Sequence[Any]) -> None:
    """Link elements in order.

    Raises:
        SourceError: two of them do not fit.
    """
    for upstream, downstream in pairwise(elements):
        if not upstream.link(downstream):
            raise SourceError(f"{upstream.name} does not fit {downstream.name}", "source-broken")


def _link_late(_source: Any, pad: Any, parse: Any) -> None:
    """Link an input whose pad comes only after it has talked to the camera."""
    target = parse.get_static_pad("sink")
    if not target.is_linked():
        pad.link(target)
