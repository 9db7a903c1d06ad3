"""Go on training a network of which only the exported file is left.

An export folds every batch normalisation into the convolution before it. The folded weights and the
normalisation's statistics, measured anew on training pictures, give back a network that answers as the
exported one does and can be trained on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx.numpy_helper import to_array
from torch import Tensor, nn

from anpr_stream.inference.precision import unpack_weights
from tools.training.loop import TrainingError

Array = np.ndarray
Folded = tuple[Array, Array]
"""Weight and bias of one convolution as exported."""


@dataclass
class Moments:
    """Running sum and sum of squares by channel."""

    count: float = 0.0
    total: Tensor | float = 0.0
    squares: Tensor | float = 0.0

    def add(self, values: Tensor) -> None:
        """Take in `values` (N, C, H, W)."""
        self.count += values.numel() / values.shape[1]
        self.total = self.total + values.double().sum((0, 2, 3))
        self.squares = self.squares + values.double().square().sum((0, 2, 3))

    def mean_and_variance(self) -> tuple[Tensor, Tensor]:
        """Both by channel, float32."""
        mean = torch.as_tensor(self.total) / self.count
        return mean.float(), (torch.as_tensor(self.squares) / self.count - mean.square()).clamp(min=0).float()


def folded_convolutions(path: Path) -> list[Folded]:
    """The convolutions of the network at `path` in the order in which they run.

    Raises:
        TrainingError: no ONNX file, or one in INT8.
    """
    try:
        graph = onnx.load(path).graph
    except Exception as error:  # onnx raises what protobuf does
        raise TrainingError(f"{path}: no ONNX file ({error})") from error
    unpack_weights(onnx, graph)
    stored = {tensor.name: to_array(tensor) for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Identity" and node.input[0] in stored:
            stored[node.output[0]] = stored[node.input[0]]
    convolutions = [list(node.input) for node in graph.node if node.op_type == "Conv"]
    if not all(len(names) == 3 and names[1] in stored and names[2] in stored for names in convolutions):
        raise TrainingError(f"{path}: no plain weights; start from the exported FP32 file")
    return [(stored[weight], stored[bias]) for _, weight, bias in convolutions]


def unfold(model: nn.Module, path: Path, pictures: Iterable[Tensor]) -> None:
    """Fill `model`, whose layers are convolutions and batch normalisations, from the exported file `path`.

    Args:
        model: a network as it was before its export.
        path: the FP32 ONNX file.
        pictures: batches (N, 3, H, W) of float32 in 0..1 as in training.

    Raises:
        TrainingError: `path` is no such file, or of a network of another shape.
    """
    batches = list(pictures)
    layers = _running_order(model, batches[0])
    folded = folded_convolutions(path)
    shapes = [tuple(convolution.weight.shape) for convolution, _ in layers]
    if shapes != [weight.shape for weight, _ in folded]:
        raise TrainingError(f"{path}: weights of another network than {type(model).__name__} as configured")
    for (convolution, norm), (weight, bias) in zip(layers, folded, strict=True):
        _fill(convolution, norm, torch.tensor(weight), torch.tensor(bias))
    _measure_norms(model, [norm for _, norm in layers if norm is not None], batches)


def _running_order(model: nn.Module, batch: Tensor) -> list[tuple[nn.Conv2d, nn.BatchNorm2d | None]]:
    """Each convolution with the normalisation that follows it, in the order in which they run."""
    ran: list[nn.Module] = []
    hooks = [
        module.register_forward_hook(lambda module, _inputs, _output: ran.append(module))
        for module in model.modules()
        if isinstance(module, nn.Conv2d | nn.BatchNorm2d)
    ]
    with _evaluating(model):
        model(batch)
    for hook in hooks:
        hook.remove()
    following = [*ran[1:], None]
    pairs = zip(ran, following, strict=True)
    return [
        (module, after if isinstance(after, nn.BatchNorm2d) else None)
        for module, after in pairs
        if isinstance(module, nn.Conv2d)
    ]


@torch.no_grad()
def _fill(convolution: nn.Conv2d, norm: nn.BatchNorm2d | None, weight: Tensor, bias: Tensor) -> None:
    convolution.weight.copy_(weight)
    if norm is None:
        if convolution.bias is not None:
            convolution.bias.copy_(bias)
        return
    norm.running_mean, norm.running_var = torch.zeros_like(bias), torch.full_like(bias, 1 - norm.eps)
    norm.weight.fill_(1.0)
    norm.bias.copy_(bias)


@torch.no_grad()
def _measure_norms(model: nn.Module, norms: list[nn.BatchNorm2d], batches: list[Tensor]) -> None:
    """Give each norm the statistics of its input, and the scale and shift that keep its answer."""
    moments = {norm: Moments() for norm in norms}
    hooks = [
        norm.register_forward_pre_hook(lambda norm, inputs: moments[norm].add(inputs[0])) for norm in norms
    ]
    with _evaluating(model):
        for batch in batches:
            model(batch)
    for hook in hooks:
        hook.remove()
    for norm in norms:
        mean, variance = moments[norm].mean_and_variance()
        norm.running_mean, norm.running_var = mean, variance
        norm.weight.copy_((variance + norm.eps).sqrt())
        norm.bias.add_(mean)


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    before = model.training
    model.eval()
    with torch.inference_mode():
        yield
    model.train(before)
