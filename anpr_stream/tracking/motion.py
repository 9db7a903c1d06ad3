"""A plate's motion: a constant-velocity Kalman filter in seconds and plate heights."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from filterpy.kalman import KalmanFilter

from anpr_stream.config.tracking import TrackerSettings
from anpr_stream.types import Box, Point

Matrix = npt.NDArray[np.float64]

_OBSERVE: Matrix = np.array([[1.0, 0.0]])


def measure(box: Box) -> Matrix:
    """Return `centre x, centre y, log height, log aspect` of a box as (1, 4) float64."""
    x1, y1, x2, y2 = box
    height, width = max(y2 - y1, 1e-3), max(x2 - x1, 1e-3)
    return np.array([[(x1 + x2) / 2, (y1 + y2) / 2, math.log(height), math.log(width / height)]])


class Step:
    """The matrices of one time step, shared by all plates of a frame.

    Args:
        dt_s: seconds since the frame before.
        settings: noise of motion.
    """

    def __init__(self, dt_s: float, settings: TrackerSettings) -> None:
        push = np.array([[dt_s * dt_s / 2], [dt_s]]) * settings.acceleration_heights_s2
        self.transition: Matrix = np.array([[1.0, dt_s], [0.0, 1.0]])
        self.noise: Matrix = push @ push.T


class PlateMotion:
    """Position, size and speed of one plate.

    The four measured axes share one 2x2 covariance in units of plate heights, which is exact as long
    as their noise is the same in these units; so the filter's state is the (2, 4) matrix
    `[[x, y, log h, log aspect], their speeds]`, and one plate costs a 2x2 filter instead of an 8x8
    one. Size and aspect have no speed of their own: extrapolating them makes lost plates explode.
    """

    def __init__(self, box: Box, settings: TrackerSettings) -> None:
        self._filter = KalmanFilter(dim_x=2, dim_z=1)
        self._filter.inv = np.reciprocal  # of one number; the general one is nearly half of the cost
        self._filter.x = np.vstack([measure(box), np.zeros((1, 4))])
        self._filter.P = np.diag([settings.jitter_heights**2, settings.start_speed_heights_s**2])
        self._observation_noise = np.array([[settings.jitter_heights**2]])

    def predict(self, step: Step) -> None:
        """Move on by one time step."""
        self._filter.predict(F=step.transition, Q=step.noise)

    def correct(self, box: Box) -> None:
        """Take the box that was seen at the present time."""
        self._filter.update(measure(box), R=self._observation_noise, H=_OBSERVE)
        self._filter.x[1, 2:] = 0.0

    @property
    def state(self) -> Matrix:
        """(4,) float64: centre x and y in pixels, log of height in pixels, log of aspect."""
        row: Matrix = self._filter.x[0]
        return row

    @property
    def spread_heights(self) -> float:
        """Standard deviation of a measurement from the forecast, in plate heights."""
        return math.sqrt(self._filter.P[0, 0] + self._observation_noise[0, 0])

    @property
    def box(self) -> Box:
        """The filtered box in pixels."""
        x, y, log_height, log_aspect = self.state
        half_height = math.exp(log_height) / 2
        half_width = half_height * math.exp(log_aspect)
        return (x - half_width, y - half_height, x + half_width, y + half_height)

    @property
    def velocity_px_s(self) -> Point:
        """Speed of the centre."""
        return float(self._filter.x[1, 0]), float(self._filter.x[1, 1])
