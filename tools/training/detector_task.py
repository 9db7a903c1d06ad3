"""The detector's training: where its samples come from, its loss, its figures on `val`."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from anpr_stream.vision.contract import DetectorContract
from anpr_stream.vision.letterbox import PAD_GREY, Letterbox, fit
from anpr_stream.vision.yolo import decode, join_parts, suppress
from tools.evaluation.detection import Found, Truth, lowest_threshold, report
from tools.training.detector import DetectorConfig, YoloV3
from tools.training.detector_augment import Augmenter, Recipe, Sample
from tools.training.detector_data import Picture, Scene, Scenes
from tools.training.detector_loss import DetectorLoss, Targets
from tools.training.loop import SCORE, Metrics

Size = tuple[int, int]

INPUT_SIZE: Size = (640, 384)
"""(width, height) in pixels at which the detector is judged and exported."""

TRAINING_SIZES: tuple[Size, ...] = ((448, 320), (384, 384), (512, 288), (416, 352), (320, 416), (640, 384))
CALM_RECIPE = Recipe(mosaic=0.1, exchange=0.15, paste=0.1, whole_zoom=(0.6, 1.6))
WHOLE_SIZES: tuple[Size, ...] = ((640, 384), (640, 384), (640, 480), (480, 640))
"""Inputs as the product makes them of frames of usual aspects; every second batch of the calm last part."""

CALM_WHOLE = 0.5
WEAKEST = 0.01
MAX_IOU = 0.45
MAX_INSIDE = 0.8
FALSE_SHARE = 0.02
"""False plates per picture without plates that the reported threshold allows."""


@dataclass(frozen=True)
class DetectorBatch:
    """`pictures`: (n, 3, h, w) uint8 BGR in channels-last memory; `targets`: their plates."""

    pictures: Tensor
    targets: Targets

    def __len__(self) -> int:
        return len(self.pictures)

    def to(self, device: torch.device) -> DetectorBatch:
        """The batch on `device`."""
        targets = Targets(*(getattr(self.targets, name).to(device) for name in Targets.__dataclass_fields__))
        return DetectorBatch(self.pictures.to(device), targets)


class DetectorStream(IterableDataset[DetectorBatch]):
    """Batches without end. From `calm_at_s` (`time.monotonic`) on, whole pictures take the place of mosaics,
    so that the last steps see what the detector will see."""

    def __init__(self, scenes: Scenes, batch: int, seed: int, calm_at_s: float) -> None:
        self._scenes = scenes
        self._batch = batch
        self._seed = seed
        self._calm_at_s = calm_at_s

    def __iter__(self) -> Iterator[DetectorBatch]:
        worker = get_worker_info()
        seed = self._seed + (worker.id if worker else 0)
        random = np.random.default_rng(seed)
        augmenter = Augmenter(self._scenes, Recipe(), seed)
        while True:
            calm = time.monotonic() >= self._calm_at_s
            if calm:
                augmenter.recipe = CALM_RECIPE
            sizes = WHOLE_SIZES if calm and random.random() < CALM_WHOLE else TRAINING_SIZES
            size = sizes[random.integers(len(sizes))]
            yield collate([augmenter.draw(*size) for _ in range(self._batch)])


def stream_batches(stream: DetectorStream, workers: int, pin: bool) -> Iterator[DetectorBatch]:
    """Batches of `stream`, made ahead by `workers` processes."""
    ahead = 4 if workers else None
    return iter(
        DataLoader(stream, batch_size=None, num_workers=workers, prefetch_factor=ahead, pin_memory=pin)
    )


def collate(samples: Sequence[Sample]) -> DetectorBatch:
    """Samples of one size as a batch."""
    pictures = torch.from_numpy(np.stack([sample.picture for sample in samples])).permute(0, 3, 1, 2)
    owners = np.concatenate([np.full(len(sample.boxes), index) for index, sample in enumerate(samples)])
    corners = np.concatenate([sample.boxes for sample in samples])
    quads = np.concatenate([sample.quads for sample in samples])
    centres, sizes = (corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]
    relative = (quads - centres[:, None]) / sizes[:, None]
    targets = Targets(
        torch.from_numpy(owners.astype(np.int64)),
        torch.from_numpy(np.concatenate([centres, sizes], 1)),
        torch.from_numpy(relative.reshape(-1, 8)),
        torch.from_numpy(np.stack([sample.ignored for sample in samples])),
    )
    return DetectorBatch(pictures, targets)


class DetectorTask:
    """A `Task` of the loop."""

    def __init__(
        self, model: YoloV3, stream: Iterator[DetectorBatch], val: Sequence[Scene], device: torch.device
    ) -> None:
        self._model = model
        self._stream = stream
        self._val = val
        self._device = device
        self._loss = DetectorLoss(model.config)

    @property
    def model(self) -> YoloV3:
        """The network in training."""
        return self._model

    def describe(self) -> dict[str, Any]:
        """Kind, name and network."""
        return {"kind": "detector", "name": self._model.config.name, "network": self._model.config.as_dict()}

    def batches(self) -> Iterator[DetectorBatch]:
        """Augmented scenes."""
        return self._stream

    def loss(self, batch: DetectorBatch, samples: int) -> tuple[Tensor, dict[str, Tensor]]:
        """Weighted sum and its parts; the same from the first sample to the last."""
        moved = batch.to(self._device)
        heads = self._model(moved.pictures.float() / 255)
        with torch.autocast(self._device.type, enabled=False):
            parts = self._loss(heads, moved.targets)
        return parts.pop("loss"), parts

    def validate(self, model: nn.Module) -> Metrics:
        """AP50 (the score), AP50:95, recall of readable plates at the threshold that negatives allow."""
        truths = [truth_of(scene, INPUT_SIZE) for scene in self._val]
        pictures = [scene.picture for scene in self._val]
        found = find_plates(model, self._model.config, pictures, INPUT_SIZE, self._device)
        threshold = lowest_threshold(truths, found, FALSE_SHARE)
        figures = report(truths, found, threshold)
        return {
            SCORE: figures.ap50,
            "ap50_95": figures.ap50_95,
            "recall": figures.recall_readable,
            "threshold": threshold,
        }


def truth_of(scene: Scene, size: Size) -> Truth:
    """What an evaluation at input `size` needs to know of `scene`."""
    height, width = scene.picture.shape[:2]
    scale = np.float32(fit(width, height, *size).scale)
    heights_px = (scene.boxes[:, 3] - scene.boxes[:, 1]) * scale
    return Truth(scene.boxes, heights_px, scene.complete, scene.country)


def contract_of(config: DetectorConfig, version: str, size: Size = INPUT_SIZE) -> DetectorContract:
    """The contract of a network of `config` with `size` (width, height) as its usual input."""
    return DetectorContract(
        config.name, version, "images", *size, config.strides, config.anchors, config.corners
    )


@torch.inference_mode()
def find_plates(
    model: nn.Module,
    config: DetectorConfig,
    pictures: Sequence[Picture],
    size: Size,
    device: torch.device,
    batch: int = 16,
) -> list[Found]:
    """Plates of any confidence in each of `pictures`, decoded as the product does, in float32."""
    model.eval()
    contract = contract_of(config, "")
    found: list[Found] = []
    for start in range(0, len(pictures), batch):
        boxes, stacked = letterboxed(pictures[start : start + batch], size)
        heads = model(stacked.to(device).float() / 255)
        decoded = decode([head.cpu().numpy() for head in heads], contract, WEAKEST)
        raw = join_parts(suppress(decoded, MAX_IOU, MAX_INSIDE))
        for index, box in enumerate(boxes):
            mine = raw.take(np.nonzero(raw.batch == index)[0])
            corners = box.to_frame(mine.boxes.reshape(-1, 2, 2)).reshape(-1, 4)
            found.append(Found(corners, mine.scores))
    return found


def letterboxed(pictures: Sequence[Picture], size: Size) -> tuple[list[Letterbox], Tensor]:
    """Pictures laid into `size` (width, height): how they lie, and (n, 3, height, width) uint8."""
    boxes, stacked = [], np.full((len(pictures), size[1], size[0], 3), PAD_GREY, np.uint8)
    for picture, canvas in zip(pictures, stacked, strict=True):
        box = fit(picture.shape[1], picture.shape[0], *size)
        inner = (box.inner_width, box.inner_height)
        rows, columns = slice(box.top, box.top + inner[1]), slice(box.left, box.left + inner[0])
        canvas[rows, columns] = cv2.resize(picture, inner, interpolation=cv2.INTER_LINEAR)
        boxes.append(box)
    return boxes, torch.from_numpy(stacked).permute(0, 3, 1, 2)
