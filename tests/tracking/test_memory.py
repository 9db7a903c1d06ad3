import pytest

from anpr_stream.config.tracking import VisitSettings
from anpr_stream.plates.matching import Confusions
from anpr_stream.testing import make_box
from anpr_stream.tracking.memory import PlaceMemory
from anpr_stream.tracking.path import Path
from anpr_stream.tracking.zones import Places
from anpr_stream.types import Box, Candidate, Moment

HERE, BESIDE, FAR = make_box(900, 500, 20), make_box(930, 500, 20), make_box(300, 500, 20)


def visit(box: Box, from_s: float, to_s: float, drive_to: Box | None = None) -> Path:
    path = Path(box, Moment(from_s, from_s), from_s, VisitSettings())
    for time_s in (from_s, to_s):
        path.follow(box, (0.0, 0.0), Moment(time_s, time_s), time_s, (1920, 1080), Places())
    if drive_to:
        path.follow(drive_to, (0.0, 0.0), Moment(to_s, to_s), to_s, (1920, 1080), Places())
    return path


@pytest.fixture
def memory() -> PlaceMemory:
    """Knows a short visit of AB1234 at 100 s and a parked XY7788, both at the same place."""
    made = PlaceMemory(VisitSettings(), Confusions())
    made.remember(Candidate("AB1234", 0.9), visit(HERE, 90.0, 100.0))
    made.remember(Candidate("XY7788", 0.9), visit(HERE, 0.0, 100.0))
    return made


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("AB1234", "AB1234", True),
        ("AB1234", "A81234", True),
        ("AB1234", "AB1235", False),
        ("AB1234", "AB123", False),
    ],
)
def test_texts_that_may_be_one_plate(memory: PlaceMemory, one: str, other: str, expected: bool) -> None:
    assert memory.is_same_text(one, other) is expected
    assert memory.is_same_text(other, one) is expected


@pytest.mark.parametrize(("other", "expected"), [("AB1234", True), ("AB12E4", False), ("A81234", False)])
def test_two_sure_texts_are_one_plate_only_if_printed_alike(
    memory: PlaceMemory, other: str, expected: bool
) -> None:
    assert memory.is_same_text("AB1234", other, confidence=0.98) is expected
    assert memory.is_same_text("OIL123", "01L123", confidence=0.98)


@pytest.mark.parametrize(
    ("text", "box", "start_s", "expected"),
    [
        ("AB1234", HERE, 110.0, "AB1234"),
        ("A81234", BESIDE, 125.0, "AB1234"),
        ("AB1234", HERE, 140.0, None),
        ("AB1234", FAR, 110.0, None),
        ("ZZ9999", HERE, 110.0, None),
        ("XY7788", BESIDE, 110.0, "XY7788"),
        ("XY7788", HERE, 50_000.0, "XY7788"),
        ("XY7788", HERE, 90_000.0, None),
        ("XY7788", FAR, 110.0, None),
    ],
    ids=[
        "again", "misread and beside", "too late", "elsewhere", "another", "parked", "parked for hours",
        "parked yesterday", "parked elsewhere",
    ],
)  # fmt: skip
def test_recall(memory: PlaceMemory, text: str, box: Box, start_s: float, expected: str | None) -> None:
    past = memory.recall(Candidate(text, 0.9), visit(box, start_s, start_s))
    assert (past.text if past else None) == expected


def test_a_parked_plate_that_drives_off_is_not_recalled(memory: PlaceMemory) -> None:
    assert memory.recall(Candidate("XY7788", 0.9), visit(HERE, 110.0, 111.0, drive_to=FAR)) is None


def test_a_forgotten_plate_is_not_recalled(memory: PlaceMemory) -> None:
    past = memory.recall(Candidate("XY7788", 0.9), visit(HERE, 110.0, 111.0))
    assert past is not None
    memory.forget(past)
    memory.forget(past)
    assert memory.recall(Candidate("XY7788", 0.9), visit(HERE, 110.0, 111.0)) is None


def test_a_repeated_visit_is_remembered_for_longer(memory: PlaceMemory) -> None:
    again = visit(BESIDE, 120.0, 125.0)
    past = memory.recall(Candidate("AB1234", 0.9), again)
    assert past is not None
    memory.renew(past, again)
    assert memory.recall(Candidate("AB1234", 0.9), visit(BESIDE, 150.0, 151.0)) is not None


def test_a_parking_space_is_known_whatever_the_text(memory: PlaceMemory) -> None:
    assert memory.is_parking_space(visit(HERE, 110.0, 111.0))
    assert not memory.is_parking_space(visit(FAR, 110.0, 111.0))
    assert not memory.is_parking_space(visit(HERE, 110.0, 111.0, drive_to=FAR))


def test_a_busy_street_does_not_make_parked_plates_forgotten(memory: PlaceMemory) -> None:
    for number in range(2000):
        memory.remember(Candidate(f"CD{number:04d}", 0.9), visit(FAR, 101.0 + number, 102.0 + number))
    assert memory.recall(Candidate("XY7788", 0.9), visit(HERE, 3000.0, 3001.0)) is not None


def test_places_of_burned_in_text(memory: PlaceMemory) -> None:
    assert not memory.is_burned_in(HERE, 10.0)
    memory.note_burned_in(HERE, 10.0)
    memory.note_burned_in(HERE, 10.0)
    assert memory.is_burned_in(make_box(901, 500, 20), 20.0)
    assert not memory.is_burned_in(BESIDE, 20.0)
