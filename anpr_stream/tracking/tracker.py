"""Following plates over frames: tentative -> confirmed <-> lost -> ended."""

from __future__ import annotations

from collections.abc import Sequence

from anpr_stream.config.tracking import TrackerSettings
from anpr_stream.tracking.association import assign, pair_costs
from anpr_stream.tracking.motion import PlateMotion, Step
from anpr_stream.types import Detection, Track, TrackState

_TENTATIVE_MISSES = 2
"""Looked-at frames without a detection that end a track which was never confirmed."""


class _Followed:
    """One live track."""

    def __init__(self, track_id: int, detection: Detection, pts_s: float, settings: TrackerSettings) -> None:
        self.track_id = track_id
        self.motion = PlateMotion(detection.box, settings)
        self.detection: Detection | None = detection
        self.first_pts_s = self.last_pts_s = pts_s
        self.hits = 1
        self.misses = 0
        self.state = TrackState.CONFIRMED if settings.confirm_hits == 1 else TrackState.TENTATIVE

    def hit(self, detection: Detection, pts_s: float, confirm_hits: int) -> None:
        self.motion.correct(detection.box)
        self.detection, self.last_pts_s = detection, pts_s
        self.hits, self.misses = self.hits + 1, 0
        if self.hits >= confirm_hits:
            self.state = TrackState.CONFIRMED

    def miss(self, pts_s: float, lost_s: float) -> None:
        self.detection = None
        self.misses += 1
        if self.state is TrackState.TENTATIVE:
            if self.misses >= _TENTATIVE_MISSES:
                self.state = TrackState.ENDED
            return
        # A slow detector may look less than once in `lost_s`: one missed look proves nothing.
        is_over = pts_s - self.last_pts_s > lost_s and self.misses > 1
        self.state = TrackState.ENDED if is_over else TrackState.LOST

    def end(self) -> Track:
        self.state, self.detection = TrackState.ENDED, None
        return self.snapshot()

    def snapshot(self) -> Track:
        return Track(
            track_id=self.track_id,
            state=self.state,
            box=self.motion.box,
            velocity_px_s=self.motion.velocity_px_s,
            detection=self.detection,
            first_pts_s=self.first_pts_s,
            last_pts_s=self.last_pts_s,
            hits=self.hits,
        )


class KalmanTracker:
    """Follows the plates of one camera; implements `PlateTracker`.

    Strong detections go to confirmed and lost tracks first, then to tentative ones; confirmed tracks
    left without one may take a weak detection nearby (second chance of ByteTrack, Zhang et al. 2022);
    strong detections left over start tracks. It may be called for each frame or for every Nth.
    """

    def __init__(self, settings: TrackerSettings | None = None) -> None:
        self._settings = settings or TrackerSettings()
        self._followed: list[_Followed] = []
        self._pts_s: float | None = None
        self._next_id = 1

    def update(self, pts_s: float, detections: Sequence[Detection]) -> list[Track]:
        """Take one frame's detections.

        Args:
            pts_s: stream time of the frame; a jump (see `TrackerSettings.max_gap_s`) ends all tracks.
            detections: boxes in pixels of the source frame, in any order.

        Returns:
            All live tracks and those that ended just now, in order of their ids.
        """
        broken = self._advance(pts_s)
        strong = [d for d in detections if d.confidence >= self._settings.strong_confidence]
        weak_limit, strong_limit = self._settings.weak_confidence, self._settings.strong_confidence
        weak = [d for d in detections if weak_limit <= d.confidence < strong_limit]
        known = [f for f in self._followed if f.state is not TrackState.TENTATIVE]
        tentative = [f for f in self._followed if f.state is TrackState.TENTATIVE]
        known, strong = self._match(known, strong, pts_s)
        tentative, strong = self._match(tentative, strong, pts_s)
        lost = [f for f in known if f.state is TrackState.LOST]
        seen = [f for f in known if f.state is TrackState.CONFIRMED]
        seen, _ = self._match(seen, weak, pts_s, self._settings.weak_reach_heights)
        for followed in lost + seen + tentative:
            followed.miss(pts_s, self._settings.lost_s)
        self._start(strong, pts_s)
        return broken + self._report()

    def cut(self) -> list[Track]:
        """End all tracks (hard cut, time jump, end of stream) and return them."""
        ended = [followed.end() for followed in self._followed]
        self._followed = []
        self._pts_s = None
        return ended

    def _advance(self, pts_s: float) -> list[Track]:
        """Move all tracks to the frame's time, or end them if it does not follow on."""
        dt_s = 0.0 if self._pts_s is None else pts_s - self._pts_s
        broken = [] if 0.0 <= dt_s <= self._settings.max_gap_s else self.cut()
        if self._followed and dt_s > 0.0:
            step = Step(dt_s, self._settings)
            for followed in self._followed:
                followed.motion.predict(step)
        self._pts_s = pts_s
        return broken

    def _match(
        self, tracks: list[_Followed], detections: list[Detection], pts_s: float, reach: float = float("inf")
    ) -> tuple[list[_Followed], list[Detection]]:
        """Join what belongs together; return what is left of both."""
        if not tracks or not detections:
            return tracks, detections
        lost_reach = min(reach, self._settings.lost_reach_heights)
        reaches = [lost_reach if track.state is TrackState.LOST else reach for track in tracks]
        boxes = [detection.box for detection in detections]
        costs = pair_costs([track.motion for track in tracks], boxes, reaches, self._settings)
        pairs = assign(costs)
        for row, column in pairs:
            tracks[row].hit(detections[column], pts_s, self._settings.confirm_hits)
        rows, columns = {row for row, _ in pairs}, {column for _, column in pairs}
        return (
            [track for i, track in enumerate(tracks) if i not in rows],
            [detection for i, detection in enumerate(detections) if i not in columns],
        )

    def _start(self, detections: Sequence[Detection], pts_s: float) -> None:
        for detection in detections:
            self._followed.append(_Followed(self._next_id, detection, pts_s, self._settings))
            self._next_id += 1

    def _report(self) -> list[Track]:
        tracks = [followed.snapshot() for followed in self._followed]
        self._followed = [f for f in self._followed if f.state is not TrackState.ENDED]
        return tracks
