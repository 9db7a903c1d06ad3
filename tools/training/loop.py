"""The loop all trainings share: stops in time, resumes, averages weights, keeps the best by `val`."""

from __future__ import annotations

import copy
import math
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from tools.refusal import ToolError
from tools.training.curves import Curves

Metrics = dict[str, float]
SCORE = "score"
"""The key of what `Task.validate` wants to be high."""


class TrainingError(ToolError):
    """A training cannot start: what was asked for and what was found do not fit."""


class Task(Protocol):
    """What a training is about; the loop knows nothing of pictures."""

    @property
    def model(self) -> nn.Module:
        """The network in training, on its device."""

    def describe(self) -> dict[str, Any]:
        """What is needed, beside the weights, to build and name the network."""

    def batches(self) -> Iterator[Any]:
        """Endless batches; each has a length, the number of its samples."""

    def loss(self, batch: Any, samples: int) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss of a batch after `samples` samples, and its parts by name. Runs under autocast."""

    def validate(self, model: nn.Module) -> Metrics:
        """Figures of `model` (in evaluation mode) on `val`, `SCORE` among them."""


@dataclass(frozen=True)
class LoopOptions:
    """How to train; times are of this run, counts go on over resumed runs."""

    out: Path
    minutes: float
    device: torch.device
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    warmup_samples: int = 10_000
    decay_minutes: float | None = None
    """The last minutes, in which the rate falls to 0 by a cosine; None: 30 % of `minutes`."""
    validate_samples: int = 20_000
    patience: int = 0
    """Validations without a better score after which training ends; 0: never."""
    ema_decay: float = 0.999
    clip_norm: float = 5.0
    resume: Path | None = None
    pretrained: Path | None = None


@dataclass
class Progress:
    """How far a training is; kept in the checkpoint."""

    step: int = 0
    samples: int = 0
    minutes: float = 0.0
    best: float = -math.inf
    since_best: int = 0


def pick_device(name: str) -> torch.device:
    """The device called `name`.

    Raises:
        TrainingError: there is no such device here.
    """
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise TrainingError(f"--device {name}: PyTorch finds no CUDA device; use --device cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise TrainingError(f"--device {name}: PyTorch has no such device here; use cpu or cuda") from error
    return device


def cpu_has_bf16() -> bool:
    """Whether this CPU multiplies bfloat16 in hardware (elsewhere it is slower than float32)."""
    try:
        flags = Path("/proc/cpuinfo").read_text().split()
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


def autocast(device: torch.device) -> torch.autocast:
    """bfloat16 where `device` is fast at it, else float32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda" or cpu_has_bf16())


class Ema:
    """Exponential mean of a network's weights; young means forget faster."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self._decay = decay

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Take in the weights after `step` steps; buffers that are no floats are copied."""
        weight = 1 - min(self._decay, (1 + step) / (10 + step))
        mean, new = self.model.state_dict(), model.state_dict()
        floats = [key for key, value in mean.items() if value.is_floating_point()]
        torch._foreach_lerp_([mean[key] for key in floats], [new[key] for key in floats], weight)
        for key in mean.keys() - set(floats):
            mean[key].copy_(new[key])


def rate_factor(samples: int, left_minutes: float, options: LoopOptions) -> float:
    """Share of the learning rate: linear warm-up, constant, cosine fall over the last minutes."""
    decay = 0.3 * options.minutes if options.decay_minutes is None else options.decay_minutes
    warm = min(1.0, (samples + 1) / max(1, options.warmup_samples))
    if decay <= 0 or left_minutes >= decay:
        return warm
    return warm * 0.5 * (1 - math.cos(math.pi * max(0.0, left_minutes) / decay))


def optimizer_for(model: nn.Module, options: LoopOptions) -> torch.optim.AdamW:
    """AdamW; biases and norms do not decay."""
    decayed = [p for p in model.parameters() if p.ndim > 1]
    plain = [p for p in model.parameters() if p.ndim <= 1]
    groups = [
        {"params": decayed, "weight_decay": options.weight_decay},
        {"params": plain, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, options.learning_rate, foreach=True)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint onto the CPU.

    Raises:
        TrainingError: the file is missing or no checkpoint of ours.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises what its unpickler stumbles over
        first = str(error).partition("\n")[0]
        raise TrainingError(f"{path}: no checkpoint ({first})") from error
    if not isinstance(state, dict) or "weights" not in state:
        raise TrainingError(f"{path}: no checkpoint of a training: it has no weights")
    return state


def save_checkpoint(state: dict[str, Any], target: Path) -> None:
    """Write `state` to `target`, whole or not at all.

    Raises:
        TrainingError: it cannot be written there.
    """
    part = target.with_suffix(".part")
    try:
        torch.save(state, part)
        os.replace(part, target)
    except (OSError, RuntimeError) as error:  # RuntimeError is what torch makes of a full disk
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise TrainingError(
            f"{target} cannot be written: is there a folder, and room on the disk?"
        ) from error


def load_weights(model: nn.Module, weights: dict[str, Tensor], path: Path) -> None:
    """Fill `model`.

    Raises:
        TrainingError: the weights are of a network of another shape.
    """
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        first = str(error).splitlines()[1].strip()
        raise TrainingError(f"{path}: weights of another network: {first}") from error


class StopSignal:
    """Turns SIGINT and SIGTERM into a wish to stop after the step at hand."""

    def __init__(self) -> None:
        self.set = False

    def __enter__(self) -> StopSignal:
        self._before = {s: signal.signal(s, self._note) for s in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self.set = True


@dataclass
class Loop:
    """One run of a training."""

    task: Task
    options: LoopOptions
    report: Callable[[str], None] = print
    progress: Progress = field(default_factory=Progress)

    def __post_init__(self) -> None:
        self.options.out.mkdir(parents=True, exist_ok=True)
        self.optimizer = optimizer_for(self.task.model, self.options)
        self._restore()
        self._curves = Curves(self.options.out)
        self._started = time.monotonic()

    def _restore(self) -> None:
        options, model = self.options, self.task.model
        start = options.resume or options.pretrained
        state = load_checkpoint(start) if start else {}
        if start:
            load_weights(model, state["weights"], start)
        self.ema = Ema(model, options.ema_decay)
        if options.resume:
            if "optimizer" not in state:
                raise TrainingError(f"{options.resume}: cannot be resumed, only used as --pretrained")
            self.optimizer.load_state_dict(state["optimizer"])
            self.ema.model.load_state_dict(state["ema"])
            self.progress = Progress(**state["progress"])
            self._heed_best()

    def _heed_best(self) -> None:
        """A training killed between its two files left a `best.pt` that its `last.pt` does not know."""
        kept = self.options.out / "best.pt"
        if kept.exists():
            known = load_checkpoint(kept).get("progress", {}).get("best", -math.inf)
            self.progress.best = max(self.progress.best, known)

    def run(self) -> Progress:
        """Train until the minutes are over, patience ends or a signal comes; saves in every case.

        At least one step is made, so that there is something to save on the slowest machine.
        """
        sums: dict[str, float] = {}
        due = self.progress.samples + self.options.validate_samples
        before, first, count = self.progress.minutes, self.progress.step, 0
        with StopSignal() as stop:
            for batch in self.task.batches():
                self.progress.minutes = before + self._elapsed()
                begun = self.progress.step > first
                if stop.set or (begun and self._elapsed() >= self.options.minutes):
                    break
                for name, value in self._step(batch).items():
                    sums[name] = sums.get(name, 0.0) + value
                count += 1
                if self.progress.samples >= due:
                    due += self.options.validate_samples
                    self._validate({name: value / count for name, value in sums.items()})
                    sums, count = {}, 0
                    if 0 < self.options.patience <= self.progress.since_best:
                        self.report(f"no better score in {self.options.patience} validations: ending early")
                        break
        if count:
            self._validate({name: value / count for name, value in sums.items()})
        return self.progress

    def _elapsed(self) -> float:
        return (time.monotonic() - self._started) / 60

    def _step(self, batch: Any) -> dict[str, float]:
        self.task.model.train()
        left = self.options.minutes - self._elapsed()
        for group in self.optimizer.param_groups:
            group["lr"] = self.options.learning_rate * rate_factor(self.progress.samples, left, self.options)
        with autocast(self.options.device):
            loss, parts = self.task.loss(batch, self.progress.samples)
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        norm = nn.utils.clip_grad_norm_(self.task.model.parameters(), self.options.clip_norm)
        if torch.isfinite(norm):
            self.optimizer.step()
        self.progress.step += 1
        self.progress.samples += len(batch)
        self.ema.update(self.task.model, self.progress.step)
        return {"loss": loss.item(), **{name: part.item() for name, part in parts.items()}}

    def _validate(self, losses: Metrics) -> None:
        metrics = self.task.validate(self.ema.model)
        better = metrics[SCORE] > self.progress.best
        self.progress.best = max(self.progress.best, metrics[SCORE])
        self.progress.since_best = 0 if better else self.progress.since_best + 1
        if better:
            self._save("best.pt", {"weights": self.ema.model.state_dict(), "metrics": metrics})
        state = {"weights": self.task.model.state_dict(), "ema": self.ema.model.state_dict()}
        self._save("last.pt", {**state, "optimizer": self.optimizer.state_dict()})
        row = {"minutes": self.progress.minutes, "step": self.progress.step, "samples": self.progress.samples}
        row |= {"rate": self.optimizer.param_groups[0]["lr"], **losses, **metrics}
        self._curves.add(row)
        shown = "  ".join(f"{name} {value:.4g}" for name, value in row.items())
        self.report(shown + "  *" * better)

    def _save(self, name: str, state: dict[str, Any]) -> None:
        target = self.options.out / name
        whole = {**state, "progress": vars(self.progress), "description": self.task.describe()}
        save_checkpoint(whole, target)
