"""The plate reader: a small ResNet-18, one projection per line of text, two GRU stages, CTC."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

CLASSES = 37
"""Blank and the 36 characters."""
LINES = 2
ROWS = 4
"""Height of the features from which both lines are read."""
STEPS = 32
"""Time steps of one line."""


@dataclass(frozen=True)
class ReaderSize:
    """Widths of a reader. `blocks` and `channels` have one entry for each of the four stages."""

    stem: int
    channels: tuple[int, int, int, int]
    blocks: tuple[int, int, int, int] = (2, 2, 2, 2)
    dense: int = 64
    gru: int = 96
    dropout: float = 0.1


SIZES = {
    "reader-trial": ReaderSize(16, (16, 32, 64, 128)),
    "reader-cpu": ReaderSize(16, (16, 32, 64, 128), dense=96, gru=160),
    "reader-gpu": ReaderSize(32, (64, 128, 256, 512), dense=128, gru=256),
}
"""By name; `reader-trial` learns twice as fast as `reader-cpu`, to compare data or recipes."""


class BasicBlock(nn.Module):
    """ResNet's two 3x3 convolutions with a shortcut (He et al. 2015)."""

    def __init__(self, inputs: int, outputs: int, stride: tuple[int, int]) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.shortcut: nn.Module = nn.Identity()
        if inputs != outputs or stride != (1, 1):
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        """(n, inputs, h, w) to (n, outputs, h / stride, w / stride)."""
        inner = torch.relu(self.norm1(self.conv1(x)))
        joined: Tensor = self.norm2(self.conv2(inner)) + self.shortcut(x)
        return torch.relu(joined)


class Reader(nn.Module):
    """(n, 3, 64, 128) BGR 0..1 to logits (n, 64, 37): 32 steps of the first line, then 32 of the second.

    Width falls by 4 in all, height by 16; a column of features (`ROWS` high) is flattened width-major and
    projected once for each line. Both lines share the recurrent part.
    """

    def __init__(self, size: ReaderSize) -> None:
        super().__init__()
        self.size = size
        stages, inputs = [], size.stem
        for index, (channels, blocks) in enumerate(zip(size.channels, size.blocks, strict=True)):
            stride = ((1, 1), (2, 2), (2, 1), (2, 1))[index]
            layers = [BasicBlock(inputs, channels, stride)]
            layers += [BasicBlock(channels, channels, (1, 1)) for _ in range(blocks - 1)]
            stages.append(nn.Sequential(*layers))
            inputs = channels
        self.stem = nn.Sequential(
            nn.Conv2d(3, size.stem, 3, 2, 1, bias=False), nn.BatchNorm2d(size.stem), nn.ReLU()
        )
        self.stages = nn.Sequential(*stages)
        self.project = nn.Linear(inputs * ROWS, LINES * size.dense)
        self.drop = nn.Dropout(size.dropout)
        self.gru1 = nn.GRU(size.dense, size.gru, batch_first=True, bidirectional=True)
        self.gru2 = nn.GRU(size.gru, size.gru, batch_first=True, bidirectional=True)
        self.head = nn.Linear(2 * size.gru, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        """Logits before softmax, float32."""
        logits: Tensor = self.head(self.drop(self.recur(self.lines(images))))
        return logits.reshape(-1, LINES * STEPS, CLASSES)

    def lines(self, images: Tensor) -> Tensor:
        """(2 n, 32, dense): the first and the second line of every picture."""
        features = self.stages(self.stem(images))
        columns = features.permute(0, 3, 2, 1).flatten(2)
        lines = torch.relu(self.project(columns)).reshape(-1, STEPS, LINES, self.size.dense)
        return lines.transpose(1, 2).flatten(0, 1)

    def recur(self, lines: Tensor) -> Tensor:
        """(2 n, 32, dense) to (2 n, 32, 2 gru): first stage summed over both directions, second joined."""
        both = self.gru1(lines)[0]
        summed = both[..., : self.size.gru] + both[..., self.size.gru :]
        joined: Tensor = self.gru2(self.drop(summed))[0]
        return joined


def describe(size: ReaderSize) -> dict[str, Any]:
    """What a checkpoint keeps to build the network again."""
    return asdict(size)


def build_reader(description: dict[str, Any]) -> Reader:
    """The network that `describe` described."""
    return Reader(ReaderSize(**description))
