"""Readers put together as the settings want them."""

from __future__ import annotations

from anpr_stream.config.models import ReaderSettings
from anpr_stream.interfaces import Backend, PlateReader
from anpr_stream.perception.again import SecondReading
from anpr_stream.perception.characters import CharacterReader
from anpr_stream.perception.reader import CtcReader
from anpr_stream.perception.straight import straighten, surer
from anpr_stream.vision.contract import CharactersContract, ReaderContract


def make_reader(
    backend: Backend, contract: ReaderContract | CharactersContract, settings: ReaderSettings
) -> PlateReader:
    """Return the reader that a network is made for, with a second reading of doubtful plates that lie aslant.

    The caller closes the backend.
    """

    def reader(how: ReaderSettings) -> PlateReader:
        if isinstance(contract, CharactersContract):
            return CharacterReader(backend, how)
        return CtcReader(backend, contract, how)

    first, below = reader(settings), settings.straighten_below
    if not below:
        return first
    by_corners = reader(settings.model_copy(update={"rectify": True}))
    return SecondReading(first, by_corners, straighten, surer, below)
