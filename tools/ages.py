"""How old frames are when their flow is through."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable

from anpr_stream.pipeline.follower import Mark
from anpr_stream.types import Frame


class FrameAges:
    """Collects the ages of frames, in seconds, and their number by camera (a `FrameObserver`)."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.frames: list[float] = []
        self.looks: Counter[str] = Counter()

    def frame(self, frame: Frame, marks: Callable[[Frame], list[Mark]]) -> None:
        """Note a frame."""
        with self.lock:
            self.frames.append(time.time() - frame.utc_s)
            self.looks[frame.camera] += 1

    def clear(self) -> None:
        """Forget what was noted while all starts."""
        with self.lock:
            self.frames.clear()
            self.looks.clear()
