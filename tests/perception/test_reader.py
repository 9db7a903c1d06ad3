import numpy as np
import pytest

from anpr_stream.config.models import ReaderSettings
from anpr_stream.interfaces import PlateReader
from anpr_stream.perception.reader import CtcReader
from anpr_stream.types import ALPHABET, Detection, Frame, PixelFormat, Planes
from anpr_stream.vision.contract import ReaderContract
from anpr_stream.vision.crops import cut_crop
from tests.networks import FakeBackend

CONTRACT = ReaderContract("r", "1", "images", 128, 64, lines=2, temperature=2.0, margin=0.1)


def logits(texts, sure=25.0):
    """(N, 64, 37): each text's lines spelled in their half, blank between."""
    out = np.zeros((len(texts), 64, 37), np.float32)
    for steps, lines in zip(out, texts, strict=True):
        steps[:, 0] = sure
        for half, line in enumerate(lines.split("/")):
            for place, character in enumerate(line):
                step = steps[32 * half + 2 + 3 * place]
                step[:] = 0
                step[1 + ALPHABET.index(character)] = sure
    return out


def frame():
    image = np.random.default_rng(0).integers(0, 256, (200, 400, 3), np.uint8)
    return Frame("cam", 0, 0.0, 0.0, 400, 200, Planes(PixelFormat.BGR, (image,)))


def crop(quad=None):
    return cut_crop(frame(), Detection((100.0, 80.0, 200.0, 120.0), 0.9, quad))


def reader(*texts, margins=(), **settings):
    left = list(texts)
    backend = FakeBackend(lambda images: {"logits": logits([left.pop(0) for _ in images])})
    return CtcReader(backend, CONTRACT, ReaderSettings(margins=margins, **settings)), backend


def test_it_is_a_plate_reader():
    assert isinstance(reader()[0], PlateReader)


def test_one_read_per_crop_in_order():
    plates, backend = reader("AB123", "12/345", "")
    reads = plates.read([crop(), crop(), crop()])
    assert [read.text for read in reads] == ["AB123", "12345", ""]
    assert [read.line_lengths for read in reads] == [(5,), (2, 3), ()]
    assert [images.shape for images in backend.asked] == [(3, 3, 64, 128)]


def test_no_crops_no_run():
    plates, backend = reader()
    assert plates.read([]) == []
    assert backend.asked == []


def test_by_default_two_margins_are_averaged():
    plates, backend = reader("AB1", "A81", margins=ReaderSettings().margins)
    (read,) = plates.read([crop()])
    assert len(backend.asked[0]) == 2
    assert {candidate.text for candidate in read.candidates} == {"AB1", "A81"}
    assert read.confidence == pytest.approx(0.5, abs=0.05)


def test_temperature_makes_it_less_sure():
    cool = CtcReader(FakeBackend(lambda _: {"logits": logits(["AB1"] * 2)}), CONTRACT)
    warm_contract = ReaderContract("r", "1", "images", 128, 64, lines=2, temperature=5.0, margin=0.1)
    warm = CtcReader(FakeBackend(lambda _: {"logits": logits(["AB1"] * 2)}), warm_contract)
    assert warm.read([crop()])[0].confidence < cool.read([crop()])[0].confidence


def test_margin_is_the_one_of_training_or_the_one_set():
    plates, backend = reader("A", "A")
    plates.read([crop()])
    wide, wide_backend = reader("A", margins=(0.28,))
    wide.read([crop()])
    image = crop().frame.planes.arrays[0].transpose(2, 0, 1) / 255
    assert np.allclose(wide_backend.asked[0][0, :, 0, 0], image[:, 68:70, 72:73].mean(axis=(1, 2)), atol=0.35)
    assert not np.allclose(wide_backend.asked[0], backend.asked[0], atol=0.1)


def test_cut_of_exactly_the_inputs_size_is_untouched():
    detection = Detection((100.0, 60.0, 228.0, 124.0), 0.9)
    plates, backend = reader("A", margins=(0.0,))
    source = frame()
    plates.read([cut_crop(source, detection)])
    expected = source.planes.arrays[0][60:124, 100:228].transpose(2, 0, 1) / 255
    assert np.abs(backend.asked[0][0] - expected).max() < 0.01


def test_several_margins_are_averaged():
    plates, backend = reader("AB1", "A81", "AB1", "77", "77", "77", margins=(0.05, 0.1, 0.2))
    first, second = plates.read([crop(), crop()])
    assert len(backend.asked[0]) == 6
    assert (first.text, second.text) == ("AB1", "77")
    assert first.confidence == pytest.approx(2 / 3, abs=0.1)
    assert {candidate.text for candidate in first.candidates} >= {"AB1"}


SLANTED = ((100.0, 80.0), (195.0, 90.0), (200.0, 120.0), (105.0, 110.0))


def test_corners_are_used_only_if_wanted():
    straight, with_corners = reader("A", rectify=True)
    straight.read([crop(SLANTED)])
    flat, without = reader("A")
    flat.read([crop(SLANTED)])
    plain, no_corners = reader("A")
    plain.read([crop()])
    assert np.array_equal(without.asked[0], no_corners.asked[0])
    assert not np.allclose(with_corners.asked[0], without.asked[0], atol=0.1)


class QuadTaker(FakeBackend):
    """An engine that makes its own input."""

    def run_frames(self, frames, placements, size):
        raise NotImplementedError

    def run_quads(self, frames, quads, size):
        self.quads, self.size = quads, size
        return {"logits": logits(["AB1"] * len(frames))}


def test_engines_that_take_frames_get_frames_and_corners():
    backend = QuadTaker(None)
    reads = CtcReader(backend, CONTRACT, ReaderSettings(margins=())).read([crop()])
    assert reads[0].text == "AB1"
    assert backend.size == (64, 128)
    assert backend.quads.shape == (1, 4, 2)
    assert np.allclose(backend.quads[0, 0], (90, 76))
