"""Settings of one source: how a camera, recording or picture is opened and watched."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Literal

from pydantic import Field, SecretStr, field_validator

from anpr_stream.config.section import FilePath, Section


class SourceSettings(Section):
    """How a camera, recording or picture is opened, decoded, timed and watched."""

    transport: Literal["tcp", "udp"] = "tcp"
    """RTSP: `tcp` loses nothing but waits after packet loss; `udp` never waits but may show torn pictures."""

    latency_ms: int = Field(default=200, ge=0, le=10_000)
    """RTSP jitter buffer. Too high: every event comes that much later when packets are missing. Too low:
    packets that come late are lost and pictures torn."""

    user: str | None = None
    """User name for the camera, where it does not stand in the URL."""

    password: SecretStr | None = None
    """Password for the camera, where it does not stand in the URL; never printed."""

    tls_verify: bool = True
    """rtsps, https: refuse cameras whose certificate cannot be verified. False accepts anybody."""

    tls_ca: FilePath | None = None
    """rtsps, https: PEM file with the authority that signed the camera's certificate."""

    capture_width_px: int | None = Field(default=None, ge=16)
    """USB cameras: width to ask for; null takes what the camera prefers."""

    capture_height_px: int | None = Field(default=None, ge=16)
    """USB cameras: height to ask for."""

    capture_fps: int | None = Field(default=None, ge=1, le=1000)
    """USB cameras: frames a second to ask for."""

    decoder: str = "auto"
    """`auto` takes a hardware decoder where one works, `software` never does, any other word is the name
    of a GStreamer element, e.g. `openh264dec`."""

    decoder_threads: int = Field(default=0, ge=0, le=64)
    """Threads of a software decoder, 0 for one per core. Too many: less left for the networks. Too few:
    one large recording decodes slower than the networks run."""

    queue_frames: int = Field(default=4, ge=1, le=64)
    """Recordings: decoded frames that may wait. Too high: memory (3 MB for each 1080p frame). Too low:
    decoder and networks wait for each other."""

    rotate: Literal["auto", "0", "90", "180", "270"] = "auto"
    """Clockwise turn of the picture in degrees; `auto` follows the recording's or photo's own tag."""

    every: int = Field(default=1, ge=1, le=1000)
    """Recordings: look at every Nth frame only. Too high: fast vehicles pass between two frames."""

    start_time: datetime | None = None
    """Recordings: when the first frame was taken (ISO 8601, UTC unless it names a zone); null takes the
    creation time in the file, else the file's date less its duration."""

    jump_s: float = Field(default=10.0, ge=0)
    """Folders of clips: a gap longer than this ends all tracks. Too high: two vehicles become one. Too
    low: a visit that spans two clips is cut in two."""

    clock: Literal["camera", "arrival"] = "camera"
    """Live: whose clock stamps the frames where the camera sends its own (RTCP)."""

    clock_limit_s: float = Field(default=1200.0, gt=0)
    """Live: a camera's clock that is further off than this is wrong, and arrival is taken. Higher: one set to
    local time or summer time (an hour, or half of it) is believed; lower: one that has drifted is not."""

    connect_limit_s: float = Field(default=15.0, gt=0)
    """Live: longest wait for the first frame. Too low: slow cameras are never up. Too high: a hung one is
    noticed late."""

    stall_frames: float = Field(default=20.0, ge=2)
    """Live: a camera counts as hung after this many of its own frame intervals without a frame, within
    the two limits below."""

    stall_min_s: float = Field(default=3.0, gt=0)
    """Live: never call a camera hung before this. Too low: one lost second of network rebuilds it."""

    stall_max_s: float = Field(default=30.0, gt=0)
    """Live: always call a camera hung after this, however slow it is."""

    late_limit_s: float = Field(default=5.0, gt=0)
    """Live: a decoder that is this far behind the camera is rebuilt, so that no event is later than that.
    Too low: a short rush of work rebuilds it. Too high: a machine that is too slow reports cars long gone."""

    retry_min_s: float = Field(default=1.0, gt=0)
    """Live: first wait before a lost camera is tried again; doubles with each failure, jittered."""

    retry_max_s: float = Field(default=60.0, gt=0)
    """Live: longest wait before the next try, also after a wrong password. Too low: cameras lock the
    account. Too high: a camera that is back stays unwatched."""

    main_url: SecretStr | None = None
    """Pair of streams: URL of a live camera's large stream, from which plates are read, while `url` is its
    small one, in which they are looked for. The large one is decoded only around a plate."""

    pair_limit_s: float = Field(default=0.1, gt=0)
    """Pair of streams: frames further apart in time than this do not belong together; the small one is
    then read itself."""

    @property
    def start_utc_s(self) -> float | None:
        """`start_time` in seconds since the Unix epoch."""
        told = self.start_time
        if told is None:
            return None
        return (told if told.tzinfo else told.replace(tzinfo=timezone.utc)).timestamp()

    @field_validator("rotate", mode="before")
    @classmethod
    def _rotate_as_text(cls, value: object) -> object:
        return str(value) if isinstance(value, int) else value
