"""Texts of cut-out plates: a ResNet + GRU + CTC network on any engine."""

from __future__ import annotations

from collections.abc import Sequence

from anpr_stream.config.models import ReaderSettings
from anpr_stream.interfaces import Backend
from anpr_stream.perception.parts import run_parts
from anpr_stream.types import Crop, FloatArray, Read
from anpr_stream.vision.contract import ReaderContract
from anpr_stream.vision.crops import reading_quad
from anpr_stream.vision.ctc import decode, mix, softmax


class CtcReader:
    """A `PlateReader` for one or two lines. It cuts what it reads out of the crops' frames."""

    def __init__(
        self, backend: Backend, contract: ReaderContract, settings: ReaderSettings | None = None
    ) -> None:
        """Wrap a loaded network; the caller closes the backend."""
        self._backend = backend
        self._contract = contract
        self._settings = settings or ReaderSettings()
        self._margins = self._settings.margins or (contract.margin,)

    def read(self, crops: Sequence[Crop]) -> list[Read]:
        """Return one read per crop, in order; an illegible crop gives an empty text.

        Raises:
            BackendError: the engine failed.
        """
        if not crops:
            return []
        logits = self._run([(crop, margin) for crop in crops for margin in self._margins])
        probabilities = softmax(logits, self._contract.temperature)
        reads = [self._decode(steps) for steps in probabilities]
        count, most = len(self._margins), self._settings.max_candidates
        return [mix(reads[start : start + count], most) for start in range(0, len(reads), count)]

    def _decode(self, probabilities: FloatArray) -> Read:
        settings = self._settings
        return decode(probabilities, self._contract.lines, settings.beam_width, settings.max_candidates)

    def _run(self, looks: Sequence[tuple[Crop, float]]) -> FloatArray:
        """Return logits (N, T, 37) of crops, each with a margin."""
        quads = [reading_quad(crop.detection, margin, self._settings.rectify) for crop, margin in looks]
        size = self._contract.height, self._contract.width
        return run_parts(self._backend, [crop.frame for crop, _ in looks], quads, size)["logits"]
