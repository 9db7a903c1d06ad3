"""The two networks of a process, loaded once and shared by all its cameras."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np

from anpr_stream.config.schema import Settings
from anpr_stream.errors import ModelError
from anpr_stream.inference.select import LoadedNetwork, load_network
from anpr_stream.interfaces import PlateReader
from anpr_stream.perception.again import SecondReading
from anpr_stream.perception.closer import SIZE, look_closer, window_around
from anpr_stream.perception.detector import YoloDetector
from anpr_stream.perception.readers import make_reader
from anpr_stream.pipeline.follower import Signature
from anpr_stream.types import Detection, Frame, PixelFormat, Planes
from anpr_stream.vision.contract import CharactersContract, DetectorContract, NetworkContract, ReaderContract
from anpr_stream.vision.crops import cut_crop
from anpr_stream.vision.ctc import mix

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
    if below := settings.reader.closer_below:
        closer = partial(look_closer, detector.detect_in)
        reader = SecondReading(reader, reader, closer, lambda *reads: mix(reads), below)
    return Networks(detector, reader, (finding, reading))


def _load_reader(settings: Settings) -> tuple[LoadedNetwork, PlateReader]:
    how = settings.reader
    contract: ReaderContract | CharactersContract
    if how.reader == "characters":
        loaded, contract = _load(how.characters_model, settings, CharactersContract)
    else:
        loaded, contract = _load(how.model, settings, ReaderContract)
    return loaded, make_reader(loaded.backend, contract, how)


def _load(model: str, settings: Settings, kind: type[Kind]) -> tuple[LoadedNetwork, Kind]:
    loaded = load_network(model, settings.inference)
    contract = loaded.model.contract
    if not isinstance(contract, kind):
        loaded.backend.close()
        wanted = kind.__name__.removesuffix("Contract").lower()
        raise ModelError(f"{loaded.model.path} is no {wanted}: name another network", "model-kind")
    return loaded, contract
