"""How long a person who watches what is played would sit there."""

from __future__ import annotations

from anpr_stream.types import Frame

LONGEST_BREAK_S = 1.0
"""Where a drive or a connection was interrupted, the next frame follows after so long at most: a folder of
clips may leave out hours, and years where a camera set its clock."""


class PlayedTime:
    """Stream time without its breaks.

    Attributes:
        s: seconds from the first frame to the newest.
    """

    def __init__(self) -> None:
        self.s = 0.0
        self._segment = 0
        self._pts_s: float | None = None

    def see(self, frame: Frame) -> float:
        """Take the next frame; return its time since the first, in seconds."""
        if self._pts_s is not None:
            step_s = frame.pts_s - self._pts_s
            self.s += step_s if frame.segment == self._segment else min(step_s, LONGEST_BREAK_S)
        self._segment, self._pts_s = frame.segment, frame.pts_s
        return self.s
