"""The back half of every pipeline that decodes: `decoder ! convert ! turn ! appsink`, and its pictures."""

from __future__ import annotations

from typing import Any

from anpr_stream.config.source import SourceSettings
from anpr_stream.sources.gst_frames import CAPS, Layout, layout_of
from anpr_stream.sources.gst_runtime import NO_TIME, SECOND, Gst, make
from anpr_stream.sources.session import Picture

TIME = Gst.Format.TIME
NTP_CAPS = Gst.Caps.from_string("timestamp/x-ntp")
NTP_TO_UNIX_S = 2_208_988_800
"""Seconds from 1900, where NTP begins, to 1970."""
NOMINAL_FPS = 25
"""Of streams that tell neither times nor a rate, such as bare MJPEG files."""
TURNS = {"auto": "auto", "0": "identity", "90": "90r", "180": "180", "270": "90l"}


def picture_tail(settings: SourceSettings, *, is_live: bool) -> list[Any]:
    """Create what follows a decoder; live, only the newest picture waits."""
    turn = make("videoflip")
    Gst.util_set_object_arg(turn, "video-direction", TURNS[settings.rotate])
    sink = make(
        "appsink",
        sync=False,
        enable_last_sample=False,
        max_buffers=1 if is_live else settings.queue_frames,
        drop=is_live,
    )
    return [make("videoconvert"), make("capsfilter", caps=Gst.Caps.from_string(CAPS)), turn, sink]


class PictureMaker:
    """Turns samples into pictures."""

    def __init__(self) -> None:
        self._caps: Any = None
        self._layout: Layout | None = None
        self._last_running_s: float | None = None

    @property
    def fps(self) -> float:
        """Frames a second as the stream claims, 0 where unknown or variable."""
        return self._layout.fps if self._layout else 0.0

    def make(self, sample: Any, number: int, now_s: float | None) -> Picture:
        """View a sample as a picture.

        Args:
            sample: from a picture tail's `appsink`.
            number: of the picture in its stream.
            now_s: live: the pipeline's running time.
        """
        buffer, caps = sample.get_buffer(), sample.get_caps()
        if self._layout is None or not caps.is_equal(self._caps):
            self._caps, self._layout = caps, layout_of(caps)
        layout = self._layout
        running_s = self._running_s(sample, buffer.pts, layout)
        return Picture(
            layout.planes(buffer),
            layout.width,
            layout.height,
            number,
            running_s,
            0.0 if now_s is None else max(0.0, now_s - running_s),
            camera_utc_s(buffer),
        )

    def _running_s(self, sample: Any, pts: int, layout: Layout) -> float:
        """Time since the stream began; a picture without a time follows one frame after the last."""
        running_s = running_time_s(sample, pts)
        if running_s is None:
            interval_s = 1 / (layout.fps or NOMINAL_FPS)
            running_s = 0.0 if self._last_running_s is None else self._last_running_s + interval_s
        self._last_running_s = running_s
        return running_s


def running_time_s(sample: Any, pts: int) -> float | None:
    """Time since the stream began, of a sample's time stamp; None where it has none."""
    if pts == NO_TIME:
        return None
    running = sample.get_segment().to_running_time(TIME, pts)
    return None if running == NO_TIME else float(running / SECOND)


def now_s(pipeline: Any) -> float | None:
    """A live pipeline's running time; None while it is not yet running."""
    now = pipeline.get_current_running_time()
    return None if now == NO_TIME else float(now / SECOND)


def camera_utc_s(buffer: Any) -> float | None:
    """The camera's own time of a picture, known once it has sent an RTCP sender report."""
    meta = buffer.get_reference_timestamp_meta(NTP_CAPS)
    return None if meta is None else meta.timestamp / SECOND - NTP_TO_UNIX_S
