"""A TensorRT plan, deserialised on this GPU; implements `batches.Engine`."""

from __future__ import annotations

from typing import Any

import numpy as np

from anpr_stream.errors import BackendError
from anpr_stream.inference.batches import TensorInfo
from anpr_stream.inference.device import Stream
from anpr_stream.inference.tensorrt_api import TensorRT
from anpr_stream.inference.tensorrt_build import Profile


class TensorRTExecutor:
    """One execution context with its own scratch memory.

    Raises:
        BackendError: there is too little memory for it.
    """

    def __init__(self, engine: Any, input_name: str, profile: Profile) -> None:
        self._context = engine.create_execution_context()
        if self._context is None:
            raise BackendError(
                "TensorRT has no memory for another batch; lower max_batch or the number of cameras",
                slug="gpu-memory",
            )
        self._input_name = input_name
        self._profile = profile

    def shape(self, name: str, batch: int) -> tuple[int, ...]:
        """Return the shape of a tensor for a batch."""
        self._context.set_input_shape(self._input_name, self._profile.shape(batch))
        return tuple(self._context.get_tensor_shape(name))

    def enqueue(self, batch: int, addresses: dict[str, int], stream: Stream) -> None:
        """Start a batch."""
        self._context.set_input_shape(self._input_name, self._profile.shape(batch))
        for name, address in addresses.items():
            self._context.set_tensor_address(name, address)
        if not self._context.execute_async_v3(stream.handle):
            raise BackendError(f"TensorRT refused a batch of {batch}", slug="tensorrt-run")


class TensorRTEngine:
    """A plan ready to run.

    Raises:
        BackendError: TensorRT does not take the plan on this GPU.
    """

    def __init__(self, tensorrt: TensorRT, plan: bytes, profile: Profile) -> None:
        trt = tensorrt.module
        self._runtime = tensorrt.begin("Runtime")
        self._engine = self._runtime.deserialize_cuda_engine(plan)
        if self._engine is None:
            reason = tensorrt.logger.last
            raise BackendError(f"{tensorrt.text} does not take the plan: {reason}", slug="tensorrt-plan")
        self._profile = profile
        self.max_batch = profile.max_batch
        names = [self._engine.get_tensor_name(i) for i in range(self._engine.num_io_tensors)]
        is_input = [self._engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT for name in names]
        (self._input_name,) = (name for name, own in zip(names, is_input, strict=True) if own)
        first = self.executor()
        infos = {name: self._info(trt, name, first.shape(name, 1)) for name in names}
        self.input: TensorInfo = infos.pop(self._input_name)
        self.outputs: tuple[TensorInfo, ...] = tuple(infos.values())

    def _info(self, trt: Any, name: str, shape: tuple[int, ...]) -> TensorInfo:
        dtype = np.dtype(trt.nptype(self._engine.get_tensor_dtype(name)))
        return TensorInfo(name, shape[1:], dtype)

    def executor(self) -> TensorRTExecutor:
        """Make an execution context."""
        return TensorRTExecutor(self._engine, self._input_name, self._profile)
