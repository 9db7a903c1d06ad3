"""From an ONNX file to a TensorRT plan: strongly typed, one dynamic-batch profile, timing cache."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from anpr_stream.errors import BackendError
from anpr_stream.inference.tensorrt_api import TensorRT

WORKSPACE_BYTES = 1 << 30

Progress = Callable[[str, int, int], bool]
"""Called with phase, step and number of steps; False stops the build."""


@dataclass(frozen=True, slots=True)
class Profile:
    """The one optimisation profile of a plan.

    Attributes:
        height: rows of the input.
        width: columns of the input.
        max_batch: largest batch; the plan is tuned for it and accepts 1 and up.
    """

    height: int
    width: int
    max_batch: int

    def shape(self, batch: int) -> tuple[int, int, int, int]:
        """Return the input's (N, 3, H, W) for a batch."""
        return (batch, 3, self.height, self.width)


@dataclass(frozen=True, slots=True)
class Built:
    """A finished build: the plan and the timings that make the next build quicker."""

    plan: bytes
    timings: bytes


def build_plan(
    tensorrt: TensorRT,
    onnx: bytes,
    profile: Profile,
    timings: bytes = b"",
    compute_capability: str | None = None,
    progress: Progress | None = None,
) -> Built:
    """Build a plan.

    Args:
        tensorrt: what to build with.
        onnx: the network; its precision (FP32, FP16, Q/DQ) is the plan's precision.
        profile: sizes the plan must accept.
        timings: an earlier build's timing cache, or nothing.
        compute_capability: `SM75` ... to build ahead of time without that GPU (TensorRT for RTX
            only); None for the GPU of this machine.
        progress: told of every step.

    Raises:
        BackendError: the file does not parse or no plan comes of it; the line names the layer.
    """
    trt = tensorrt.module
    builder = tensorrt.begin("Builder")
    network = _parse(trt, builder, tensorrt.logger, onnx)
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, WORKSPACE_BYTES)
    if tensorrt.keeps_timings:
        config.set_timing_cache(config.create_timing_cache(timings), ignore_mismatch=True)
    config.add_optimization_profile(_profile(builder, network, profile))
    if compute_capability is not None:
        _aim_at(trt, config, compute_capability)
    monitor = _monitor(trt, progress) if progress else None
    if monitor is not None:
        config.progress_monitor = monitor
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise BackendError(f"{tensorrt.text} built no plan: {tensorrt.logger.last}", slug="tensorrt-build")
    kept = bytes(config.get_timing_cache().serialize()) if tensorrt.keeps_timings else b""
    return Built(bytes(plan), kept)


def _parse(trt: Any, builder: Any, logger: Any, onnx: bytes) -> Any:
    network = builder.create_network(_network_flags(trt))
    parser = trt.OnnxParser(network, logger)
    if parser.parse(onnx):
        return network
    faults = [parser.get_error(index).desc() for index in range(parser.num_errors)]
    raise BackendError(f"TensorRT cannot parse the network: {'; '.join(faults[:3])}", slug="tensorrt-parse")


def _network_flags(trt: Any) -> int:
    """Ask TensorRT 10 for strong typing; 11 and RTX know nothing else and drop the other flags."""
    flags = trt.NetworkDefinitionCreationFlag
    return 1 << int(flags.STRONGLY_TYPED)


def _profile(builder: Any, network: Any, profile: Profile) -> Any:
    shapes = builder.create_optimization_profile()
    best = profile.max_batch
    shapes.set_shape(network.get_input(0).name, profile.shape(1), profile.shape(best), profile.shape(best))
    return shapes


def _aim_at(trt: Any, config: Any, name: str) -> None:
    known = [known for known in dir(trt.ComputeCapability) if known.startswith("SM")]
    if name not in known:
        raise BackendError(
            f"{trt.__name__} builds no plans for {name}: it knows {', '.join(known)}", slug="tensorrt-target"
        )
    target = getattr(trt.ComputeCapability, name)
    config.num_compute_capabilities = 1
    config.set_compute_capability(target, 0)


def _monitor(trt: Any, progress: Progress) -> Any:
    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self.steps: dict[str, int] = {}

        def phase_start(self, phase: str, parent: str | None, steps: int) -> None:
            self.steps[phase] = steps

        def step_complete(self, phase: str, step: int) -> bool:
            return progress(phase, step + 1, self.steps.get(phase, 0))

        def phase_finish(self, phase: str) -> None:
            self.steps.pop(phase, None)

    return Monitor()
