"""Clips as one drive, and frames as one stream: where each one lies in time."""

from __future__ import annotations

from dataclasses import dataclass

CREATION_SLACK_S = 2.0
"""Creation times are whole seconds, and cameras round them differently: less than this is no gap."""


LEAST_STEP_S = 0.001
"""Between two frames of one stream, whatever their time stamps say: trackers divide by it."""
BACK_S = 1.0
"""Time stamps that go back by more begin something new."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a clip lies.

    Attributes:
        pts_s: the drive's time of the clip's first frame.
        utc_s: when that frame was taken.
        segment: grows where the drive jumps in time.
    """

    pts_s: float
    utc_s: float
    segment: int


class Timeline:
    """Lays clips one after the other; pts never go back, whatever the clips' own dates say."""

    def __init__(self, jump_s: float) -> None:
        self._jump_s = jump_s
        self._last: Placement | None = None
        self._end_s = 0.0

    def place(self, created_utc_s: float | None, guess_utc_s: float) -> Placement:
        """Place the next clip.

        Args:
            created_utc_s: when its first frame was taken; None where it does not say: it then
                follows directly on the clip before it.
            guess_utc_s: the same from less certain sources; used for a first clip that does not say.
        """
        if self._last is None:
            start = guess_utc_s if created_utc_s is None else created_utc_s
            self._last = Placement(0.0, start, 0)
        else:
            self._last = self._next(self._last, created_utc_s)
        return self._last

    def end(self, duration_s: float) -> None:
        """Say how long the clip placed last has been."""
        if self._last is not None:
            self._end_s = self._last.pts_s + duration_s

    def _next(self, last: Placement, created_utc_s: float | None) -> Placement:
        expected_utc_s = last.utc_s + self._end_s - last.pts_s
        gap_s = 0.0 if created_utc_s is None else created_utc_s - expected_utc_s
        if abs(gap_s) <= CREATION_SLACK_S:
            return Placement(self._end_s, expected_utc_s, last.segment)
        is_jump = gap_s < 0 or gap_s > self._jump_s
        return Placement(self._end_s + max(0.0, gap_s), expected_utc_s + gap_s, last.segment + int(is_jump))


class StreamTime:
    """Makes a stream's own time grow from frame to frame, and tells where it breaks.

    Recordings of single events in one file jump ahead; damaged ones and cameras that set their clock
    jump back, or give two frames one time.
    """

    def __init__(self, jump_s: float) -> None:
        self._jump_s = jump_s
        self._shift_s = 0.0
        self._last_s: float | None = None

    def next(self, running_s: float) -> tuple[float, bool]:
        """Take a frame's time stamp; return its time, greater than the last one, and if it jumped."""
        time_s = running_s + self._shift_s
        step_s = LEAST_STEP_S if self._last_s is None else time_s - self._last_s
        lacking_s = max(0.0, LEAST_STEP_S - step_s)
        self._shift_s += lacking_s
        self._last_s = time_s + lacking_s
        return self._last_s, step_s > self._jump_s or step_s < -BACK_S
