"""Whole traffic clips with their truth, painted from nothing: no data set, no model, one seed.

A camera looks along a road. Cars come nearer on the left and drive away on the right, each a flat
front or rear with its depth hinted at, projected by a pinhole camera, so that corners are exact.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from anpr_stream.plates.formats import PlateFormat, load_formats
from anpr_stream.synth.degrade import noisy
from anpr_stream.synth.draw import Colour, Rng, pick
from anpr_stream.synth.truth import TruthPlate, as_quad
from anpr_stream.synth.vehicles import SIZE_M, Vehicle, paint_vehicle
from anpr_stream.types import FloatArray, Image, Quad
from anpr_stream.vision.geometry import quad_bounds

FORMATS = ("tw", "de", "fr", "gb", "nl", "br", "us")
CAMERA_HEIGHT_M = 2.7
HORIZON = 0.2
"""Row of the horizon as a part of the picture's height."""
FOCAL = 1.3
"""Focal length in widths of the picture (42 degrees across)."""
LANES_M = (-1.75, 1.75)
"""Middle of the lane of oncoming and of leaving cars."""
FAR_M, NEAR_M = 34.0, 5.0
LENGTH_M = 3.6
ROOF_M = 1.7
ROOF_INSET = 0.14
"""On each side, in widths of the car."""
MIN_PLATE_PX = 6.0


@dataclass(frozen=True, slots=True)
class _Trip:
    """One car's way through the picture.

    Attributes:
        track_id: from 1.
        vehicle: what is seen.
        lane: index of `LANES_M`.
        start_s: when it enters.
        speed_m_s: along the road.
        yaw: turn of the car against the road in radians.
        levels: pictures and masks of the vehicle, each half the size of the one before.
    """

    track_id: int
    vehicle: Vehicle
    lane: int
    start_s: float
    speed_m_s: float
    yaw: float
    levels: tuple[tuple[Image, Image], ...]

    def distance_m(self, time_s: float) -> float | None:
        """Return how far the car is from the camera, None while it is not in the picture."""
        way_m = (time_s - self.start_s) * self.speed_m_s
        if not 0.0 <= way_m <= FAR_M - NEAR_M:
            return None
        return FAR_M - way_m if self.lane == 0 else NEAR_M + way_m


def traffic_clip(
    seed: int,
    size: tuple[int, int] = (1280, 720),
    fps: float = 25.0,
    seconds: float = 8.0,
    vehicles: int = 4,
    formats: Sequence[str] = FORMATS,
    background: Image | None = None,
) -> Iterator[tuple[Image, list[TruthPlate]]]:
    """Yield the frames of a clip with the plates that can be seen whole in each.

    Args:
        seed: decides everything; the same seed gives the same clip.
        size: width and height in pixels.
        fps: frames a second.
        seconds: length of the clip; every car passes within it.
        vehicles: number of cars; their `track_id` is 1, 2, ...
        formats: countries or groups of their plates.
        background: (H, W, 3) BGR of `size` in place of the painted road.
    """
    rng = np.random.default_rng(seed)
    road = paint_road(rng, size) if background is None else background
    trips = _plan(rng, vehicles, seconds, formats)
    for number in range(round(seconds * fps)):
        frame, truth = _frame(road, trips, number / fps)
        yield noisy(rng, frame, 2.0), truth


def _plan(rng: Rng, vehicles: int, seconds: float, formats: Sequence[str]) -> list[_Trip]:
    """Spread the cars evenly over the clip, lanes in turn, all of one lane equally fast."""
    known = load_formats(formats).formats
    rounds = -(-vehicles // len(LANES_M))
    crossing_s = min(6.0, seconds / (1 + 0.5 * (rounds - 1)))
    headway_s = (seconds - crossing_s) / max(1, rounds - 1)
    return [
        _trip(
            rng, number, pick(rng, known), number // len(LANES_M) * headway_s, (FAR_M - NEAR_M) / crossing_s
        )
        for number in range(vehicles)
    ]


def _trip(rng: Rng, number: int, plate_format: PlateFormat, start_s: float, speed_m_s: float) -> _Trip:
    lane = number % len(LANES_M)
    vehicle = paint_vehicle(rng, plate_format, front=lane == 0)
    levels = [(vehicle.image, vehicle.mask)]
    while levels[-1][1].shape[0] > 60:
        image, mask = levels[-1]
        half = (mask.shape[1] // 2, mask.shape[0] // 2)
        smaller = (cv2.resize(picture, half, interpolation=cv2.INTER_AREA) for picture in (image, mask))
        levels.append((np.asarray(next(smaller), np.uint8), np.asarray(next(smaller), np.uint8)))
    yaw = float(rng.normal(0, 0.06))
    return _Trip(number + 1, vehicle, lane, start_s, speed_m_s, yaw, tuple(levels))


def _frame(road: Image, trips: Sequence[_Trip], time_s: float) -> tuple[Image, list[TruthPlate]]:
    """Draw the cars from far to near; a plate that a nearer car touches is not in the truth."""
    frame = road.copy()
    present = [(distance, trip) for trip in trips if (distance := trip.distance_m(time_s)) is not None]
    truth: list[TruthPlate] = []
    for distance_m, trip in sorted(present, key=lambda one: -one[0]):
        hull = _project(_corners_m(trip, distance_m), frame.shape[1::-1])
        covers = _draw(frame, trip, distance_m, hull)
        truth = [plate for plate in truth if not any(_touch(cover, plate.quad) for cover in covers)]
        plate = _truth(trip, hull)
        if _whole(plate, frame.shape[1::-1]):
            truth.append(plate)
    return frame, truth


def _corners_m(trip: _Trip, distance_m: float) -> npt.NDArray[np.float64]:
    """Return the corners of the car's flat side: right, up and away from the camera, in metres."""
    across = SIZE_M[0] / 2 * np.array([-1, 1, 1, -1])
    up = np.array([SIZE_M[1], SIZE_M[1], 0.0, 0.0])
    right = LANES_M[trip.lane] + across * np.cos(trip.yaw)
    return np.stack([right, up, distance_m + across * np.sin(trip.yaw)], axis=1)


def _project(points_m: npt.NDArray[np.float64], size: tuple[int, int]) -> FloatArray:
    """Project points (n, 3) to pixels (n, 2) through a pinhole over the road."""
    focal_px = FOCAL * size[0]
    x = size[0] / 2 + focal_px * points_m[:, 0] / points_m[:, 2]
    y = HORIZON * size[1] + focal_px * (CAMERA_HEIGHT_M - points_m[:, 1]) / points_m[:, 2]
    return np.stack([x, y], axis=1).astype(np.float32)


def _draw(frame: Image, trip: _Trip, distance_m: float, hull: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Draw shadow, flat side and roof of a car; return the outlines of the last two."""
    size = frame.shape[1::-1]
    corners_m = _corners_m(trip, distance_m)
    behind = _project(corners_m + np.array((0.0, 0.0, LENGTH_M)), size)
    shadow = np.concatenate([hull[2:], behind[2:]])
    _fill(frame, shadow, (38, 38, 38))
    roof_m = corners_m[:2] * (1, 0.99, 1) + np.array([[1, 0, 0], [-1, 0, 0]]) * SIZE_M[0] * ROOF_INSET
    roof = _project(np.concatenate([roof_m, roof_m + np.array((0.0, 0.0, ROOF_M))]), size)
    blue, green, red = (int(0.75 * channel) for channel in trip.vehicle.paint)
    _fill(frame, roof, (blue, green, red))
    _overlay(frame, trip, hull)
    return hull, np.asarray(cv2.convexHull(roof)[:, 0], np.float32)


def _fill(frame: Image, points: FloatArray, shade: Colour) -> None:
    hull = cv2.convexHull(np.rint(points).astype(np.int32))
    cv2.fillConvexPoly(frame, hull, shade, cv2.LINE_AA)


def _overlay(frame: Image, trip: _Trip, hull: FloatArray) -> None:
    """Warp the car into the part of the frame that it covers."""
    height, width = frame.shape[:2]
    left, top = np.maximum(np.floor(hull.min(axis=0)), 0).astype(int).tolist()
    right, bottom = np.minimum(np.ceil(hull.max(axis=0)) + 1, (width, height)).astype(int).tolist()
    if right <= left or bottom <= top:
        return
    wanted_px = float(np.ptp(hull[:, 0]))
    image, mask = next(
        (level for level in reversed(trip.levels) if level[1].shape[1] >= wanted_px), trip.levels[0]
    )
    matrix = cv2.getPerspectiveTransform(_outline(mask.shape), hull - np.array((left, top), np.float32))
    part = (right - left, bottom - top)
    share = cv2.merge([cv2.warpPerspective(mask, matrix, part)] * 3)
    drawn = cv2.multiply(cv2.warpPerspective(image, matrix, part), share, scale=1 / 255)
    area = frame[top:bottom, left:right]
    area[:] = cv2.add(cv2.multiply(area, cv2.bitwise_not(share), scale=1 / 255), drawn)


def _outline(shape: tuple[int, ...]) -> FloatArray:
    """Return the outer corners of a picture, in coordinates where pixel centres are whole numbers."""
    height, width = shape[:2]
    unit = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    return (unit * (width, height) - 0.5).astype(np.float32)


def _truth(trip: _Trip, hull: FloatArray) -> TruthPlate:
    matrix = cv2.getPerspectiveTransform(_outline(trip.vehicle.mask.shape), hull)
    corners = cv2.perspectiveTransform(trip.vehicle.corners[None] - 0.5, matrix)[0]
    face, quad = trip.vehicle.face, as_quad(corners)
    return TruthPlate(
        text=face.text,
        country=face.format.country,
        line_lengths=face.line_lengths,
        quad=quad,
        box=quad_bounds(quad),
        track_id=trip.track_id,
    )


def _touch(outline: FloatArray, quad: Quad) -> bool:
    area, _ = cv2.intersectConvexConvex(outline, np.array(quad, np.float32))
    return bool(area > 0)


def _whole(plate: TruthPlate, size: tuple[int, int]) -> bool:
    x1, y1, x2, y2 = plate.box
    return min(x1, y1) >= 0 and x2 < size[0] and y2 < size[1] and plate.height_px >= MIN_PLATE_PX


def paint_road(rng: Rng, size: tuple[int, int]) -> Image:
    """Paint sky, verge and a road with markings, (H, W, 3) BGR."""
    width, height = size
    picture = np.empty((height, width, 3), np.uint8)
    horizon = round(HORIZON * height)
    picture[:horizon] = np.linspace((205, 180, 150), (225, 215, 205), horizon)[:, None]
    picture[horizon:] = (62, 96, 84)
    edge_m = LANES_M[1] + 2.1
    _strip(picture, -edge_m, edge_m, (86, 86, 86), 60.0)
    for side_m in (-edge_m + 0.25, edge_m - 0.25):
        _strip(picture, side_m - 0.07, side_m + 0.07, (205, 205, 205), 60.0)
    for start_m in range(4, 58, 6):
        _strip(picture, -0.07, 0.07, (200, 200, 200), start_m + 3.0, float(start_m))
    return np.asarray(cv2.GaussianBlur(noisy(rng, picture, 5.0), (0, 0), 0.7), np.uint8)


def _strip(
    picture: Image, left_m: float, right_m: float, shade: Colour, far_m: float, near_m: float = 1.5
) -> None:
    corners_m = [(left_m, 0.0, far_m), (right_m, 0.0, far_m), (right_m, 0.0, near_m), (left_m, 0.0, near_m)]
    corners = _project(np.array(corners_m), picture.shape[1::-1])
    cv2.fillConvexPoly(picture, np.rint(corners).astype(np.int32), shade, cv2.LINE_AA)
