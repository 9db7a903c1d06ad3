"""Which engine runs a network, and why not the others.

Ways to run a network are tried tier by tier: GPU engines first, then the processor's arithmetic from the
cheapest on. Every way must agree with the network's golden sample. Of the ways of one tier that agree the
fastest is taken; a tier without one gives way to the next, and the reasons are kept.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from anpr_stream.config.models import InferenceSettings
from anpr_stream.errors import AnprError, BackendError
from anpr_stream.inference import choices, golden, processor
from anpr_stream.inference.choices import Choice, Rejection
from anpr_stream.inference.models import Golden, ModelFile, file_hash, find_model
from anpr_stream.inference.ways import Way, ways
from anpr_stream.interfaces import Backend
from anpr_stream.vision.contract import DetectorContract

LOG = logging.getLogger(__name__)

PACKAGES = ("onnxruntime", "onnxruntime-gpu", "openvino", "tensorrt", "tensorrt-rtx")
"""Another version of one of these, and the engines are measured again."""

CHECKED_CROPS = 7
"""Enough for every size of batch that an engine compiles (OpenVINO 4, 2 and 1)."""


@dataclass(frozen=True, slots=True)
class LoadedNetwork:
    """A network that is ready and has answered its golden sample.

    Attributes:
        backend: runs it.
        model: its file and contract.
        engine: e.g. `openvino`.
        precision: e.g. `int8`.
        because: one line that says why this way.
        rejections: ways that were not taken, and why.
    """

    backend: Backend
    model: ModelFile
    engine: str
    precision: str
    because: str
    rejections: tuple[Rejection, ...] = ()


def load_network(
    model: str | Path, settings: InferenceSettings | None = None, choices_path: Path | None = None
) -> LoadedNetwork:
    """Load a network on the best engine of this machine that answers its golden sample right.

    Args:
        model: name of a shipped network or path of an ONNX file.
        settings: engine, precision, threads.
        choices_path: where choices are remembered; None takes the user's cache folder.

    Raises:
        ModelError: the network is missing, damaged or of another contract.
        BackendError: no engine that the settings allow can run it; the line says why.
    """
    settings = settings or InferenceSettings()
    path = choices_path or choices.choices_file()
    file = find_model(model)
    loader = _Loader(file, _sample(file), settings)
    key = _key(file, settings)
    found, rejections = ways(file, settings)
    loaded = loader.again(found, choices.recall(key, path))
    if loaded is None:
        loaded = loader.best(found, rejections)
        loaded = replace(loaded, rejections=tuple(rejections))
        choice = Choice(loaded.engine, loaded.precision, loaded.because, loaded.rejections)
        choices.remember(key, choice, path)
    _report(loaded)
    return loaded


def _sample(file: ModelFile) -> Golden:
    """Return the golden sample; for readers as a batch of crops.

    So all sizes in which engines run batches are checked, and compiled before the first crop comes.
    """
    sample = file.golden()
    return sample if isinstance(file.contract, DetectorContract) else sample.repeated(CHECKED_CROPS)


@dataclass(frozen=True)
class _Loader:
    file: ModelFile
    sample: Golden
    settings: InferenceSettings

    def again(self, found: Iterable[Way], choice: Choice | None) -> LoadedNetwork | None:
        """Load as at the last start, unless a better way serves now; the golden sample still decides."""
        if choice is None:
            return None
        known = choice.engine, choice.precision
        chosen = next((way for way in found if (way.engine, way.precision) == known), None)
        if chosen is None:
            return None
        wrong = {entry.engine for entry in choice.rejections if entry.slug == "golden-disagrees"}
        if self._serves(way for way in found if way.tier < chosen.tier and str(way) not in wrong):
            return None
        try:
            loaded = self._network(chosen, self._checked(chosen), choice.because)
            return replace(loaded, rejections=choice.rejections)
        except AnprError as error:
            LOG.warning("%s: %s no longer serves, choosing again: %s", self.file.name, chosen, error)
            return None

    def _serves(self, better: Iterable[Way]) -> bool:
        """Tell whether a way that failed before serves now: a GPU's driver may have come up late."""
        for way in better:
            with suppress(AnprError):
                self._checked(way).close()
                return True
        return False

    def best(self, found: list[Way], rejections: list[Rejection]) -> LoadedNetwork:
        """Try tier by tier; append to `rejections` what does not serve."""
        for tier in sorted({way.tier for way in found}):
            timed = []
            for way in (way for way in found if way.tier == tier):
                try:
                    backend = self._checked(way)
                    timed.append((golden.time_ms(backend, self.sample), way, backend))
                except AnprError as error:
                    rejections.append(Rejection(str(way), error.reason_slug, error.message))
            if timed:
                return self._fastest(timed, rejections)
        reasons = "; ".join(f"{entry.engine}: {entry.reason}" for entry in rejections)
        wanted = f"backend {self.settings.backend}, precision {self.settings.precision}"
        raise BackendError(f"{self.file.name} cannot run ({wanted}): {reasons}")

    def _fastest(self, timed: list[tuple[float, Way, Backend]], rejections: list[Rejection]) -> LoadedNetwork:
        timed.sort(key=lambda entry: entry[0])
        best_ms, way, backend = timed[0]
        for slower_ms, slower, loser in timed[1:]:
            loser.close()
            reason = f"{slower_ms:.1f} ms a picture, {way.engine} {best_ms:.1f} ms"
            rejections.append(Rejection(str(slower), "slower", reason))
        rivals = "".join(f", {slower.engine} {slower_ms:.1f} ms" for slower_ms, slower, _ in timed[1:])
        return self._network(way, backend, f"{_why(way)}, {best_ms:.1f} ms a picture{rivals}")

    def _network(self, way: Way, backend: Backend, because: str) -> LoadedNetwork:
        return LoadedNetwork(backend, self.file, way.engine, way.precision, because)

    def _checked(self, way: Way) -> Backend:
        """Load and compare with the golden sample; closed again if it disagrees."""
        backend = way.load()
        try:
            golden.check(backend, self.sample, way.precision, self.file.contract)
        except AnprError:
            backend.close()
            raise
        return backend


def _why(way: Way) -> str:
    if way.engine in ("tensorrt", "cuda"):
        return "there is a GPU"
    if way.precision == "int8":
        instruction = processor.int8_reason(way.engine)
        return f"int8: the processor has {instruction}" if instruction else "int8: as asked for"
    if way.precision == "fp32":
        return "fp32: nothing cheaper is there or agrees"
    return f"{way.precision}: the processor lists it"


def _report(loaded: LoadedNetwork) -> None:
    name = loaded.model.name
    LOG.info("%s runs on %s: %s", name, loaded.backend.description, loaded.because)
    for rejection in loaded.rejections:
        LOG.info("%s not on %s: %s [%s]", name, rejection.engine, rejection.reason, rejection.slug)


def _key(file: ModelFile, settings: InferenceSettings) -> str:
    """Everything that a choice depends on, hashed."""
    parts = {
        "model": file.sha256,
        "int8": file_hash(file.int8_path) if file.int8_path else "",
        "settings": settings.model_dump(),
        "processor": processor.name(),
        "cores": processor.usable_cores(),
        "versions": {name: _version(name) for name in PACKAGES},
    }
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
    return f"{file.name}-{digest[:16]}"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
