"""Training scenes weighed by how a detector sees them: more of those with plates it misses or makes up.

Hard example mining after Shrivastava et al. 2016, "Training region-based object detectors with online hard
example mining", by scene and once before a training instead of by region and step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tools.evaluation.detection import Found, match_picture, pairwise_iou
from tools.training.detector_data import Scene
from tools.training.detector_task import INPUT_SIZE, truth_of

LOOSE_IOU = (0.2, 0.5)
"""Overlap of a sure find with a plate that it does not match: most often the label is loose, not the find."""
SURE = 0.5


def weighed(scenes: Sequence[Scene], found: Sequence[Found], strength: float) -> list[Scene]:
    """`scenes` with weights from 1 (seen well) to 1 + `strength` (a plate missed or surely made up)."""
    pairs = zip(scenes, found, strict=True)
    return [replace(scene, weight=1 + strength * hardness(scene, finds)) for scene, finds in pairs]


def hardness(scene: Scene, found: Found) -> float:
    """How far the worst plate of `scene` is from being seen, or how sure the surest false find is, 0..1."""
    matches = match_picture(truth_of(scene, INPUT_SIZE), found, 0.5)
    sure = found.boxes[found.confidences >= SURE]
    overlaps = pairwise_iou(scene.boxes, sure)
    loose = ((overlaps > LOOSE_IOU[0]) & (overlaps < LOOSE_IOU[1])).any(1)
    if loose.any():
        return 0.0
    missed = float((1 - matches.taken).max(initial=0))
    made_up = float(matches.confidences[~matches.right].max(initial=0))
    return max(missed, made_up)
