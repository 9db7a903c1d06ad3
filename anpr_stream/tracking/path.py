"""One plate's way over the picture: where, how long, in which direction, and whether it stands."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

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
LEAST_HEIGHT_PX = 1e-3
"""Of a box without any, so that it can be divided by."""


def height(box: Box) -> float:
    """Return the height of a box in pixels, at least a thousandth."""
    return max(box[3] - box[1], LEAST_HEIGHT_PX)


def scaled(box: Box, scale: Point) -> Box:
    """Return a box in the pixels of a picture so many times as wide and as high."""
    (x1, y1, x2, y2), (x, y) = box, scale
    return (x1 * x, y1 * y, x2 * x, y2 * y)


def distance_heights(one: Box, other: Box) -> float:
    """Return the distance of the centres of two boxes in heights of the larger one."""
    (x1, y1), (x2, y2) = centre(one), centre(other)
    return math.hypot(x1 - x2, y1 - y2) / max(height(one), height(other))


def distances_heights(boxes: Sequence[Box]) -> npt.NDArray[np.float64]:
    """Return `distance_heights` of each box to each, (n, n)."""
    x1, y1, x2, y2 = np.array(boxes, np.float64).reshape(-1, 4).T
    ways = np.subtract.outer((x1 + x2) / 2, (x1 + x2) / 2), np.subtract.outer((y1 + y2) / 2, (y1 + y2) / 2)
    heights = np.maximum(y2 - y1, LEAST_HEIGHT_PX)
    distances: npt.NDArray[np.float64] = np.hypot(*ways) / np.maximum.outer(heights, heights)
    return distances


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

    def rescale(self, scale: Point) -> None:
        """Go on in the pixels of a picture so many times as wide and as high."""
        self.box, self.first_box, self._anchor = (
            scaled(box, scale) for box in (self.box, self.first_box, self._anchor)
        )
        self.velocity_px_s = self.velocity_px_s[0] * scale[0], self.velocity_px_s[1] * scale[1]
        self._log_height += math.log(scale[1])
        self._first_log_height += math.log(scale[1])

    def end_at(self, box: Box, moment: Moment, now_s: float) -> None:
        """Take that it was last seen here: what followed was another plate."""
        self.box, self.last, self.seen_s = box, moment, now_s

    def join(self, other: Path) -> None:
        """Take up the way of another track of the same plate, before, after or beside this one's."""
        start, rest = sorted((self, other), key=lambda path: path.first_s)
        end = max(rest, start, key=lambda path: path.seen_s)
        went_on = rest.moved_heights > self._settings.still_heights or not start._is_near(rest.box)
        still = rest if went_on else start
        self._anchor, self._still_since_s = still._anchor, still._still_since_s
        zones = dict.fromkeys((*start.whereabouts.zones, *rest.whereabouts.zones))
        self.whereabouts.zones = tuple(zones)
        self.whereabouts.crossed = rest.whereabouts.crossed or start.whereabouts.crossed
        self.direction = rest.direction or start.direction
        self.moved_heights = max(self.moved_heights, distance_heights(end.box, start.first_box))
        self.first, self.first_s, self.first_box = start.first, start.first_s, start.first_box
        self.box, self.velocity_px_s = end.box, end.velocity_px_s
        self.last, self.seen_s = end.last, end.seen_s

    def leads_to(self, other: Path) -> bool:
        """Tell whether a plate of its text seen later may be this one: near where it was or should be."""
        slack = self._settings.same_place_heights * (1.0 + self._coasts_s(other))
        return self._is_off_by(other) <= slack

    def precedes(self, other: Path) -> bool:
        """Tell whether a plate that came after this one may be this one, where only its place tells."""
        return self.seen_s <= other.first_s and self._is_off_by(other) <= self._settings.same_place_heights

    def _is_off_by(self, other: Path) -> float:
        """Return how many heights another way begins from where this one ended or would be by then."""
        x, y = (speed * self._coasts_s(other) for speed in self.velocity_px_s)
        moved = (self.box[0] + x, self.box[1] + y, self.box[2] + x, self.box[3] + y)
        return min(distance_heights(box, other.first_box) for box in (self.box, moved))

    def _coasts_s(self, other: Path) -> float:
        return min(max(other.first_s - self.seen_s, 0.0), _MAX_COAST_S)

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
