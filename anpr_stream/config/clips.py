"""Settings of clips: the camera's own video around each visit."""

from __future__ import annotations

from pydantic import Field, model_validator

from anpr_stream.config.section import Section


class ClipSettings(Section):
    """A clip around each visit, beside its pictures (`anpr-stream serve`, live cameras with H.264 or H.265).

    It is the camera's own stream, neither decoded nor encoded anew, and goes with its visit as pictures do.
    It shows every plate, so it is refused together with `privacy` that hides any.
    """

    enabled: bool = False
    """True: clips are stored, of live cameras with H.264 or H.265; not together with `privacy` that hides any
    plate. The last `most_s` and five more seconds of the stream wait in memory all the time: at 4 Mbit/s
    10 MB a camera, 240 MB for 24. A clip of ten seconds takes 5 MB on the disk then (see `store.keep`)."""

    before_s: float = Field(default=3.0, ge=0, le=60)
    """A clip begins at the key frame so long before the first sight of the plate."""

    after_s: float = Field(default=3.0, ge=0, le=60)
    """It ends so long after the last sight."""

    most_s: float = Field(default=15.0, ge=1, le=300)
    """Longest clip, of a parked vehicle its beginning. Higher: more memory for each camera; lower: slow
    vehicles are cut off, and one whose plate is not read, told when it has gone, lacks its beginning."""

    most_mb: float = Field(default=32.0, ge=1, le=4096)
    """Most memory for one camera's video, in 10^6 bytes. Too low: clips of a camera with a high bit rate
    begin late; higher: a camera whose rate runs up takes more."""

    @model_validator(mode="after")
    def _holds_a_visit(self) -> ClipSettings:
        if self.before_s + self.after_s > self.most_s:
            raise ValueError("most_s: must hold before_s and after_s together")
        return self
