"""PyTorch on the processor as the engine of a GPU made of host memory."""

from __future__ import annotations

from tools.gpu.torch_engine import TorchEngine, TorchExecutor


class HostExecutor(TorchExecutor):
    def enqueue(self, batch, addresses, stream) -> None:
        stream.put(lambda: self.run(batch, addresses))


class HostTorch(TorchEngine):
    def executor(self) -> HostExecutor:
        return HostExecutor(self)
