import numpy as np
import pytest

import anpr_stream.testing as testing
from anpr_stream.interfaces import PlateDetector, PlateReader, Source
from anpr_stream.testing import (
    FakeClock,
    FakeDetector,
    FakeReader,
    FakeSource,
    make_box,
    make_frame,
    make_plate,
    make_read,
)
from anpr_stream.types import ALPHABET, Crop, CropQuality, Detection, SourceState


def test_everything_that_is_exported_is_there() -> None:
    assert all(hasattr(testing, name) for name in testing.__all__)


def test_a_clock_moves_only_when_told_to() -> None:
    clock = FakeClock(utc_s=100.0)
    clock.advance(2.5)
    assert (clock.utc_s(), clock.monotonic_s()) == (102.5, 2.5)


def test_a_clock_that_is_set_back_does_not_run_backwards() -> None:
    clock = FakeClock(utc_s=100.0)
    clock.jump(-60.0)
    assert (clock.utc_s(), clock.monotonic_s()) == (40.0, 0.0)


def test_a_source_gives_its_frames_and_ends() -> None:
    source = FakeSource(make_frame(i) for i in range(3))
    assert isinstance(source, Source)
    assert [frame.index for frame in source.frames()] == [0, 1, 2]
    assert (source.status().state, source.status().frames) == (SourceState.ENDED, 3)


def test_a_closed_source_gives_no_more() -> None:
    source = FakeSource(make_frame(i) for i in range(9))
    seen = []
    for frame in source.frames():
        seen.append(frame.index)
        if frame.index == 1:
            assert source.status().state is SourceState.RUNNING
            source.close()
    assert seen == [0, 1]


def test_detector_and_reader_answer_as_told() -> None:
    detector = FakeDetector(lambda frame: [Detection(make_box(100, 100, 10 + frame.index), 0.9)])
    reader = FakeReader(lambda crop: make_read(f"AB{crop.track_id}"))
    assert isinstance(detector, PlateDetector)
    assert isinstance(reader, PlateReader)
    found = detector.detect([make_frame(0), make_frame(5)])
    assert [plates[0].box[3] - plates[0].box[1] for plates in found] == [10, 15]
    crops = [
        Crop(np.zeros((1, 1, 3), np.uint8), found[0][0], CropQuality(10, 1, False), make_frame(0), n)
        for n in (1, 2)
    ]
    assert [read.text for read in reader.read(crops)] == ["AB1", "AB2"]


@pytest.mark.parametrize(("text", "confidence"), [("AB123", 0.9), ("A", 0.5), ("", 0.9)])
def test_a_read_is_sure_of_its_own_text(text: str, confidence: float) -> None:
    read = make_read(text, confidence)
    spelled = "".join(ALPHABET[place] for place in read.character_probabilities.argmax(axis=1))
    assert (read.text, spelled) == (text, text)
    assert np.all(read.character_probabilities.sum(axis=1) <= 1.0 + 1e-6)
    assert read.confidence == (confidence if text else 0.0)


def test_doubts_take_the_rest_of_the_probability() -> None:
    read = make_read("AB1", 0.6, doubts=".8")
    assert read.character_probabilities[1, ALPHABET.index("8")] == pytest.approx(0.4)
    assert read.character_probabilities[0, ALPHABET.index("8")] < 0.02


def test_frames_follow_the_clock_of_their_stream() -> None:
    frame = make_frame(50, start_utc_s=1000.0, picture=np.zeros((4, 6, 3), np.uint8), size=(6, 4))
    assert (frame.pts_s, frame.utc_s, frame.width, frame.height) == (2.0, 1002.0, 6, 4)
    assert frame.planes.arrays[0].shape == (4, 6, 3)
    assert make_frame(50, pts_s=7.0).pts_s == 7.0


def test_a_plate_is_one_that_reads_agree_on() -> None:
    plate = make_plate("AB123", 0.8, agreeing_reads=2)
    assert (plate.text, plate.raw_text, plate.agreeing_reads) == ("AB123", "AB123", 2)
    assert plate.candidates[0].text == "AB123"
