"""Whether a camera's picture stands still: then looking for plates again would find the same ones."""

from __future__ import annotations

from collections import deque

import cv2
import numpy as np
import numpy.typing as npt

from anpr_stream.types import Image

LONG_SIDE_PX = 240
"""Pictures are compared at about this size: a car whose plate can be read covers dozens of its pixels."""

BLUR_PX = 5
"""Side of the mean that takes most of a sensor's noise out."""

LAG_S = 0.5
"""A picture is held against one at least so much older, so that slow movement adds up."""

NOISE_FACTOR = 8
"""Change of a pixel, in medians of all changes, from which on it is no noise."""

LEAST_CHANGE = 6
"""The same in grey levels, for cameras without noise."""

MOVED_PX = 8
"""Changed pixels from which on something moves."""

RESTLESS_SHARE = 0.05
"""A pixel that changed for so much of the last minute is restless: a clock drawn into the picture."""

RESTLESS_AREA = 0.005
"""Restless pixels do not count up to this part of the picture; more of them are traffic or leaves."""

MEMORY_S = 60.0
"""How long unrest is remembered."""

Small = npt.NDArray[np.int16]
Mask = npt.NDArray[np.bool_]


class Stillness:
    """Compares the pictures of one camera in their order; pure but for what it remembers."""

    def __init__(self, after_s: float) -> None:
        """Call a picture still when nothing has moved for `after_s` of stream time."""
        self._after_s = after_s
        self._seen: deque[tuple[float, Small]] = deque()
        self._moved_s = float("-inf")
        self._unrest = np.zeros((0, 0), np.float32)

    def update(self, pts_s: float, luma: Image) -> bool:
        """Take the next picture, (H, W) uint8 grey at stream time `pts_s`; tell whether it stands still.

        The first one, one of another size and one after a break in time count as moved.
        """
        small = _small(luma)
        if not self._follows(pts_s, small):
            self._seen.clear()
            self._moved_s = pts_s
        while len(self._seen) > 1 and pts_s - self._seen[1][0] >= LAG_S:
            self._seen.popleft()
        if self._seen and self._has_moved(pts_s - self._seen[-1][0], _changed(self._seen[0][1], small)):
            self._moved_s = pts_s
        self._seen.append((pts_s, small))
        return pts_s - self._moved_s >= self._after_s

    def _follows(self, pts_s: float, small: Small) -> bool:
        if not self._seen or self._seen[-1][1].shape != small.shape:
            self._unrest = np.zeros(small.shape, np.float32)
            return False
        return 0 <= pts_s - self._seen[-1][0] <= self._after_s

    def _has_moved(self, passed_s: float, changed: Mask) -> bool:
        self._unrest += np.float32(min(1.0, passed_s / MEMORY_S)) * (changed - self._unrest)
        restless = self._unrest > RESTLESS_SHARE
        if restless.mean() <= RESTLESS_AREA:
            changed = changed & ~restless
        return int(np.count_nonzero(changed)) >= MOVED_PX


def _small(luma: Image) -> Small:
    step = max(1, round(max(luma.shape) / LONG_SIDE_PX))
    return np.asarray(cv2.blur(np.ascontiguousarray(luma[::step, ::step]), (BLUR_PX, BLUR_PX)), np.int16)


def _changed(before: Small, now: Small) -> Mask:
    """Pixels that changed more than all did: neither noise nor another exposure counts."""
    change = now - before
    change = np.abs(change - np.int16(np.median(change[::4, ::4])))
    limit = max(LEAST_CHANGE, NOISE_FACTOR * float(np.median(change[::4, ::4])))
    return np.asarray(change > limit)
