"""Augmentation for the detector: mosaics, scale, plates pasted and exchanged, light and camera faults.

Everything works on uint8 pictures with OpenCV, which releases the interpreter's lock, so one background
thread feeds a training.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from tools.training.detector_data import Array, Picture, Scene, Scenes

Tile = tuple[int, int, int, int]
"""left top right bottom in pixels of the sample."""

GREY = 114
IGNORED_BELOW_PX = 5.0
VISIBLE_SHARE = 0.5
BOX_GUARD = 1.6
MOST_ENLARGED = 3.0
LEVEL_ASPECT = 3.0
GRIDS = ((2, 1), (2, 1), (2, 2), (2, 2), (3, 2))
"""Columns and rows of mosaics."""


@dataclass(frozen=True)
class Sample:
    """One training picture. `picture`: (h, w, 3) uint8 BGR; `boxes`: (n, 4) float32 x1 y1 x2 y2 and `quads`:
    (n, 4, 2) float32 (NaN where unknown), both in its pixels; `ignored`: (h/8, w/8) bool, cells whose
    objectness is not to be judged."""

    picture: Picture
    boxes: Array
    quads: Array
    ignored: NDArray[np.bool_]


@dataclass(frozen=True)
class Recipe:
    """How strongly to augment; probabilities unless the name says otherwise."""

    mosaic: float = 0.7
    empty: float = 0.25
    flip: float = 0.5
    exchange: float = 0.25
    paste: float = 0.15
    decoy: float = 0.15
    light: float = 0.8
    camera: float = 0.5
    focus: float = 0.7
    whole_zoom: tuple[float, float] = (0.6, 2.2)
    tile_zoom: tuple[float, float] = (0.8, 2.8)
    aim: float = 0.4
    aimed_px: tuple[float, float] = (12.0, 180.0)
    dark: float = 0.08
    """Of the plates laid into a picture: light characters on dark."""
    aside: float = 0.08
    """Of pictures: narrowed, as if seen from far aside."""
    turn: float = 0.35
    turn_degrees: tuple[float, float] = (4.0, 14.0)
    """Spread (standard deviation) of usual and of strong turns; one turn in three is strong, where
    the box can be drawn anew."""


class _Pool:
    """Scenes to draw from by their weights."""

    def __init__(self, scenes: list[Scene]) -> None:
        self.scenes = scenes
        self._limits = np.cumsum([scene.weight for scene in scenes])

    def draw(self, random: np.random.Generator) -> Scene:
        return self.scenes[int(np.searchsorted(self._limits, random.random() * self._limits[-1], "right"))]


class Augmenter:
    """Draws samples without end from `scenes`; the same seed gives the same samples."""

    def __init__(self, scenes: Scenes, recipe: Recipe, seed: int) -> None:
        self._plated = _Pool([scene for scene in scenes.scenes if len(scene.boxes)])
        self._empty = _Pool([scene for scene in scenes.scenes if not len(scene.boxes)])
        self._crops = scenes.crops
        self._random = np.random.default_rng(seed)
        self.recipe = recipe

    def draw(self, width: int, height: int) -> Sample:
        """One sample of `width` x `height` pixels (multiples of 8)."""
        canvas = _Canvas(width, height)
        if self._chance(self.recipe.mosaic):
            self._mosaic(canvas)
        else:
            zoom = self._between(*self.recipe.whole_zoom)
            self._fill(canvas, (0, 0, width, height), self._random.choice([1.0, zoom]))
        picture = canvas.picture
        if self._chance(self.recipe.light):
            picture = relight(picture, self._random)
        if self._chance(self.recipe.camera):
            picture = spoil(picture, self._random)
        return canvas.sample(picture)

    def _chance(self, probability: float) -> bool:
        return bool(self._random.random() < probability)

    def _between(self, low: float, high: float) -> float:
        return float(np.exp(self._random.uniform(np.log(low), np.log(high))))

    def _mosaic(self, canvas: _Canvas) -> None:
        """Two to six pictures; the more there are, the smaller their plates, none of it left empty."""
        height, width = canvas.picture.shape[:2]
        columns, rows = GRIDS[self._random.integers(len(GRIDS))]
        for left, right in pairwise(self._cuts(width, columns)):
            for top, bottom in pairwise(self._cuts(height, rows)):
                self._fill(canvas, (left, top, right, bottom), self._between(*self.recipe.tile_zoom))

    def _cuts(self, length: int, parts: int) -> list[int]:
        """Borders of `parts` uneven parts of `length`, in multiples of 8."""
        shares = self._random.uniform(0.6, 1.4, parts).cumsum()
        return [0, *(int(length * share / shares[-1]) // 8 * 8 for share in shares)]

    def _pick(self) -> Scene:
        has_empty = bool(self._empty.scenes)
        bare = has_empty and (not self._plated.scenes or self._chance(self.recipe.empty))
        scene = (self._empty if bare else self._plated).draw(self._random)
        if has_empty and scene.complete and self._chance(self.recipe.decoy):
            scene = paste_decoy(scene, self._window(), self._random)
        if not self._crops:
            return scene
        if len(scene.boxes) and self._chance(self.recipe.exchange):
            return exchange_plates(scene, self._crop, self._random)
        if scene.complete and self._chance(self.recipe.paste):
            return paste_plate(scene, self._crop(), self._random)
        return scene

    def _window(self) -> Picture:
        """A part of a picture without plates, in the shape of a plate."""
        picture = self._empty.draw(self._random).picture
        height = int(self._random.integers(6, max(7, picture.shape[0] // 3)))
        width = min(int(height * self._random.uniform(1, 5)), picture.shape[1])
        x, y = self._random.integers(0, (picture.shape[1] - width + 1, picture.shape[0] - height))
        return picture[y : y + height, x : x + width]

    def _crop(self) -> Picture:
        crop = self._crops[self._random.integers(len(self._crops))]
        return np.asarray(255 - crop, dtype=np.uint8) if self._chance(self.recipe.dark) else crop

    def _fill(self, canvas: _Canvas, tile: Tile, zoom: float) -> None:
        """Put a random scene into a tile, `zoom` times as large as fits it."""
        scene = self._pick()
        left, top, right, bottom = tile
        height, width = scene.picture.shape[:2]
        scale = min((right - left) / width, (bottom - top) / height) * zoom
        if len(scene.boxes) and self._chance(self.recipe.aim):
            scale = self._aimed(scene, right - left, bottom - top)
        stretch = float(np.exp(self._random.normal(0, self._random.choice([0.08, 0.08, 0.2]))))
        scale_x, scale_y = scale * stretch, scale / stretch
        if self._chance(self.recipe.aside):
            scale_x *= self._random.uniform(0.4, 0.8)
        matrix = np.array([[scale_x, 0, 0], [0, scale_y, 0]], np.float32)
        if self._chance(self.recipe.turn):
            matrix = _rotation(width, height, self._angle(scene)) @ np.vstack([matrix, [0, 0, 1]])
            matrix = _recentred(matrix, width, height, scale_x, scale_y)
        if self._chance(self.recipe.flip):
            matrix = np.array([[-1, 0, width * scale_x], [0, 1, 0]]) @ np.vstack([matrix, [0, 0, 1]])
        matrix = matrix.astype(np.float32)
        space = np.array([right - left, bottom - top], np.float32)
        matrix[:, 2] += self._place(scene, matrix, space, space - (width * scale_x, height * scale_y))
        canvas.put(scene, matrix, tile)

    def _aimed(self, scene: Scene, width: int, height: int) -> float:
        """Scale that gives one plate of `scene` a height drawn evenly over octaves, where it fits a tile of
        `width` x `height` and is not blown up beyond what its pixels bear."""
        box = scene.boxes[self._random.integers(len(scene.boxes))]
        plate_width, plate_height = np.maximum(box[2:] - box[:2], 1)
        wanted = self._between(*self.recipe.aimed_px) / plate_height
        return float(min(wanted, 0.9 * width / plate_width, 0.7 * height / plate_height, MOST_ENLARGED))

    def _angle(self, scene: Scene) -> float:
        usual, strong = self.recipe.turn_degrees
        strongly = self._chance(1 / 3) and is_redrawable(scene)
        return float(self._random.normal(0, strong if strongly else usual))

    def _place(self, scene: Scene, matrix: Array, space: Array, spare: Array) -> Array:
        """Where to move a warped picture of which `spare` (2,) pixels are missing (or too many) to fill
        `space` (2,): anywhere, or so that one of its plates is seen whole."""
        low, high = np.minimum(spare, 0), np.maximum(spare, 0)
        if len(scene.boxes) and self._chance(self.recipe.focus):
            boxes, _ = warp_plates(scene, matrix)
            box = boxes[self._random.integers(len(boxes))]
            tight_low, tight_high = np.maximum(low, -box[:2]), np.minimum(high, space - box[2:])
            if (tight_low <= tight_high).all():
                low, high = tight_low, tight_high
        return np.asarray(self._random.uniform(low, high), dtype=np.float32)


def _rotation(width: int, height: int, degrees: float) -> Array:
    return np.asarray(cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0), dtype=np.float32)


def _recentred(matrix: Array, width: int, height: int, scale_x: float, scale_y: float) -> Array:
    """Move the centre of the turned picture to where the unturned one would have it."""
    centre = matrix @ np.array([width / 2, height / 2, 1])
    moved = matrix.astype(np.float32)
    moved[:, 2] += np.array([width * scale_x / 2, height * scale_y / 2]) - centre
    return np.asarray(moved, dtype=np.float32)


class _Canvas:
    """A picture under construction, with what is known about it."""

    def __init__(self, width: int, height: int) -> None:
        self.picture: Picture = np.full((height, width, 3), GREY, np.uint8)
        self._ignored = np.zeros((height // 8, width // 8), bool)
        self._boxes: list[Array] = []
        self._quads: list[Array] = []

    def put(self, scene: Scene, matrix: Array, tile: Tile) -> None:
        """Warp `scene` by `matrix` (2, 3), which maps its pixels to pixels of the tile, into the tile."""
        left, top, right, bottom = tile
        view = self.picture[top:bottom, left:right]
        size = (right - left, bottom - top)
        grey = (GREY, GREY, GREY)
        source, matrix_in = _halved(scene.picture, matrix)
        moved = _between_centres(matrix_in)
        view[:] = cv2.warpAffine(source, moved, size, flags=cv2.INTER_LINEAR, borderValue=grey)
        boxes, quads = warp_plates(scene, matrix)
        shift = np.array([left, top], np.float32)
        boxes, quads = boxes + np.tile(shift, 2), quads + shift
        if not scene.complete:
            self._ignore_rest(tile, boxes)
        clipped = np.clip(boxes, np.tile([left, top], 2), np.tile([right, bottom], 2)).astype(np.float32)
        tall = clipped[:, 3] - clipped[:, 1] >= IGNORED_BELOW_PX
        keep = np.asarray(tall & (_areas(clipped) >= VISIBLE_SHARE * _areas(boxes)))
        for box in clipped[~keep]:
            self._set_ignored(box, True)
        cut = np.abs(clipped - boxes).max(1, initial=0) > 0.01
        quads[cut] = np.nan
        self._boxes.append(clipped[keep])
        self._quads.append(quads[keep])

    def _ignore_rest(self, tile: Tile, boxes: Array) -> None:
        """Judge an incomplete picture only around its labelled plates."""
        self._set_ignored(np.array(tile, np.float32), True)
        for box in boxes:
            centre, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) / 2 * BOX_GUARD
            around = np.concatenate([centre - half, centre + half])
            low, high = np.tile(tile[:2], 2), np.tile(tile[2:], 2)
            self._set_ignored(np.clip(around, low, high), False)

    def _set_ignored(self, box: Array, value: bool) -> None:
        if box[2] > box[0] and box[3] > box[1]:
            x1, y1 = (box[:2] / 8).astype(int)
            x2, y2 = np.ceil(box[2:] / 8).astype(int)
            self._ignored[y1:y2, x1:x2] = value

    def sample(self, picture: Picture) -> Sample:
        """What was put together, with `picture` as its final look."""
        boxes = np.concatenate(self._boxes).astype(np.float32)
        return Sample(picture, boxes, np.concatenate(self._quads).astype(np.float32), self._ignored)


def _halved(picture: Picture, matrix: Array) -> tuple[Picture, Array]:
    """Halve a picture that is to be shrunk more than twice, so that the warp does not skip pixels."""
    if abs(float(np.linalg.det(matrix[:, :2]))) > 0.25:
        return picture, matrix
    height, width = picture.shape[:2]
    small = cv2.resize(picture, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    doubled = matrix.copy()
    doubled[:, 0] *= width / (width // 2)
    doubled[:, 1] *= height / (height // 2)
    return np.asarray(small, dtype=np.uint8), doubled


def _between_centres(matrix: Array) -> Array:
    """`matrix` between the middles of pixels, from which OpenCV counts, instead of their edges, from which
    boxes count."""
    shift = matrix[:, :2].sum(1, keepdims=True) / 2 - 0.5
    return np.asarray(np.concatenate([matrix[:, :2], matrix[:, 2:] + shift], 1), np.float32)


def warp_plates(scene: Scene, matrix: Array) -> tuple[Array, Array]:
    """Boxes (n, 4) and quads (n, 4, 2) of `scene` after `matrix` (2, 3).

    A box with a known quad becomes the quad's bounds, any other the bounds of its own warped corners.
    A mirrored quad is put back in clockwise order from its top left.
    """
    if not len(scene.boxes):
        return np.zeros((0, 4), np.float32), np.zeros((0, 4, 2), np.float32)
    corners = scene.boxes[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2)
    known = np.asarray(np.isfinite(scene.quads).all(axis=(1, 2)))
    corners = np.where(known[:, None, None], scene.quads, corners)
    warped = corners @ matrix[:, :2].T + matrix[:, 2]
    boxes = np.concatenate([warped.min(1), warped.max(1)], 1).astype(np.float32)
    if np.linalg.det(matrix[:, :2]) < 0:
        warped = warped[:, [1, 0, 3, 2]]
    quads = np.where(known[:, None, None], warped, np.nan)
    return boxes, quads.astype(np.float32)


def is_redrawable(scene: Scene) -> bool:
    """Whether the corners of every plate are known: told, or those of its box, as of a plate so long that it
    must lie level."""
    sizes = scene.boxes[:, 2:] - scene.boxes[:, :2]
    known = np.isfinite(scene.quads).all(axis=(1, 2))
    return bool((known | (sizes[:, 0] > LEVEL_ASPECT * sizes[:, 1])).all())


def _areas(boxes: Array) -> Array:
    return np.asarray(np.maximum(boxes[:, 2:] - boxes[:, :2], 0).prod(1), dtype=np.float32)


def exchange_plates(scene: Scene, draw: Callable[[], Picture], random: np.random.Generator) -> Scene:
    """Lay another plate over each known one: real vehicles with plates they never had."""
    picture = scene.picture.copy()
    quads = scene.quads.copy()
    for index, box in enumerate(scene.boxes):
        width, height = box[2:] - box[:2]
        crop = draw()
        rows, columns = crop.shape[:2]
        if height < 6 or abs(np.log((width / height) / (columns / rows))) > 0.5:
            continue
        known = not np.isnan(quads[index]).any()
        target = quads[index] if known else box[[0, 1, 2, 1, 2, 3, 0, 3]].reshape(4, 2)
        _lay(picture, crop, target, random)
    return replace(scene, picture=picture, quads=quads)


def paste_plate(scene: Scene, crop: Picture, random: np.random.Generator) -> Scene:
    """Put one more plate somewhere into `scene`, on a patch of one colour as a bumper would be."""
    pasted = _paste(scene, crop, random)
    if pasted is None:
        return scene
    picture, quad = pasted
    box = np.concatenate([quad.min(0), quad.max(0)])
    boxes, quads = np.concatenate([scene.boxes, box[None]]), np.concatenate([scene.quads, quad[None]])
    return replace(scene, picture=picture, boxes=boxes, quads=quads)


def paste_decoy(scene: Scene, window: Picture, random: np.random.Generator) -> Scene:
    """Put something that is no plate into `scene` as a plate would lie there: it has no box."""
    pasted = _paste(scene, window, random)
    return scene if pasted is None else replace(scene, picture=pasted[0])


def _paste(scene: Scene, crop: Picture, random: np.random.Generator) -> tuple[Picture, Array] | None:
    """The picture with `crop` in it and the crop's corners (4, 2); None where no place was found."""
    rows, columns = crop.shape[:2]
    size = scene.picture.shape[:2]
    height = float(np.exp(random.uniform(np.log(9), np.log(max(0.22 * min(size), 10)))))
    width = min(height * columns / rows, 0.7 * size[1])
    centre = random.uniform((width / 2, height), (size[1] - width / 2, size[0] - height))
    quad = (_tilted(width, height, random) + centre).astype(np.float32)
    box = np.concatenate([quad.min(0), quad.max(0)]).astype(np.float32)
    inside = box[0] >= 1 and box[1] >= 1 and box[2] < size[1] - 1 and box[3] < size[0] - 1
    if not inside or _overlaps(box, scene.boxes):
        return None
    picture = scene.picture.copy()
    if random.random() < 0.6:
        _bumper(picture, quad, random)
    _lay(picture, crop, quad, random)
    return picture, quad


def _tilted(width: float, height: float, random: np.random.Generator) -> Array:
    """Corners (4, 2) around the origin of a plate seen a little from aside."""
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.float32) * (width / 2, height / 2)
    corners += random.normal(0, 0.035, (4, 2)) * (height, height)
    angle, shear = np.radians(random.normal(0, random.choice([5, 5, 15]))), random.normal(0, 0.1)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.asarray(corners @ (turn @ np.array([[1, shear], [0, 1]])).T, dtype=np.float32)


def _overlaps(box: Array, others: Array) -> bool:
    if not len(others):
        return False
    low = np.maximum(box[:2], others[:, :2] - 4)
    high = np.minimum(box[2:], others[:, 2:] + 4)
    return bool(np.all(high > low, axis=1).any())


def _bumper(picture: Picture, quad: Array, random: np.random.Generator) -> None:
    """A patch of one random colour with soft edges around the plate to come."""
    centre = quad.mean(0)
    grown = (quad - centre) * random.uniform((1.1, 1.2), (2.2, 3.5)) + centre
    colour = tuple(float(value) for value in random.integers(0, 256, 3) * random.uniform(0.3, 1))
    mask = np.zeros(picture.shape[:2], np.uint8)
    cv2.fillConvexPoly(mask, grown.astype(np.int32), 255)
    x1, y1, x2, y2 = _window(grown, picture.shape, 4)
    soft = cv2.blur(mask[y1:y2, x1:x2], (5, 5)).astype(np.float32)[..., None] / 255
    view = picture[y1:y2, x1:x2]
    view[:] = (view * (1 - soft) + np.array(colour, np.float32) * soft).astype(np.uint8)


def _window(quad: Array, shape: tuple[int, ...], margin_px: int) -> tuple[int, int, int, int]:
    low = np.maximum(np.floor(quad.min(0)).astype(int) - margin_px, 0)
    high = np.minimum(np.ceil(quad.max(0)).astype(int) + margin_px, [shape[1], shape[0]])
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def _lay(picture: Picture, plate: Picture, quad: Array, random: np.random.Generator) -> None:
    """Warp `plate` onto `quad` (4, 2) of `picture` in place: light of the place, soft edges."""
    x1, y1, x2, y2 = _window(quad, picture.shape, 2)
    if x2 - x1 < 3 or y2 - y1 < 3:
        return
    view = picture[y1:y2, x1:x2]
    plate = _shrunk(plate, float(quad[:, 1].max() - quad[:, 1].min()))
    rows, columns = plate.shape[:2]
    source = np.array([[0, 0], [columns, 0], [columns, rows], [0, rows]], np.float32)
    target = (quad - (x1, y1)).astype(np.float32)
    matrix = cv2.getPerspectiveTransform(source, target)
    size = (x2 - x1, y2 - y1)
    warped = cv2.warpPerspective(plate, matrix, size, borderMode=cv2.BORDER_REPLICATE).astype(np.float32)
    mask = np.zeros((y2 - y1, x2 - x1), np.float32)
    shifted = np.round(target * 16).astype(np.int32)
    cv2.fillConvexPoly(mask, shifted, 1.0, cv2.LINE_AA, 4)
    soft = cv2.blur(mask, (3, 3))[..., None]
    gain = np.clip((view.mean() + 60) / (warped.mean() + 60), 0.5, 1.4) ** random.uniform(0, 1)
    view[:] = np.clip(view * (1 - soft) + warped * gain * soft, 0, 255).astype(np.uint8)


def _shrunk(plate: Picture, height_px: float) -> Picture:
    """Average a plate down to nearly its final height, as a camera does."""
    factor = height_px * 1.3 / plate.shape[0]
    if factor >= 1:
        return plate
    size = (max(int(plate.shape[1] * factor), 2), max(int(plate.shape[0] * factor), 2))
    return np.asarray(cv2.resize(plate, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def relight(picture: Picture, random: np.random.Generator) -> Picture:
    """Exposure, contrast, gamma and white balance in one table per channel; sometimes grey or night."""
    levels = np.arange(256, dtype=np.float32) / 255
    gamma, gain = np.exp(random.normal(0, 0.25)), np.exp(random.normal(0, 0.2))
    if random.random() < 0.12:
        gamma, gain = random.uniform(1.5, 2.5), random.uniform(0.4, 0.9)
    balance = np.exp(random.normal(0, 0.07, 3))
    offset = random.normal(0, 0.05)
    table = np.stack([levels**gamma * gain * factor + offset for factor in balance], 1)
    table = (np.clip(table, 0, 1) * 255).astype(np.uint8)
    if random.random() < 0.15:
        picture = np.asarray(cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR))
        table = np.repeat(table[:, :1], 3, 1)
    if random.random() < 0.04:
        picture = np.asarray(255 - picture, dtype=np.uint8)
    return np.asarray(cv2.LUT(picture, table[None]), dtype=np.uint8)


def spoil(picture: Picture, random: np.random.Generator) -> Picture:
    """One camera fault: noise, soft focus, motion, compression or low resolution."""
    faults = (_noise, _soft, _motion, _compress, _coarse)
    return faults[random.integers(len(faults))](picture, random)


def _noise(picture: Picture, random: np.random.Generator) -> Picture:
    tile = random.normal(0, random.uniform(2, 14), (64, 64, 3))
    rows, columns = -(-picture.shape[0] // 64), -(-picture.shape[1] // 64)
    noise = np.tile(tile, (rows, columns, 1))[: picture.shape[0], : picture.shape[1]]
    return np.asarray(cv2.add(picture, noise, dtype=cv2.CV_8U), dtype=np.uint8)


def _soft(picture: Picture, random: np.random.Generator) -> Picture:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), random.uniform(0.4, 1.5)), dtype=np.uint8)


def _motion(picture: Picture, random: np.random.Generator) -> Picture:
    length = int(random.integers(3, 8))
    kernel = np.zeros((length, length), np.float32)
    tilt = random.integers(0, length)
    cv2.line(kernel, (0, int(tilt)), (length - 1, length - 1 - int(tilt)), 1.0)
    return np.asarray(cv2.filter2D(picture, -1, kernel / kernel.sum()), dtype=np.uint8)


def _compress(picture: Picture, random: np.random.Generator) -> Picture:
    quality = int(random.integers(15, 70))
    _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), dtype=np.uint8)


def _coarse(picture: Picture, random: np.random.Generator) -> Picture:
    height, width = picture.shape[:2]
    factor = random.uniform(0.5, 0.9)
    small = cv2.resize(picture, (int(width * factor), int(height * factor)), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), dtype=np.uint8)
