from collections.abc import Sequence
from threading import Event as Flag

import numpy as np
import pytest

from anpr_stream.errors import BackendError
from anpr_stream.pipeline.reading import LiveDesk, RecordedDesk, WantedCrop
from anpr_stream.pipeline.worker import FreshCrops, Worker
from anpr_stream.sources.clock import SystemClock
from anpr_stream.testing import make_read
from anpr_stream.types import Crop, CropQuality, Read
from tests.pipeline.fakes import PLATE, make_frame


def wanted(index: int, track_id: int = 1) -> WantedCrop:
    image = np.zeros((10, 30, 3), np.uint8)
    return WantedCrop(Crop(image, PLATE, CropQuality(24.0, 0.8, False), make_frame(index), track_id))


class Reader:
    """Reads each crop as the number of its frame, and waits for permission."""

    def __init__(self) -> None:
        self.go_on = Flag()
        self.began = Flag()

    def __call__(self, crops: Sequence[Crop]) -> list[Read]:
        self.began.set()
        assert self.go_on.wait(60)
        return [make_read(str(crop.frame.index)) for crop in crops]


def worker(reader: Reader, waiting_limit: int = 8) -> Worker[Crop, Read]:
    return Worker("read", reader, FreshCrops[Crop, Read](4, waiting_limit, SystemClock()), 0)


def texts(found: Sequence[tuple[Crop, Read]]) -> list[str]:
    assert all(read.text == str(crop.frame.index) for crop, read in found)
    return [read.text for _, read in found]


def test_the_reads_of_a_recording_count_a_fixed_number_of_looks_later() -> None:
    reader = Reader()
    reader.go_on.set()
    with worker(reader) as thread:
        desk = RecordedDesk(thread, "file", delay_looks=2)
        seen = []
        for index in range(6):
            desk.ask([wanted(index, 1), wanted(index, 2)] if index < 3 else [])
            seen.append(texts(desk.arrived()))
    assert seen == [[], [], ["0", "0"], ["1", "1"], ["2", "2"], []]


def test_the_last_reads_of_a_recording_are_waited_for() -> None:
    reader = Reader()
    reader.go_on.set()
    with worker(reader) as thread:
        desk = RecordedDesk(thread, "file", delay_looks=5)
        desk.ask([wanted(0)])
        desk.ask([wanted(1)])
        assert texts(desk.rest()) == ["0", "1"]
        assert desk.rest() == []


def test_live_reads_count_as_they_come() -> None:
    reader = Reader()
    with worker(reader) as thread:
        desk = LiveDesk(thread, "gate", max_wait_s=60, clock=SystemClock())
        desk.ask([wanted(0)])
        assert reader.began.wait(30)
        assert desk.arrived() == []
        desk.ask([wanted(1)])
        reader.go_on.set()
        assert texts(desk.rest()) == ["0", "1"]
        assert desk.arrived() == []


def test_a_live_crop_that_was_dropped_gives_no_read() -> None:
    reader = Reader()
    with worker(reader) as thread:
        desk = LiveDesk(thread, "gate", max_wait_s=60, clock=SystemClock())
        desk.ask([wanted(0)])
        assert reader.began.wait(30)
        for index in (1, 2, 3):
            desk.ask([wanted(index)])
        reader.go_on.set()
        assert texts(desk.rest()) == ["0", "3"]


def test_the_end_does_not_wait_for_a_reader_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anpr_stream.pipeline.reading.LAST_READS_S", 0.01)
    reader = Reader()
    with worker(reader) as thread:
        desk = LiveDesk(thread, "gate", max_wait_s=60, clock=SystemClock())
        desk.ask([wanted(0)])
        assert desk.rest() == []
        reader.go_on.set()


def test_a_reader_that_fails_is_told_where_its_reads_are_taken() -> None:
    def fail(crops: Sequence[Crop]) -> list[Read]:
        raise BackendError("out of memory")

    with Worker("read", fail, FreshCrops[Crop, Read](4, 8, SystemClock()), 0) as thread:
        desk = RecordedDesk(thread, "file", delay_looks=1)
        desk.ask([wanted(0)])
        desk.ask([])
        with pytest.raises(BackendError, match="out of memory"):
            desk.arrived()


def test_a_closed_reader_gives_nothing() -> None:
    reader = Reader()
    reader.go_on.set()
    thread = worker(reader)
    thread.close()
    desk = RecordedDesk(thread, "file", delay_looks=1)
    desk.ask([wanted(0)])
    assert desk.rest() == []
