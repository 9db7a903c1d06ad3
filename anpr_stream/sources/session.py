"""One life of a stream, as sources see it: what GStreamer gives and what fakes give in tests."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from anpr_stream.types import Frame, Planes


class EndOfStream(Exception):
    """The stream has ended in good order."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One decoded picture, not yet placed in time.

    Attributes:
        planes: the pixels.
        width: pixels.
        height: pixels.
        number: how many pictures this stream had before it, those never pulled included.
        running_s: seconds since the stream began.
        age_s: live streams: seconds between its arrival and now.
        camera_utc_s: when the camera says that it took it.
    """

    planes: Planes = field(repr=False)
    width: int
    height: int
    number: int
    running_s: float
    age_s: float = 0.0
    camera_utc_s: float | None = None

    def frame(self, camera: str, index: int, pts_s: float, utc_s: float, segment: int) -> Frame:
        """Place the picture in its source's numbering and time."""
        return Frame(camera, index, pts_s, utc_s, self.width, self.height, self.planes, segment)


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """What a stream told until its first picture.

    Attributes:
        fps: frames a second, 0 where unknown or variable.
        codec: for people.
        decoder: name of the decoder and why it was chosen.
        duration_s: None for live streams.
        created_utc_s: creation time in the recording's header.
        video_end_s: when the last picture ends by the header, sound or not; None where it does not say.
        sound_s: when the newest packet of a recording's sound or text so far begins.
    """

    fps: float
    codec: str
    decoder: str
    duration_s: float | None = None
    created_utc_s: float | None = None
    video_end_s: float | None = None
    sound_s: float = 0.0


class Session(Protocol):
    """One life of a stream."""

    def pull(self, limit_s: float) -> Picture | None:
        """Wait for the next picture; None if none came within `limit_s`.

        Raises:
            EndOfStream: nothing more will come.
            SourceError: the stream broke; says why.
        """

    def info(self) -> StreamInfo:
        """What is known of the stream; complete once a picture was pulled."""

    def close(self) -> None:
        """Stop the stream and free it, within a bounded time; may be called twice."""
