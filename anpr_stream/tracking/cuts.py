"""Hard cuts and moving cameras, told from small grey pictures of the scene."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from functools import cached_property, lru_cache
from statistics import median

import numpy as np
import numpy.typing as npt
from scipy import fft

from anpr_stream.config.tracking import CutSettings
from anpr_stream.types import FloatArray, Image

ROWS, COLUMNS = 27, 48
"""Size of a thumbnail."""

_HISTORY = 25
_FLAT = 2.0
"""Contrast (grey levels, root mean square) below which a picture shows nothing to compare."""
_EDGE = 6.0
"""Structure of a cell, in grey levels, from which its change tells motion."""
_FRAMED = np.ix_(*(np.clip(np.arange(-1, cells + 1), 0, cells - 1) for cells in (ROWS, COLUMNS)))
"""The cells with those at the edges repeated once outside."""
_WINDOW = np.outer(np.hanning(ROWS + 2)[1:-1], np.hanning(COLUMNS + 2)[1:-1]).astype(np.float32)
"""Fades the picture out to its edges, where a moving camera brings in what was not there before."""


@dataclass(frozen=True, slots=True)
class SceneChange:
    """How a frame follows on from those before it.

    Attributes:
        break_reason: `segment` (the stream broke), `cut` (another scene), or None.
        motion: share of the scene's edges that moved lately, 0..1; near 1 when the camera moves;
            None while the scene is too new to tell.
    """

    break_reason: str | None = None
    motion: float | None = 0.0


STILL = SceneChange()
"""A frame that follows on, from a camera that stands still."""


def thumbnail(luma: Image) -> FloatArray:
    """Return a grey picture as (27, 48) float32, 0..255.

    Four samples a cell instead of an area mean: it costs the same for any size of picture.

    Args:
        luma: (H, W) uint8, at least 1x1.
    """
    samples = luma[_samples(*luma.shape)].astype(np.float32)
    pairs = samples[::2] + samples[1::2]
    cells: FloatArray = (pairs[:, ::2] + pairs[:, 1::2]) / np.float32(4.0)
    return cells


@lru_cache(maxsize=64)
def _samples(height: int, width: int) -> tuple[npt.NDArray[np.intp], ...]:
    """Index of a thumbnail's samples in a picture of this size."""
    return np.ix_(*((np.arange(2 * n) * side) // (2 * n) for n, side in ((ROWS, height), (COLUMNS, width))))


class Look:
    """A thumbnail made ready to be compared.

    Args:
        cells: from `thumbnail`.
    """

    def __init__(self, cells: FloatArray) -> None:
        self._cells = cells
        # Sky above and road below are in every picture: without the rows' means they do not count.
        layout = (cells - cells.mean(axis=1, keepdims=True)) * _WINDOW
        self._energy = float(np.vdot(layout, layout))
        self._spectrum = fft.rfft2(layout)

    @property
    def is_flat(self) -> bool:
        """True for a picture that shows next to nothing (black, fog, a flash)."""
        return self._energy < _FLAT * _FLAT * self._cells.size

    def change(self, before: Look) -> float:
        """Return 0 (same scene, moved or not) .. 1 (unrelated).

        One minus the peak of the cross-correlation: a camera's motion moves the peak, light scales
        both pictures, only another scene lowers it.
        """
        correlation = fft.irfft2(self._spectrum * before._spectrum.conj(), s=(ROWS, COLUMNS))
        norm = (self._energy * before._energy) ** 0.5
        return min(1.0, max(0.0, 1.0 - float(correlation.max()) / norm)) if norm > 0.0 else 0.0

    def motion(self, before: Look) -> float:
        """Return the share of cells with an edge, 0..1, that look different in two pictures."""
        now, then = self._edges, before._edges
        strength = np.maximum(np.abs(now), np.abs(then))
        is_edge = strength > _EDGE
        has_moved: npt.NDArray[np.bool_] = np.abs(now - then) > strength / 2
        return float(has_moved[is_edge].mean()) if is_edge.any() else 0.0

    @cached_property
    def _edges(self) -> FloatArray:
        """The cells less the mean of their 3x3 neighbours."""
        padded = self._cells[_FRAMED]
        across = padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]
        around = across[:-2] + across[1:-1] + across[2:]
        edges: FloatArray = self._cells - around / np.float32(9.0)
        return edges


class CutDetector:
    """Watches one stream for breaks; about 0.1 ms a frame."""

    def __init__(self, settings: CutSettings | None = None) -> None:
        self._settings = settings or CutSettings()
        self._segment: int | None = None
        self._before: Look | None = None
        self._reference: deque[tuple[float, Look]] = deque()
        self._usual: deque[float] = deque(maxlen=_HISTORY)

    def update(self, segment: int, pts_s: float, scene: FloatArray) -> SceneChange:
        """Take the next looked-at frame.

        Args:
            segment: `Frame.segment`.
            pts_s: `Frame.pts_s`.
            scene: the frame's `thumbnail`.

        Returns:
            What ends tracks, and how much the camera moves.
        """
        look = Look(scene)
        reason = self._break_reason(segment, look)
        if reason:
            self._reference.clear()
            self._usual.clear()
        self._segment = segment
        return SceneChange(reason, self._motion(pts_s, look))

    def _break_reason(self, segment: int, look: Look) -> str | None:
        is_broken = self._segment is not None and segment != self._segment
        # A black or flashed frame between two of one scene is no cut: compare what shows something.
        if look.is_flat:
            return "segment" if is_broken else None
        amount = look.change(self._before) if self._before else 0.0
        usual = median(self._usual) if self._usual else 0.0
        self._before = look
        self._usual.append(amount)
        if amount > max(self._settings.min_change, min(self._settings.over_usual * usual, 0.9)):
            return "cut"
        return "segment" if is_broken else None

    def _motion(self, pts_s: float, look: Look) -> float | None:
        queue = self._reference
        queue.append((pts_s, look))
        while len(queue) > 2 and pts_s - queue[1][0] >= self._settings.motion_lag_s:
            queue.popleft()
        is_known = pts_s - queue[0][0] >= self._settings.motion_lag_s
        return look.motion(queue[0][1]) if is_known else None
