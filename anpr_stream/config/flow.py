"""Settings of the flow: which frames are looked at, how long things may wait, what is written."""

from __future__ import annotations

from pydantic import Field

from anpr_stream.config.section import Section


class FlowSettings(Section):
    """How frames and crops of one camera move from stage to stage."""

    detect_rate_hz: float = Field(default=15.0, gt=0, le=1000)
    """How often a second the detector looks; tracks are predicted on the frames between. Higher: fast
    vehicles get more reads, at more cost (1000: every frame); lower: cheaper, but a vehicle that crosses
    the picture within four looks may be missed."""

    still_rate_hz: float = Field(default=3.0, gt=0, le=1000)
    """The same while the picture of a live camera stands still; the first change brings the full rate back.
    Lower: an idle camera costs next to nothing; higher: a vehicle that creeps unnoticed is seen sooner. As
    high as `detect_rate_hz`: no difference."""

    still_after_s: float = Field(default=3.0, gt=0, le=3600)
    """So long after the last change the picture counts as still. Higher: a vehicle that has just stopped is
    looked at longer at the full rate; lower: cheaper."""

    max_duration_s: float | None = Field(default=None, ge=0)
    """A source ends after so much stream time; null: never. For trials."""

    frames_waiting: int = Field(default=8, ge=1, le=64)
    """Frames of a recording that may wait between two stages. Higher: smoother, but a 1080p frame takes
    3 MB; lower: stages wait for one another. A live camera always keeps only its newest frame."""

    read_delay_looks: int = Field(default=2, ge=1, le=64)
    """Looks of the detector after which the reads of a recording are taken into account, always as many,
    so that the same recording gives the same events. Higher: detector and reader overlap better; lower: the
    read budget reacts sooner."""


class BatchSettings(Section):
    """How the networks are shared between cameras."""

    frames: int = Field(default=8, ge=1, le=256)
    """Most frames in one detector batch on a GPU, at most one of each camera in turn. Higher: better use of
    it; lower: less delay. Recordings always run alone so that their results never depend on other cameras.
    On a CPU batches save nothing: frames run side by side (`inference.threads`)."""

    crops: int = Field(default=16, ge=1, le=1024)
    """Most crops in one reader batch. Higher: better use of a GPU; lower: less delay."""

    crops_waiting: int = Field(default=64, ge=1, le=1024)
    """Most crops of live cameras that wait for the reader. Higher: long bursts are read late instead of not
    at all; lower: under load more crops are dropped (those of settled tracks first, then the oldest)."""

    deadline_ms: float = Field(default=5.0, ge=0, le=1000)
    """How long a live frame waits for those of other cameras to fill a batch. Higher: fuller batches on a
    GPU; lower: less delay; 0: never wait. With one camera nothing waits."""
