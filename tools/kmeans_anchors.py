"""Choose a detector's anchors by k-means with IoU as distance: `python -m tools.kmeans_anchors --data DATA`.

The plates are clustered as the network sees them: every picture letterboxed to the input's size.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tools.options import ToolParser, whole
from tools.options import plot as plot_file
from tools.refusal import exit_code
from tools.training.detector_data import DataError, read_labels

FloatArray = npt.NDArray[np.float64]
HEADS = 3


@dataclass(frozen=True)
class Clustering:
    """`anchors`: (k, 2) float64 width and height in input pixels, smallest area first; `mean_iou` of every
    plate with its best anchor; `labels`: (n,) index of that anchor."""

    anchors: FloatArray
    mean_iou: float
    labels: npt.NDArray[np.int64]


def shape_iou(sizes: FloatArray, anchors: FloatArray) -> FloatArray:
    """IoU (n, k) of sizes (n, 2) and anchors (k, 2) laid on one centre."""
    shared = np.minimum(sizes[:, None], anchors[None]).prod(2)
    return np.asarray(shared / (sizes.prod(1)[:, None] + anchors.prod(1)[None] - shared))


def cluster(sizes: FloatArray, count: int, seed: int = 0, rounds: int = 300) -> Clustering:
    """k-means over `sizes` (n, 2) with distance 1 - IoU (Redmon and Farhadi, 2017), medians as centres.

    Raises:
        DataError: fewer plates than anchors.
    """
    if len(sizes) < count:
        raise DataError(f"{len(sizes)} plates are too few for {count} anchors")
    random = np.random.default_rng(seed)
    anchors = _spread(sizes, count, random)
    labels = shape_iou(sizes, anchors).argmax(1)
    for _ in range(rounds):
        anchors = np.array([_centre(sizes[labels == index], anchors[index]) for index in range(count)])
        moved = shape_iou(sizes, anchors).argmax(1)
        if np.array_equal(moved, labels):
            break
        labels = moved
    anchors = anchors[np.argsort(anchors.prod(1))]
    overlap = shape_iou(sizes, anchors)
    return Clustering(anchors, float(overlap.max(1).mean()), overlap.argmax(1))


def _spread(sizes: FloatArray, count: int, random: np.random.Generator) -> FloatArray:
    """k-means++: each next centre is drawn by its squared distance from those there are."""
    chosen = [sizes[random.integers(len(sizes))]]
    while len(chosen) < count:
        distance = (1 - shape_iou(sizes, np.array(chosen)).max(1)) ** 2 + 1e-12
        chosen.append(sizes[random.choice(len(sizes), p=distance / distance.sum())])
    return np.array(chosen)


def _centre(members: FloatArray, before: FloatArray) -> FloatArray:
    return np.median(members, axis=0) if len(members) else before


def plate_sizes(folder: Path, split: str, width: int, height: int) -> FloatArray:
    """(n, 2) plate sizes of one split's scenes in pixels of a letterboxed input."""
    sizes = []
    for _, line in read_labels(folder):
        if line.get("kind") == "scene" and line.get("split") == split:
            scale = min(width / line["width"], height / line["height"])
            sizes += [[(x2 - x1) * scale, (y2 - y1) * scale] for x1, y1, x2, y2 in _boxes(line)]
    return np.array(sizes, float).reshape(-1, 2)


def _boxes(line: dict[str, list[dict[str, list[float]]]]) -> list[list[float]]:
    return [plate["box"] for plate in line["plates"]]


def plot(sizes: FloatArray, found: Clustering, path: Path) -> None:
    """Scatter of the plates, coloured by anchor, with the anchors as rectangles."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    axes.scatter(sizes[:, 0], sizes[:, 1], c=found.labels, s=3, cmap="tab10")
    for width, height in found.anchors:
        axes.add_patch(Rectangle((0, 0), width, height, fill=False, linewidth=0.8))
    axes.set(xlabel="width, px", ylabel="height, px", xscale="log", yscale="log")
    axes.set_title(f"{len(sizes)} plates, {len(found.anchors)} anchors, mean IoU {found.mean_iou:.3f}")
    figure.savefig(path, dpi=110)


def by_head(anchors: FloatArray) -> list[list[list[float]]]:
    """Anchors as the model contract holds them: three heads, finest first."""
    return [part.round(1).tolist() for part in np.array_split(anchors, HEADS)]


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = ToolParser("tools.kmeans_anchors", __doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of sets, each with labels.jsonl")
    parser.add_argument("--split", choices=("train", "val", "test"), default="train")
    parser.add_argument(
        "--count", type=whole(HEADS), default=9, help="number of anchors, three heads share them"
    )
    parser.add_argument("--width", type=whole(1), default=640, help="input width in pixels")
    parser.add_argument("--height", type=whole(1), default=384, help="input height in pixels")
    parser.add_argument("--seed", type=whole(), default=0)
    parser.add_argument("--plot", type=plot_file, help="write a scatter plot here")
    return parser.parse_args(arguments)


def run(options: argparse.Namespace) -> None:
    """Find the anchors that `options` ask for and print them."""
    sizes = plate_sizes(options.data, options.split, options.width, options.height)
    found = cluster(sizes, options.count, options.seed)
    print(json.dumps(by_head(found.anchors)))
    print(f"{len(sizes)} plates, mean IoU {found.mean_iou:.4f}")
    if options.plot:
        plot(sizes, found, options.plot)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the anchors as JSON and their mean IoU; 2 when the data are too few."""
    options = _arguments(arguments)
    return exit_code("kmeans_anchors", lambda: run(options))


if __name__ == "__main__":
    raise SystemExit(main())
