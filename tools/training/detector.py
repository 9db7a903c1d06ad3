"""The plate detector: YOLOv3 (Redmon and Farhadi, 2018) with one class, in any width and depth.

Darknet-53 residual blocks, three scales joined top-down. Two departures from the paper: boxes are
decoded in the bounded form (no exponential), and every anchor may carry the plate's four corners.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

Anchors = tuple[tuple[tuple[float, float], ...], ...]

BOX_VALUES = 5
CORNER_VALUES = 8
BOX_CORNERS = (-0.5, -0.5, 0.5, -0.5, 0.5, 0.5, -0.5, 0.5)
START_CONFIDENCE = 0.01

CPU_ANCHORS: Anchors = (
    ((11.8, 6.4), (17.6, 11.9), (26.0, 8.4)),
    ((30.4, 18.0), (43.6, 13.2), (54.8, 22.9)),
    ((78.4, 36.3), (126.3, 55.1), (200.7, 96.3)),
)


@dataclass(frozen=True)
class DetectorConfig:
    """Shape of one detector.

    `widths`: channels at strides 2, 4, 8, 16, 32. `depths`: residual blocks at strides 4, 8, 16, 32.
    `stem`: channels of Darknet's convolution at full resolution, 0 leaves it out (it costs a third of
    the time of a narrow network). `first_stride` 1 is DeepANPR's change for small pictures: one
    halving less, every head at half the stride. `anchors`: per head (w, h) in input pixels.
    """

    name: str
    widths: tuple[int, int, int, int, int]
    depths: tuple[int, int, int, int]
    neck_pairs: int
    anchors: Anchors
    stem: int = 0
    first_stride: int = 2
    corners: bool = True

    @property
    def strides(self) -> tuple[int, int, int]:
        """Input pixels per cell of each head."""
        return (4 * self.first_stride, 8 * self.first_stride, 16 * self.first_stride)

    @property
    def values(self) -> int:
        """Numbers per anchor: box and objectness, and the corners where there are any."""
        return BOX_VALUES + (CORNER_VALUES if self.corners else 0)

    def as_dict(self) -> dict[str, Any]:
        """Plain data for a checkpoint."""
        return asdict(self)


CPU = DetectorConfig("detector-cpu", (16, 32, 64, 128, 256), (1, 3, 6, 2), 1, CPU_ANCHORS)
GPU = DetectorConfig("detector-gpu", (64, 128, 256, 512, 1024), (2, 8, 8, 4), 2, CPU_ANCHORS, stem=32)
CONFIGS = {config.name: config for config in (CPU, GPU)}


class Unit(nn.Module):
    """Convolution, batch normalisation, ReLU: it folds into one operator, in INT8 too."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        self.norm = nn.BatchNorm2d(outputs, eps=1e-3, momentum=0.03)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, outputs, H/stride, W/stride)."""
        out: Tensor = self.relu(self.norm(self.conv(x)))
        return out


class Residual(nn.Module):
    """Darknet's block: halve the channels, 3x3 back to full, add the input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.squeeze = Unit(channels, channels // 2, 1)
        self.expand = Unit(channels // 2, channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Shape is kept."""
        out: Tensor = x + self.expand(self.squeeze(x))
        return out


def _stage(inputs: int, outputs: int, depth: int) -> nn.Sequential:
    return nn.Sequential(Unit(inputs, outputs, 3, 2), *(Residual(outputs) for _ in range(depth)))


class Neck(nn.Module):
    """One scale of the head: `pairs` of 1x1 and 3x3, a 1x1 that branches down, 3x3 and the output."""

    def __init__(self, inputs: int, width: int, pairs: int, outputs: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for index in range(pairs):
            layers += [Unit(inputs if index == 0 else width, width // 2, 1), Unit(width // 2, width, 3)]
        self.trunk = nn.Sequential(*layers, Unit(width if pairs else inputs, width // 2, 1))
        self.out = nn.Sequential(Unit(width // 2, width, 3), nn.Conv2d(width, outputs, 1))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Features for the next finer scale (width/2 channels) and this scale's raw output."""
        trunk = self.trunk(x)
        return trunk, self.out(trunk)


class YoloV3(nn.Module):
    """Images (N, 3, H, W) float in 0..1, BGR, H and W multiples of the coarsest stride, to three raw heads.

    Each head is (N, A*K, H/s, W/s), finest first, per anchor `tx ty tw th objectness` and, with corners,
    `x1 y1 .. x4 y4`: each corner's distance from the box's centre in box widths and heights.
    """

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__()
        self.config = config
        half, quarter, fine, middle, coarse = config.widths
        stem = [Unit(3, config.stem, 3)] if config.stem else []
        self.stem = nn.Sequential(*stem, Unit(config.stem or 3, half, 3, config.first_stride))
        depth4, depth8, depth16, depth32 = config.depths
        self.fine = nn.Sequential(_stage(half, quarter, depth4), _stage(quarter, fine, depth8))
        self.middle = _stage(fine, middle, depth16)
        self.coarse = _stage(middle, coarse, depth32)
        outputs = [len(anchors) * config.values for anchors in config.anchors]
        self.neck32 = Neck(coarse, coarse, config.neck_pairs, outputs[2])
        self.down16 = Unit(coarse // 2, middle // 2, 1)
        self.neck16 = Neck(middle + middle // 2, middle, config.neck_pairs, outputs[1])
        self.down8 = Unit(middle // 2, fine // 2, 1)
        self.neck8 = Neck(fine + fine // 2, fine, config.neck_pairs, outputs[0])
        self.upsample = nn.Upsample(scale_factor=2)
        for neck in (self.neck8, self.neck16, self.neck32):
            _start_output(neck.out[1], config)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The three heads, finest first."""
        fine = self.fine(self.stem(images))
        middle = self.middle(fine)
        trunk, out32 = self.neck32(self.coarse(middle))
        trunk, out16 = self.neck16(torch.cat([self.upsample(self.down16(trunk)), middle], 1))
        _, out8 = self.neck8(torch.cat([self.upsample(self.down8(trunk)), fine], 1))
        return out8, out16, out32


def _start_output(conv: nn.Module, config: DetectorConfig) -> None:
    """Begin with rare plates, boxes at their anchors and corners at the box's corners."""
    if not isinstance(conv, nn.Conv2d) or conv.bias is None:
        raise TypeError("the output layer is a convolution with a bias")
    bias = conv.bias.detach().view(-1, config.values)
    bias.zero_()
    bias[:, 4] = float(torch.logit(torch.tensor(START_CONFIDENCE)))
    if config.corners:
        bias[:, BOX_VALUES:] = torch.tensor(BOX_CORNERS)
    nn.init.normal_(conv.weight, std=0.01)


def split_head(head: Tensor, values: int) -> Tensor:
    """(N, A*K, h, w) to (N, A, h, w, K)."""
    count, channels, rows, columns = head.shape
    return head.view(count, channels // values, values, rows, columns).permute(0, 1, 3, 4, 2)


def decode_boxes(raw: Tensor, cells: Tensor, anchors: Tensor, stride: int) -> Tensor:
    """Raw `tx ty tw th` (n, 4) in cells (n, 2: x, y) with anchors (n, 2) to cx cy w h in input pixels.

    The bounded form: sigmoid(t) * 2 - 0.5 reaches half a cell beyond its own, (2 sigmoid(t))^2 four anchors.
    """
    bounded = raw.sigmoid() * 2
    centre = (bounded[:, :2] - 0.5 + cells) * stride
    return torch.cat([centre, anchors * bounded[:, 2:4] ** 2], 1)
