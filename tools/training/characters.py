"""The character classifier: a small MobileNetV2 (Sandler et al., 2018) over 36 classes at 80x80."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from anpr_stream.types import ALPHABET

INPUT_PX = 80


@dataclass(frozen=True)
class Stage:
    """Inverted residual blocks of one width: the first of `repeats` has `stride`."""

    channels: int
    repeats: int
    stride: int


@dataclass(frozen=True)
class CharactersConfig:
    """Shape of the classifier. `stem`: channels at half the input; `expansion`: of the inverted residuals;
    `features`: before the classes."""

    stem: int = 24
    stages: tuple[Stage, ...] = (Stage(32, 2, 2), Stage(56, 3, 2), Stage(104, 3, 2))
    expansion: int = 3
    features: int = 320

    def as_dict(self) -> dict[str, Any]:
        """Plain data for a checkpoint."""
        return asdict(self)


def _unit(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return [conv, nn.BatchNorm2d(outputs)]


class InvertedResidual(nn.Module):
    """Widen by 1x1, filter each channel by 3x3, narrow by 1x1 without activation; add where shapes allow."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = inputs * expansion
        self.adds = stride == 1 and inputs == outputs
        self.body = nn.Sequential(
            *_unit(inputs, wide, 1),
            nn.ReLU(inplace=True),
            *_unit(wide, wide, 3, stride, wide),
            nn.ReLU(inplace=True),
            *_unit(wide, outputs, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, outputs, H/stride, W/stride)."""
        out: Tensor = self.body(x)
        return x + out if self.adds else out


class CharactersNet(nn.Module):
    """Pictures (N, 3, 80, 80) float in 0..1, one bright character on black each, to logits (N, 36)."""

    def __init__(self, config: CharactersConfig) -> None:
        super().__init__()
        self.config = config
        layers: list[nn.Module] = [*_unit(3, config.stem, 3, 2), nn.ReLU(inplace=True)]
        width = config.stem
        for stage in config.stages:
            for index in range(stage.repeats):
                stride = stage.stride if index == 0 else 1
                layers.append(InvertedResidual(width, stage.channels, stride, config.expansion))
                width = stage.channels
        layers += [*_unit(width, config.features, 1), nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*layers)
        self.classes = nn.Sequential(nn.Dropout(0.2), nn.Linear(config.features, len(ALPHABET)))

    def forward(self, images: Tensor) -> Tensor:
        """Logits in the order of `ALPHABET`."""
        logits: Tensor = self.classes(torch.mean(self.layers(images), (2, 3)))
        return logits


def build_characters(network: dict[str, Any]) -> CharactersNet:
    """The classifier that a checkpoint's description tells of."""
    stages = tuple(Stage(**stage) for stage in network["stages"])
    return CharactersNet(CharactersConfig(**{**network, "stages": stages}))
