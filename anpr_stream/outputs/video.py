"""Pictures into a video file, through GStreamer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from anpr_stream.errors import SinkError
from anpr_stream.types import Image

MUXERS = {
    ".mp4": "mp4mux fragment-duration=2000",
    ".mov": "qtmux fragment-duration=2000",
    ".mkv": "matroskamux",
}
"""Containers by file suffix; fragments make a file play that was cut off, too."""

ENCODERS = {
    "x264enc": "x264enc speed-preset=veryfast quantizer=21 pass=quant key-int-max=60 bframes=0",
    "openh264enc": "openh264enc bitrate=8000000",
}
"""Descriptions of encoders by element, best first."""

PACKAGES = {
    "gstreamer1.0-plugins-base": "appsrc videoconvert",
    "gstreamer1.0-plugins-good": "mp4mux qtmux matroskamux",
    "gstreamer1.0-plugins-bad": "h264parse",
}
"""Debian and Ubuntu packages by the other elements that a video needs."""

WAITING_BYTES = 25_000_000
"""Pictures that may wait for the encoder, four of 1080p; then `write` waits."""

SMALLEST_PX = 16
"""Encoders take no smaller pictures."""

NOMINAL_FPS = 30
"""Tells players how long the last picture lasts, no more: times are kept as they are."""

CLOSE_LIMIT_S = 60


class VideoWriter:
    """Writes pictures with their times as H.264; a context manager."""

    def __init__(self, path: Path) -> None:
        """Check that the video can be written; the file is made with the first picture.

        Args:
            path: `.mp4`, `.mov` or `.mkv`; an existing file is replaced.

        Raises:
            SinkError: unknown suffix, no encoder, another element missing, or the file cannot be written.
        """
        self._path = path
        if path.suffix.lower() not in MUXERS:
            raise SinkError(f"{path}: a video's name ends in {', '.join(MUXERS)}", "video-suffix")
        self._gst = _gstreamer()
        self._encoder = ENCODERS[find_encoder()]
        self._check_elements()
        self._pipeline: Any = None
        self._input: Any = None
        self._size = (0, 0)
        self._first_pts_s = 0.0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.open("wb").close()
        except OSError as error:
            raise SinkError(f"{path}: cannot write the video: {error.strerror}", "video-write") from error

    def write(self, image: Image, pts_s: float) -> None:
        """Add a picture.

        Args:
            image: (H, W, 3) BGR uint8; other sizes than the first are scaled to it.
            pts_s: its time; must grow from picture to picture.

        Raises:
            SinkError: the video cannot be written.
        """
        if self._pipeline is None:
            self._start(image, pts_s)
        if image.shape[1::-1] != self._size:
            image = np.asarray(cv2.resize(image, self._size), np.uint8)
        buffer = self._gst.Buffer.new_wrapped(image.tobytes())
        buffer.pts = max(0, round((pts_s - self._first_pts_s) * self._gst.SECOND))
        self._input.emit("push-buffer", buffer)
        self._raise_error(wait_s=0)
        while self._input.get_property("current-level-bytes") > WAITING_BYTES:
            self._raise_error(wait_s=0.01)

    def close(self) -> None:
        """Finish the file; may be called twice.

        Raises:
            SinkError: the end of the video could not be written.
        """
        if self._pipeline is None:
            return
        pipeline, self._pipeline = self._pipeline, None
        self._input.emit("end-of-stream")
        bus = pipeline.get_bus()
        kinds = self._gst.MessageType.EOS | self._gst.MessageType.ERROR
        message = bus.timed_pop_filtered(CLOSE_LIMIT_S * self._gst.SECOND, kinds)
        pipeline.set_state(self._gst.State.NULL)
        if message is None or message.type == self._gst.MessageType.ERROR:
            raise self._error(message)

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _check_elements(self) -> None:
        for package, elements in PACKAGES.items():
            for element in elements.split():
                if self._gst.ElementFactory.make(element) is None:
                    raise SinkError(
                        f"GStreamer's element {element} for the video is missing: sudo apt install {package}",
                        "video-encoder",
                    )

    def _start(self, image: Image, pts_s: float) -> None:
        self._first_pts_s = pts_s
        height, width = image.shape[:2]
        self._size = (max(SMALLEST_PX, width & ~1), max(SMALLEST_PX, height & ~1))
        caps = (
            f"video/x-raw,format=BGR,width={self._size[0]},height={self._size[1]},framerate={NOMINAL_FPS}/1"
        )
        self._pipeline = self._launch(
            f"appsrc name=input format=time max-bytes=0 caps={caps}"
            f" ! videoconvert ! video/x-raw,format=I420 ! {self._encoder} ! h264parse"
            f" ! {MUXERS[self._path.suffix.lower()]} ! filesink name=file buffer-mode=unbuffered"
        )
        self._pipeline.get_by_name("file").set_property("location", str(self._path))
        self._input = self._pipeline.get_by_name("input")
        self._pipeline.set_state(self._gst.State.PLAYING)

    def _launch(self, description: str) -> Any:
        try:
            return self._gst.parse_launch(description)
        except RuntimeError as error:  # GLib.Error, which derives from it
            raise SinkError(
                f"{self._path}: GStreamer cannot write videos: {error}", "video-encoder"
            ) from error

    def _raise_error(self, wait_s: float) -> None:
        bus = self._pipeline.get_bus()
        message = bus.timed_pop_filtered(int(wait_s * self._gst.SECOND), self._gst.MessageType.ERROR)
        if message is not None:
            pipeline, self._pipeline = self._pipeline, None
            pipeline.set_state(self._gst.State.NULL)
            raise self._error(message)

    def _error(self, message: Any) -> SinkError:
        reason = "it did not end in time" if message is None else message.parse_error()[0].message
        return SinkError(f"{self._path}: cannot write the video: {reason}", "video-write")


def find_encoder() -> str:
    """Return the element that encodes videos here.

    Raises:
        SinkError: there is none, or no GStreamer.
    """
    for element in ENCODERS:
        if _gstreamer().ElementFactory.find(element):
            return element
    raise SinkError(
        "no H.264 encoder for the video: sudo apt install gstreamer1.0-plugins-ugly", "video-encoder"
    )


def _gstreamer() -> Any:
    try:
        import gi

        gi.require_version("Gst", "1.0")
        gi.require_version("GstApp", "1.0")
        from gi.repository import Gst
    except (ImportError, ValueError) as missing:
        raise SinkError(
            f"GStreamer for Python is missing ({missing}): run tools/setup.sh", "video-gstreamer"
        ) from missing
    Gst.init(None)
    return Gst
