"""Stages that do what a test tells them, and the values that pass between stages, made from little."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from anpr_stream.types import (
    ALPHABET,
    Box,
    Candidate,
    Crop,
    Detection,
    Frame,
    FusedRead,
    Image,
    PixelFormat,
    Planes,
    Read,
    SourceState,
    SourceStatus,
)


class FakeClock:
    """A `Clock` that only moves when told to."""

    def __init__(self, utc_s: float = 1_700_000_000.0) -> None:
        self._utc_s = utc_s
        self._monotonic_s = 0.0

    def utc_s(self) -> float:
        """Seconds since the epoch."""
        return self._utc_s

    def monotonic_s(self) -> float:
        """Seconds that never go back."""
        return self._monotonic_s

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._utc_s += seconds
        self._monotonic_s += seconds

    def jump(self, seconds: float) -> None:
        """Set the wall clock forward or back, as an administrator or NTP does."""
        self._utc_s += seconds


class FakeSource:
    """A `Source` that gives the frames it was made with."""

    def __init__(self, frames: Iterable[Frame]) -> None:
        self._frames = frames
        self._given = 0
        self._is_closed = False

    def frames(self) -> Iterator[Frame]:
        """Yield the frames until `close`."""
        for frame in self._frames:
            if self._is_closed:
                return
            self._given += 1
            yield frame
        self._is_closed = True

    def status(self) -> SourceStatus:
        """Return the number of frames given."""
        state = SourceState.ENDED if self._is_closed else SourceState.RUNNING
        return SourceStatus(state, frames=self._given)

    def close(self) -> None:
        """Give no more frames."""
        self._is_closed = True


class FakeDetector:
    """A `PlateDetector` that asks a function."""

    def __init__(self, find: Callable[[Frame], list[Detection]]) -> None:
        self._find = find

    def detect(self, frames: Sequence[Frame]) -> list[list[Detection]]:
        """Return what the function finds in each frame."""
        return [self._find(frame) for frame in frames]


class FakeReader:
    """A `PlateReader` that asks a function."""

    def __init__(self, spell: Callable[[Crop], Read]) -> None:
        self._spell = spell

    def read(self, crops: Sequence[Crop]) -> list[Read]:
        """Return what the function reads in each crop."""
        return [self._spell(crop) for crop in crops]


def make_read(text: str, confidence: float = 0.9, lines: tuple[int, ...] = (), doubts: str = "") -> Read:
    """Return a read that is equally sure of each character.

    Args:
        text: A-Z0-9; empty for an illegible crop.
        confidence: probability of each character, and of the whole text.
        lines: number of characters of each line; one line if left out.
        doubts: for each character the one that it may be instead, `.` for none in particular.
    """
    characters = np.full((len(text), len(ALPHABET)), (1.0 - confidence) / len(ALPHABET), dtype=np.float32)
    for row, character, doubt in zip(characters, text, doubts.ljust(len(text), "."), strict=True):
        if doubt != ".":
            row[:] = 0.0
            row[ALPHABET.index(doubt)] = 1.0 - confidence
        row[ALPHABET.index(character)] = confidence
    candidates = (Candidate(text, confidence),) if text else ()
    return Read(text, confidence if text else 0.0, characters, lines or (len(text),), candidates)


def make_plate(text: str, confidence: float = 0.95, agreeing_reads: int = 3) -> FusedRead:
    """Return a fused read without any format."""
    return FusedRead(
        text=text,
        raw_text=text,
        confidence=confidence,
        char_confidences=(confidence,) * len(text),
        candidates=(Candidate(text, confidence),),
        format=None,
        country=None,
        reads=agreeing_reads,
        agreeing_reads=agreeing_reads,
        line_lengths=(len(text),),
    )


def make_frame(
    index: int = 0,
    pts_s: float | None = None,
    camera: str = "gate",
    size: tuple[int, int] = (1920, 1080),
    start_utc_s: float = 1_700_000_000.0,
    segment: int = 0,
    picture: Image | None = None,
) -> Frame:
    """Return a frame of a 25 Hz stream; without a picture its planes are empty."""
    time_s = index / 25 if pts_s is None else pts_s
    planes = Planes(PixelFormat.BGR, () if picture is None else (picture,))
    return Frame(camera, index, time_s, start_utc_s + time_s, *size, planes, segment)


def make_box(x: float, y: float, height: float, aspect: float = 4.0) -> Box:
    """Return a box around a centre."""
    return (x - height * aspect / 2, y - height / 2, x + height * aspect / 2, y + height / 2)
