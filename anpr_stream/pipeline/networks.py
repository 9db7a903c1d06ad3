"""The two networks of a process, loaded once and shared by all its cameras."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from anpr_stream.config.schema import Settings
from anpr_stream.errors import ModelError
from anpr_stream.inference.select import LoadedNetwork, load_network
from anpr_stream.interfaces import PlateReader
from anpr_stream.perception.characters import CharacterReader
from anpr_stream.perception.closer import SIZE, CloserReader, window_around
from anpr_stream.perception.detector import YoloDetector
from anpr_stream.perception.reader import CtcReader
from anpr_stream.pipeline.follower import Signature
from anpr_stream.types import Detection, Frame, PixelFormat, Planes
from anpr_stream.vision.contract import CharactersContract, DetectorContract, NetworkContract, ReaderContract
from anpr_stream.vision.crops import cut_crop

Kind = TypeVar("Kind", bound=NetworkContract)


@dataclass(frozen=True)
class Networks:
    """Detector and reader, ready; a context manager that frees them.

    Attributes:
        detector: for any thread.
        reader: for one thread at a time.
        loaded: the networks behind them, with the reasons for their engines.
    """

    detector: YoloDetector
    reader: PlateReader
    loaded: tuple[LoadedNetwork, ...] = ()

    @property
    def signature(self) -> Signature:
        """What events say about the networks."""
        engines = dict.fromkeys(network.backend.description for network in self.loaded)
        models = tuple((network.model.name, network.model.sha256) for network in self.loaded)
        return Signature(", ".join(engines), models)

    def warm_up(self) -> None:
        """Look and read once: engines compile when a shape first comes, and a passing car would wait."""
        grey = Planes(PixelFormat.BGR, (np.full((SIZE[1], SIZE[0], 3), 114, np.uint8),))
        frame = Frame("warm-up", 0, 0.0, 0.0, *SIZE, grey)
        middle = Detection((78.0, 80.0, 178.0, 112.0), 1.0)
        self.detector.detect_in(frame, window_around(middle.box))
        self.reader.read([cut_crop(frame, middle)])

    def close(self) -> None:
        """Free the engines; may be called twice."""
        for network in self.loaded:
            network.backend.close()

    def __enter__(self) -> Networks:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def load_networks(settings: Settings) -> Networks:
    """Load the networks that the settings name on the engines of this machine.

    Raises:
        ModelError: a network is missing, damaged, of another contract or of another kind.
        BackendError: no engine can run it.
    """
    finding, finds = _load(settings.detector.model, settings, DetectorContract)
    with ExitStack() as unless_both:
        unless_both.callback(finding.backend.close)
        detector = YoloDetector(finding.backend, finds, settings.detector)
        reading, reader = _load_reader(settings)
        unless_both.pop_all()
    if settings.reader.closer_below:
        reader = CloserReader(reader, detector.detect_in, settings.reader.closer_below)
    return Networks(detector, reader, (finding, reading))


def _load_reader(settings: Settings) -> tuple[LoadedNetwork, PlateReader]:
    if settings.reader.reader == "characters":
        loaded, _ = _load(settings.reader.characters_model, settings, CharactersContract)
        return loaded, CharacterReader(loaded.backend, settings.reader)
    loaded, contract = _load(settings.reader.model, settings, ReaderContract)
    return loaded, CtcReader(loaded.backend, contract, settings.reader)


def _load(model: str, settings: Settings, kind: type[Kind]) -> tuple[LoadedNetwork, Kind]:
    loaded = load_network(model, settings.inference)
    contract = loaded.model.contract
    if not isinstance(contract, kind):
        loaded.backend.close()
        wanted = kind.__name__.removesuffix("Contract").lower()
        raise ModelError(f"{loaded.model.path} is no {wanted}: name another network", "model-kind")
    return loaded, contract
