"""Where plates are: zones, masks, size limits and lines, in fractions of the picture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from anpr_stream.config.tracking import LineSettings, PlaceSettings, RelativePoint
from anpr_stream.types import Box, Detection


def centre(box: Box) -> RelativePoint:
    """Return the centre of a box, in the box's own units."""
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def is_inside(point: RelativePoint, polygon: Sequence[RelativePoint]) -> bool:
    """Tell whether a point lies in a polygon (even-odd rule; edges may count either way)."""
    x, y = point
    inside = False
    for (x1, y1), (x2, y2) in zip(polygon, [*polygon[1:], polygon[0]], strict=True):
        if (y1 > y) != (y2 > y) and x < x1 + (y - y1) * (x2 - x1) / (y2 - y1):
            inside = not inside
    return inside


def _side(point: RelativePoint, start: RelativePoint, end: RelativePoint) -> float:
    """Return above 0 on the left of `start -> end` as seen in the picture (y points down)."""
    return (end[1] - start[1]) * (point[0] - start[0]) - (end[0] - start[0]) * (point[1] - start[1])


def _crosses(before: RelativePoint, now: RelativePoint, line: LineSettings) -> bool:
    """Tell whether the way from `before` to `now` meets the line between its ends."""
    ends = _side(line.start, before, now), _side(line.end, before, now)
    return ends[0] * ends[1] <= 0.0


@dataclass(slots=True)
class _LineSide:
    """On which side of a line a plate is known to be, and since when it may be on the other."""

    is_left: bool
    last_there: RelativePoint
    first_beyond: RelativePoint | None = None
    frames_beyond: int = 0


@dataclass(slots=True)
class Whereabouts:
    """What is known of one plate's way over the picture.

    Attributes:
        zones: names in order of entry.
        crossed: direction of the last line crossed.
    """

    zones: tuple[str, ...] = ()
    crossed: str | None = None
    _frames_inside: Counter[str] = field(default_factory=Counter)
    _sides: dict[int, _LineSide] = field(default_factory=dict)


class Places:
    """The places of one camera.

    Args:
        settings: polygons and lines in fractions of the picture.
    """

    def __init__(self, settings: PlaceSettings | None = None) -> None:
        self._settings = settings or PlaceSettings()

    def refusal(self, box: Box, width: int, height: int) -> str | None:
        """Return why a plate is not looked at: `too_small`, `too_large`, `masked`, `outside`, or None.

        Args:
            box: in pixels of the frame.
            width: of the frame in pixels.
            height: of the frame in pixels.
        """
        plate_height = box[3] - box[1]
        if plate_height < self._settings.min_height_px:
            return "too_small"
        if plate_height > self._settings.max_height_px:
            return "too_large"
        point = _relative(box, width, height)
        if any(is_inside(point, polygon) for polygon in self._settings.mask):
            return "masked"
        include = self._settings.include
        return "outside" if include and not any(is_inside(point, p) for p in include) else None

    def admit(
        self, detections: Sequence[Detection], width: int, height: int
    ) -> tuple[list[Detection], Counter[str]]:
        """Return the detections to look at and the number of the others by reason."""
        refusals = [self.refusal(d.box, width, height) for d in detections]
        kept = [d for d, reason in zip(detections, refusals, strict=True) if reason is None]
        return kept, Counter(reason for reason in refusals if reason)

    def follow(self, way: Whereabouts, box: Box, width: int, height: int) -> None:
        """Take a plate's place in the next looked-at frame into `way`."""
        point = _relative(box, width, height)
        for zone in self._settings.zones:
            if zone.name not in way.zones and is_inside(point, zone.polygon):
                way._frames_inside[zone.name] += 1
                if way._frames_inside[zone.name] >= self._settings.min_frames:
                    way.zones += (zone.name,)
        for number, line in enumerate(self._settings.lines):
            self._follow_line(way, number, line, point)

    def _follow_line(self, way: Whereabouts, number: int, line: LineSettings, point: RelativePoint) -> None:
        is_left = _side(point, line.start, line.end) > 0.0
        side = way._sides.setdefault(number, _LineSide(is_left, point))
        if is_left == side.is_left:
            side.last_there, side.first_beyond, side.frames_beyond = point, None, 0
            return
        side.first_beyond = side.first_beyond or point
        side.frames_beyond += 1
        if side.frames_beyond >= self._settings.min_frames:
            if _crosses(side.last_there, side.first_beyond, line):
                way.crossed = line.to_left if is_left else line.to_right
            way._sides[number] = _LineSide(is_left, point)


def _relative(box: Box, width: int, height: int) -> RelativePoint:
    x, y = centre(box)
    return x / width, y / height
