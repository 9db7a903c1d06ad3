"""ONNX Runtime: always there, on the CPU and, where its provider is installed, on CUDA."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnxruntime

from anpr_stream.errors import BackendError
from anpr_stream.inference.device import count_as_nvidia_smi
from anpr_stream.types import FloatArray

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


def version() -> str:
    """Version of ONNX Runtime."""
    return str(onnxruntime.__version__)


def has_cuda() -> bool:
    """Tell whether this build of ONNX Runtime can use CUDA."""
    return PROVIDERS["cuda"] in onnxruntime.get_available_providers()


class OnnxBackend:
    """A network on ONNX Runtime. `run` may be called from several threads."""

    def __init__(
        self,
        path: Path,
        precision: str,
        threads: int,
        device: str = "cpu",
        gpu: int = 0,
        streams: int = 1,
    ) -> None:
        """Load the network.

        Args:
            path: ONNX file; its own numbers decide the arithmetic.
            precision: only for `description`.
            threads: of one run, on the CPU.
            device: `cpu` or `cuda`.
            gpu: number of the GPU, for `cuda`.
            streams: runs side by side.

        Raises:
            BackendError: the file or the provider is refused.
        """
        self.description = f"onnxruntime {precision} {device}"
        self.streams = streams
        provider: Any = PROVIDERS[device]
        if device == "cuda":
            count_as_nvidia_smi()
            provider = provider, {"device_id": gpu}
        try:
            # Its own fallback would take the processor, and print so among the events on standard output.
            self._session: Any = onnxruntime.InferenceSession(
                str(path), _options(threads), providers=[provider], enable_fallback=0
            )
        except Exception as error:
            raise BackendError(f"onnxruntime refuses {path.name}: {_first_line(error)}") from error
        if self._session.get_providers()[0] != PROVIDERS[device]:
            raise BackendError(f"onnxruntime cannot start {PROVIDERS[device]}: see its own warning above")
        self._input = self._session.get_inputs()[0].name
        self._outputs = [output.name for output in self._session.get_outputs()]

    def run(self, images: FloatArray) -> dict[str, FloatArray]:
        """Run a batch; see `anpr_stream.interfaces.Backend`."""
        if self._session is None:
            raise BackendError("onnxruntime: this network was closed")
        try:
            results = self._session.run(self._outputs, {self._input: images})
        except Exception as error:
            raise BackendError(f"onnxruntime failed: {_first_line(error)}") from error
        return dict(zip(self._outputs, results, strict=True))

    def close(self) -> None:
        """Free the engine; may be called twice."""
        self._session = None


def _options(threads: int) -> Any:
    """Threads that wait instead of spinning: spinning ones take the cores from the other stages."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
