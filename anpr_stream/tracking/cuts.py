"""Hard cuts and moving cameras, told from small grey pictures of the scene."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from anpr_stream.config.tracking import CutSettings
from anpr_stream.types import FloatArray, Image

ROWS, COLUMNS = 27, 48
"""Size of a thumbnail."""

_HISTORY = 25
_FLAT = 1.5
"""Structure (grey levels, root mean square) below which a picture shows nothing to compare."""
_EDGE = 6.0
"""Structure of a cell, in grey levels, from which its change tells motion."""


@dataclass(frozen=True, slots=True)
class SceneChange:
    """How a frame follows on from those before it.

    Attributes:
        break_reason: `segment` (the stream broke), `cut` (another scene), or None.
        motion: share of the scene's edges that moved lately, 0..1; near 1 when the camera moves.
    """

    break_reason: str | None = None
    motion: float = 0.0


STILL = SceneChange()
"""A frame that follows on, from a camera that stands still."""


def thumbnail(luma: Image) -> FloatArray:
    """Return the structure of a grey picture as (27, 48) float32, local mean removed.

    Four samples a cell instead of an area mean: it costs the same for any size of picture.

    Args:
        luma: (H, W) uint8, at least 1x1.
    """
    height, width = luma.shape
    rows = (np.arange(2 * ROWS) * height) // (2 * ROWS)
    columns = (np.arange(2 * COLUMNS) * width) // (2 * COLUMNS)
    cells = luma[np.ix_(rows, columns)].astype(np.float32).reshape(ROWS, 2, COLUMNS, 2).mean(axis=(1, 3))
    return _structure(cells)


def _structure(cells: FloatArray) -> FloatArray:
    """Subtract the mean of the 3x3 neighbours: sky above and road below are in every picture."""
    padded = np.pad(cells, 1, mode="edge")
    across = padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]
    around = across[:-2] + across[1:-1] + across[2:]
    structure: FloatArray = cells - around / np.float32(9.0)
    return structure


def change(before: FloatArray, now: FloatArray) -> float:
    """Return 0 (same structure) .. 1 (unrelated): one minus the correlation of two thumbnails."""
    norm = float(np.linalg.norm(before) * np.linalg.norm(now))
    return 1.0 - max(0.0, float(np.vdot(before, now)) / norm) if norm > 0.0 else 0.0


def motion(before: FloatArray, now: FloatArray) -> float:
    """Return the share of edge cells, 0..1, that look different in two thumbnails."""
    strength = np.maximum(np.abs(before), np.abs(now))
    edges = strength > _EDGE
    moved: npt.NDArray[np.bool_] = np.abs(before - now) > strength / 2
    return float(moved[edges].mean()) if edges.any() else 0.0


class CutDetector:
    """Watches one stream for breaks; about 50 us a frame."""

    def __init__(self, settings: CutSettings | None = None) -> None:
        self._settings = settings or CutSettings()
        self._segment: int | None = None
        self._before: FloatArray | None = None
        self._reference: deque[tuple[float, FloatArray]] = deque()
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
        reason = self._break_reason(segment, scene)
        if reason:
            self._reference.clear()
            self._usual.clear()
        self._segment = segment
        return SceneChange(reason, self._motion(pts_s, scene))

    def _break_reason(self, segment: int, scene: FloatArray) -> str | None:
        is_broken = self._segment is not None and segment != self._segment
        # A black or flashed frame between two of one scene is no cut: compare what shows something.
        is_flat = float(np.sqrt(np.mean(scene * scene))) < _FLAT
        amount = 0.0 if self._before is None or is_flat else change(self._before, scene)
        usual = float(np.median(self._usual)) if self._usual else 0.0
        limit = max(self._settings.min_change, min(self._settings.over_usual * usual, 0.95))
        if not is_flat:
            self._before = scene
            self._usual.append(amount)
        if amount > limit:
            return "cut"
        return "segment" if is_broken else None

    def _motion(self, pts_s: float, scene: FloatArray) -> float:
        queue = self._reference
        queue.append((pts_s, scene))
        while len(queue) > 2 and pts_s - queue[1][0] >= self._settings.motion_lag_s:
            queue.popleft()
        return motion(queue[0][1], scene) if len(queue) > 1 else 0.0
