"""One plate's way over the picture: where, how long, in which direction, and whether it stands."""

from __future__ import annotations

import math

from anpr_stream.config.tracking import VisitSettings
from anpr_stream.tracking.zones import Places, Whereabouts, centre
from anpr_stream.types import Box, Moment, Point
from anpr_stream.vision.geometry import touches_edge

_FIRM = 1.5
"""Another direction must be so many times clearer than the one already told."""
_SMOOTHING = 0.3
"""Share of a new height in the smoothed one: boxes tremble."""
_SETTLED_AFTER = 4
"""Whole boxes until the smoothed height is the plate's, from which growth is measured."""
_MAX_COAST_S = 2.0
"""Longest time for which an unseen plate is believed to move on as it did."""


def height(box: Box) -> float:
    """Return the height of a box in pixels, at least a thousandth."""
    return max(box[3] - box[1], 1e-3)


def distance_heights(one: Box, other: Box) -> float:
    """Return the distance of the centres of two boxes in heights of the larger one."""
    (x1, y1), (x2, y2) = centre(one), centre(other)
    return math.hypot(x1 - x2, y1 - y2) / max(height(one), height(other))


class Path:
    """What is known of a plate's way.

    Args:
        box: where it was first seen, in pixels.
        moment: when.
        now_s: the same time on the keeper's own clock.
        settings: thresholds.

    Attributes:
        first: moment of the first detection.
        last: moment of the last one.
        seen_s: the same on the keeper's clock.
        box: filtered box at that time.
        first_box: filtered box at the first detection.
        direction: `approaching`, `leaving`, `left`, `right`, or None while unclear.
        whereabouts: zones and lines.
        moved_heights: furthest way from the first box.
    """

    def __init__(self, box: Box, moment: Moment, now_s: float, settings: VisitSettings) -> None:
        self._settings = settings
        self.first = self.last = moment
        self.first_s = self.seen_s = now_s
        self.first_box = self.box = self._anchor = box
        self.velocity_px_s: Point = (0.0, 0.0)
        self.direction: str | None = None
        self.whereabouts = Whereabouts()
        self.moved_heights = 0.0
        self._still_since_s = now_s
        self._log_height = 0.0
        self._first_log_height = 0.0
        self._whole_boxes = 0

    @property
    def dwell_s(self) -> float:
        """Time between first and last detection."""
        return self.seen_s - self.first_s

    @property
    def is_parked(self) -> bool:
        """True when it stood still for long enough before it was last seen."""
        return self.seen_s - self._still_since_s >= self._settings.parked_after_s

    def follow(
        self,
        box: Box,
        velocity_px_s: Point,
        moment: Moment,
        now_s: float,
        size: tuple[int, int],
        places: Places,
    ) -> None:
        """Take the place where the plate was seen now.

        Args:
            box: filtered, in pixels.
            velocity_px_s: of its centre.
            moment: of the frame.
            now_s: the same on the keeper's clock.
            size: width and height of the frame in pixels.
            places: zones and lines.
        """
        self.box, self.velocity_px_s, self.last, self.seen_s = box, velocity_px_s, moment, now_s
        self.moved_heights = max(self.moved_heights, distance_heights(box, self.first_box))
        if distance_heights(box, self._anchor) > self._settings.still_heights:
            self._anchor, self._still_since_s = box, now_s
        places.follow(self.whereabouts, box, *size)
        # A box this near the edge may be cut by it, and then its height is not the plate's.
        if not touches_edge(box, *size, slack_px=height(box) / 4):
            self._measure(box)
        self._turn()

    def end_at(self, box: Box, moment: Moment, now_s: float) -> None:
        """Take that it was last seen here: what followed was another plate."""
        self.box, self.last, self.seen_s = box, moment, now_s

    def continue_with(self, other: Path) -> None:
        """Go on as another track of the same plate did."""
        self.box, self.velocity_px_s = other.box, other.velocity_px_s
        self.last, self.seen_s = other.last, other.seen_s
        self.moved_heights = max(self.moved_heights, distance_heights(other.box, self.first_box))
        if other.moved_heights > self._settings.still_heights or not self._is_near(other.box):
            self._anchor, self._still_since_s = other._anchor, other._still_since_s
        known = self.whereabouts.zones
        self.whereabouts.zones += tuple(z for z in other.whereabouts.zones if z not in known)
        self.whereabouts.crossed = other.whereabouts.crossed or self.whereabouts.crossed
        self.direction = other.direction or self.direction

    def leads_to(self, other: Path) -> bool:
        """Tell whether a plate seen later may be this one: near where it was or should be by then."""
        gap_s = min(max(other.first_s - self.seen_s, 0.0), _MAX_COAST_S)
        x, y = (speed * gap_s for speed in self.velocity_px_s)
        moved = (self.box[0] + x, self.box[1] + y, self.box[2] + x, self.box[3] + y)
        slack = self._settings.same_place_heights * (1.0 + gap_s)
        return min(distance_heights(b, other.first_box) for b in (self.box, moved)) <= slack

    def _is_near(self, box: Box) -> bool:
        return distance_heights(box, self._anchor) <= self._settings.still_heights

    def _measure(self, box: Box) -> None:
        log_height = math.log(height(box))
        if not self._whole_boxes:
            self._log_height = log_height
        self._log_height += _SMOOTHING * (log_height - self._log_height)
        self._whole_boxes += 1
        if self._whole_boxes <= _SETTLED_AFTER:
            self._first_log_height = self._log_height

    def _turn(self) -> None:
        """Tell the direction by growth or by the way to the side, whichever is clearer."""
        growth = (self._log_height - self._first_log_height) / math.log(self._settings.growth)
        way = centre(self.box)[0] - centre(self.first_box)[0]
        side = way / (self._settings.sideways_heights * max(height(self.box), height(self.first_box)))
        scores = {"approaching": growth, "leaving": -growth, "right": side, "left": -side}
        best = max(scores, key=lambda name: scores[name])
        known = scores[self.direction] if self.direction else 0.0
        if scores[best] >= max(1.0, _FIRM * known):
            self.direction = best
