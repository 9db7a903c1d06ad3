import cv2
import numpy as np
import pytest

from anpr_stream.interfaces import PlateReader
from anpr_stream.perception.characters import CharacterReader
from anpr_stream.types import ALPHABET, Detection, Frame, PixelFormat, Planes
from anpr_stream.vision.crops import cut_crop
from tests.networks import FakeBackend
from tests.vision.test_segment import plate

BOX = (60.0, 40.0, 480.0, 136.0)


def crop(grey):
    image = np.full((200, 560, 3), 90, np.uint8)
    height, width = grey.shape
    image[40 : 40 + height, 60 : 60 + width] = cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR)
    frame = Frame("cam", 0, 0.0, 0.0, 560, 200, Planes(PixelFormat.BGR, (image,)))
    return cut_crop(frame, Detection((60.0, 40.0, 60.0 + width, 40.0 + height), 0.9))


def reader(answers, sure=12.0):
    """Names the pieces in order as told."""
    left = list(answers)

    def run(images):
        logits = np.zeros((len(images), 36), np.float32)
        for row in logits:
            row[ALPHABET.index(left.pop(0))] = sure
        return {"logits": logits}

    backend = FakeBackend(run)
    return CharacterReader(backend), backend


def test_it_is_a_plate_reader():
    assert isinstance(reader("")[0], PlateReader)


def test_all_plates_go_in_one_batch_and_come_back_in_order():
    plates, backend = reader("ABC12347K8")
    first, second = plates.read([crop(plate("ABC1234")), crop(plate("7K8"))])
    assert (first.text, second.text) == ("ABC1234", "7K8")
    assert [len(images) for images in backend.asked] == [10]
    assert first.character_probabilities.shape == (7, 36)
    assert first.confidence > 0.99


def test_a_doubled_character_is_two():
    assert reader("AAB")[0].read([crop(plate("AAB"))])[0].text == "AAB"


def test_two_lines():
    (read,) = reader("AB12345")[0].read([crop(plate("AB1", "2345", height=140, width=260))])
    assert (read.text, read.line_lengths) == ("AB12345", (3, 4))


def test_an_unsure_character_makes_candidates():
    def run(images):
        logits = np.zeros((len(images), 36), np.float32)
        logits[:, ALPHABET.index("B")] = 6.0
        logits[:, ALPHABET.index("8")] = 5.0
        return {"logits": logits}

    (read,) = CharacterReader(FakeBackend(run)).read([crop(plate("HX"))])
    assert read.text == "BB"
    assert {candidate.text for candidate in read.candidates} >= {"BB", "B8", "8B"}
    assert read.confidence == pytest.approx(read.character_probabilities.max(axis=1).prod(), rel=1e-3)


def test_nothing_to_cut_is_an_empty_read():
    plates, backend = reader("")
    blank = crop(np.full((96, 420), 128, np.uint8))
    assert [read.text for read in plates.read([blank, blank])] == ["", ""]
    assert backend.asked == []
    assert plates.read([]) == []


def test_a_blank_between_two_plates_takes_no_character():
    blank = crop(np.full((96, 420), 128, np.uint8))
    reads = reader("7K8HX")[0].read([crop(plate("7K8")), blank, crop(plate("HX"))])
    assert [read.text for read in reads] == ["7K8", "", "HX"]
