"""Fakes that are part of the package, so that users test their own parts without cameras or networks.

`Fake...` stand in for the stages, `make_...` make values; a `Scenario` plays vehicles, reads and the
camera's doings through the real tracker, fusion and visits.
"""

from anpr_stream.testing.fakes import (
    FakeClock,
    FakeDetector,
    FakeReader,
    FakeSource,
    make_box,
    make_frame,
    make_plate,
    make_read,
)
from anpr_stream.testing.scenario import Played, Player, Scenario, summary

__all__ = [
    "FakeClock",
    "FakeDetector",
    "FakeReader",
    "FakeSource",
    "Played",
    "Player",
    "Scenario",
    "make_box",
    "make_frame",
    "make_plate",
    "make_read",
    "summary",
]
