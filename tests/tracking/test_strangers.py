import numpy as np
import pytest

from anpr_stream.plates.matching import Confusions
from anpr_stream.testing import make_box, make_frame, make_read
from anpr_stream.tracking.strangers import AGREEING, MOST, Reading, Strangers
from anpr_stream.types import Crop, CropQuality, Detection

KNOWN = "AB1234"


def reading(text: str, confidence: float = 0.9, truncated: bool = False) -> Reading:
    detection = Detection(make_box(900, 600, 24), 0.9)
    crop = Crop(np.zeros((1, 1, 3), np.uint8), detection, CropQuality(24, 0.8, truncated), make_frame(0), 1)
    return Reading(crop, make_read(text, confidence), (), 0.0)


@pytest.fixture
def strangers() -> Strangers:
    confusions = Confusions()
    return Strangers(confusions, lambda one, other: confusions.distance(one, other) <= 0.6)


def test_reads_that_agree_on_another_text_prove_another_vehicle(strangers: Strangers) -> None:
    for text in ("XYZ987", "XYZ987", "XYZ9B7"):
        assert not strangers.are_another
        assert strangers.sort(KNOWN, reading(text)) == []
    assert strangers.are_another
    assert [r.read.text for r in strangers.release()] == ["XYZ987", "XYZ987", "XYZ9B7"]
    assert not strangers


def test_the_known_text_sets_free_what_waits_in_its_order(strangers: Strangers) -> None:
    odd, own = reading("XYZ987"), reading("AB1Z34")
    strangers.sort(KNOWN, odd)
    assert strangers.sort(KNOWN, own) == [odd, own]
    assert not strangers


@pytest.mark.parametrize("text", ["AB12", "34", "AB12345678", "A81Z34"])
def test_a_part_of_the_plate_or_a_misread_one_is_no_stranger(strangers: Strangers, text: str) -> None:
    assert len(strangers.sort(KNOWN, reading(text))) == 1


@pytest.mark.parametrize("little", [reading(""), reading("XYZ987", 0.1), reading("XYZ987", truncated=True)])
def test_what_says_little_neither_waits_nor_sets_free(strangers: Strangers, little: Reading) -> None:
    strangers.sort(KNOWN, reading("XYZ987"))
    assert strangers.sort(KNOWN, little) == [little]
    assert strangers


def test_reads_that_contradict_each_other_do_not_wait_for_ever(strangers: Strangers) -> None:
    nonsense = [reading(text) for text in ("XYZ987", "JK55", "LMN777", "QQQ000", "WV88", "U9U9")]
    taken = [strangers.sort(KNOWN, each) for each in nonsense]
    assert taken == [*[[]] * MOST, nonsense]
    assert len(nonsense) == MOST + 1 > AGREEING
    assert not strangers.are_another
