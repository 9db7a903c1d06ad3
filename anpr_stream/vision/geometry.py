"""Boxes and quads: arithmetic on arrays, nothing about pictures."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from anpr_stream.types import Box, FloatArray, Point, Quad


def box_area(boxes: FloatArray) -> FloatArray:
    """Areas (n,) of boxes (n, 4) `x1 y1 x2 y2`; 0 for turned-over boxes."""
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 0)
    return np.asarray(sides[:, 0] * sides[:, 1], np.float32)


def shared_sides(a: FloatArray, b: FloatArray) -> FloatArray:
    """Widths and heights (n, m, 2) that boxes (n, 4) and (m, 4) share; 0 where they are apart."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    return np.asarray(np.maximum(high - low, 0), np.float32)


def intersections(a: FloatArray, b: FloatArray) -> FloatArray:
    """Areas (n, m) that boxes (n, 4) and (m, 4) share."""
    sides = shared_sides(a, b)
    return np.asarray(sides[..., 0] * sides[..., 1], np.float32)


def iou(a: FloatArray, b: FloatArray) -> FloatArray:
    """Intersection over union (n, m) of boxes (n, 4) and (m, 4)."""
    shared = intersections(a, b)
    union = box_area(a)[:, None] + box_area(b)[None, :] - shared
    return np.asarray(shared / np.maximum(union, 1e-9), np.float32)


def expand_box(box: Box, margin: float) -> Box:
    """Grow a box on each side by a fraction of its own width and height."""
    x1, y1, x2, y2 = box
    dx, dy = margin * (x2 - x1), margin * (y2 - y1)
    return x1 - dx, y1 - dy, x2 + dx, y2 + dy


def clip_box(box: Box, width: float, height: float) -> Box:
    """Cut a box to the picture 0..width, 0..height; what lies outside becomes empty at the edge."""
    x1, y1, x2, y2 = box
    return (
        min(max(x1, 0.0), width),
        min(max(y1, 0.0), height),
        min(max(x2, 0.0), width),
        min(max(y2, 0.0), height),
    )


def touches_edge(box: Box, width: float, height: float, slack_px: float) -> bool:
    """Tell whether a box reaches within `slack_px` of the picture's edge: part of it may be missing."""
    x1, y1, x2, y2 = box
    return x1 <= slack_px or y1 <= slack_px or x2 >= width - slack_px or y2 >= height - slack_px


def quad_sides(quad: Quad) -> tuple[float, float]:
    """Mean width (top, bottom) and mean height (left, right) of a quad, in its own unit."""
    a, b, c, d = quad
    return (math.dist(a, b) + math.dist(c, d)) / 2, (math.dist(a, d) + math.dist(b, c)) / 2


def quad_bounds(quad: Quad) -> Box:
    """Smallest box around a quad."""
    xs, ys = zip(*quad, strict=True)
    return min(xs), min(ys), max(xs), max(ys)


def expand_quad(quad: Quad, margin: float) -> Quad:
    """Grow a quad on each side by a fraction of its own sides, along them (bilinear extrapolation)."""
    corners = np.asarray(quad, dtype=np.float64)

    def at(u: float, v: float) -> Point:
        weights = np.array([(1 - u) * (1 - v), u * (1 - v), u * v, (1 - u) * v])
        x, y = weights @ corners
        return float(x), float(y)

    low, high = -margin, 1 + margin
    return at(low, low), at(high, low), at(high, high), at(low, high)


def is_convex_clockwise(quad: Quad) -> bool:
    """Tell whether the corners go round clockwise (y down) without a dent: a quad that can be rectified."""
    edges = [(bx - ax, by - ay) for (ax, ay), (bx, by) in pairwise((*quad, quad[0]))]
    return all(ax * by - ay * bx > 0 for (ax, ay), (bx, by) in pairwise((*edges, edges[0])))
