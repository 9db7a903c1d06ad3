import numpy as np
import pytest

from anpr_stream.config.models import DetectorSettings, PictureSettings
from anpr_stream.interfaces import PlateDetector
from anpr_stream.perception.detector import YoloDetector
from anpr_stream.types import Frame, PixelFormat, Planes
from anpr_stream.vision.contract import DetectorContract
from anpr_stream.vision.letterbox import Letterbox, fit
from tests.networks import ANCHORS, FakeBackend

CONTRACT = DetectorContract(
    "d", "1", "images", 640, 384, (8, 16, 32), tuple(tuple(map(tuple, head)) for head in ANCHORS), True
)
FINE = DetectorSettings(coarse_px=0)
CORNERS = (-0.5, -0.5, 0.5, -0.5, 0.5, 0.5, -0.5, 0.5)
CROSSED = (0.5, -0.5, -0.5, -0.5, 0.5, 0.5, -0.5, 0.5)


def frame(width=1280, height=720, value=0):
    image = np.full((height, width, 3), value, np.uint8)
    return Frame("cam", 0, 0.0, 0.0, width, height, Planes(PixelFormat.BGR, (image,)))


def heads(images, plates, corners=CORNERS):
    """Raw heads with plates (picture, cell x, cell y, objectness) of the first anchor at stride 8."""
    count, _, height, width = images.shape
    arrays = {f"head{s}": np.full((count, 39, height // s, width // s), -9, np.float32) for s in (8, 16, 32)}
    for picture, x, y, objectness in plates:
        if picture < count:
            arrays["head8"][picture, :13, y, x] = (0, 0, 0, 0, objectness, *corners)
    return arrays


def detector(*plates, corners=CORNERS, **settings):
    backend = FakeBackend(lambda images: heads(images, plates, corners))
    return YoloDetector(backend, CONTRACT, FINE.model_copy(update=settings)), backend


def test_it_is_a_plate_detector():
    assert isinstance(detector()[0], PlateDetector)


def test_boxes_are_in_pixels_of_the_frame():
    found = detector((0, 20, 10, 3.0))[0].detect([frame()])
    centre_x, centre_y = 20.5 * 8 * 2, (10.5 * 8 - 12) * 2
    (plate,) = found[0]
    assert np.allclose(plate.box, (centre_x - 12, centre_y - 6, centre_x + 12, centre_y + 6))
    assert plate.confidence == pytest.approx(1 / (1 + np.exp(-3)))
    assert np.allclose(plate.quad[2], plate.box[2:])


def test_most_confident_first():
    found = detector((0, 20, 10, 1.0), (0, 40, 10, 3.0), (0, 60, 10, 2.0))[0].detect([frame()])[0]
    assert [round(plate.confidence, 2) for plate in found] == [0.95, 0.88, 0.73]


def test_input_is_the_letterboxed_picture():
    plates, backend = detector()
    plates.detect([frame(value=255)])
    (images,) = backend.asked
    assert images.shape == (1, 3, 384, 640)
    box = fit(1280, 720, 640, 384)
    assert np.allclose(images[0, :, box.top : box.top + box.inner_height], 1)
    assert np.allclose(images[0, :, : box.top], 114 / 255)


def test_the_second_batch_does_not_show_the_first():
    plates, backend = detector()
    plates.detect([frame(value=255), frame(value=255)])
    plates.detect([frame(value=10)])
    assert len(backend.asked[1]) == 1
    assert backend.asked[1][0, 0, 100, 100] == pytest.approx(10 / 255)


def test_frames_of_other_sizes_are_run_apart_and_stay_in_order():
    plates, backend = detector((0, 20, 10, 3.0))
    found = plates.detect([frame(), frame(704, 576), frame()])
    assert sorted(images.shape for images in backend.asked) == [(1, 3, 544, 640), (2, 3, 384, 640)]
    assert [len(plate) for plate in found] == [1, 1, 0]


def test_pictures_of_a_batch_do_not_suppress_each_other():
    found = detector((0, 20, 10, 3.0), (1, 20, 10, 2.0))[0].detect([frame(), frame()])
    assert [len(plates) for plates in found] == [1, 1]


def test_cameras_of_many_sizes_keep_little_memory():
    plates, backend = detector()
    sizes = [(640, 32 * step) for step in range(1, 9)]
    for _ in range(2):
        plates.detect([frame(*size) for size in sizes])
    assert {images.shape[2:] for images in backend.asked} == {(32 * step, 640) for step in range(1, 9)}


def test_a_folder_of_pictures_compiles_few_sizes():
    plates, backend = detector()
    for height in range(300, 720, 20):
        list(plates.search(frame(720, height), PictureSettings(input_px=640, larger_input_px=0)))
    assert {images.shape[2] for images in backend.asked} == {384, 512, 640}


def test_no_frames():
    plates, backend = detector()
    assert plates.detect([]) == []
    assert backend.asked == []


def test_too_low_plates_are_not_reported():
    assert detector((0, 20, 10, 3.0), min_height_px=13)[0].detect([frame()]) == [[]]
    assert len(detector((0, 20, 10, 3.0), min_height_px=12)[0].detect([frame()])[0]) == 1


def test_a_plate_in_the_bar_beside_the_picture_is_none():
    assert detector((0, 20, 0, 3.0), min_height_px=0)[0].detect([frame()]) == [[]]


def test_a_plate_beyond_the_edge_is_cut_to_the_frame():
    (plate,) = detector((0, 0, 10, 3.0))[0].detect([frame()])[0]
    assert plate.box[0] == 0
    assert plate.quad[0][0] < 0


def test_a_box_in_the_grey_bar_is_no_plate():
    assert detector((0, 20, 0, 3.0))[0].detect([frame()]) == [[]]


def test_corners_that_cross_are_worse_than_none():
    (plate,) = detector((0, 20, 10, 3.0), corners=CROSSED)[0].detect([frame()])[0]
    assert plate.quad is None


class FrameTaker(FakeBackend):
    """An engine that makes its own input."""

    def __init__(self, answer):
        super().__init__(answer)
        self.placements = {}
        self.cut = []

    def run_frames(self, frames, placements, size):
        self.placements[size] = placements
        return self.answer(np.empty((len(frames), 3, *size), np.float32))

    def run_quads(self, frames, quads, size):
        self.cut.append((frames, quads, size))
        return self.answer(np.empty((len(frames), 3, *size), np.float32))


def test_engines_that_take_frames_get_frames_and_places():
    backend = FrameTaker(lambda images: heads(images, [(0, 20, 10, 3.0)]))
    found = YoloDetector(backend, CONTRACT, FINE).detect([frame(), frame(704, 576)])
    assert backend.asked == []
    assert backend.placements == {(384, 640): [(0, 12, 640, 360)], (544, 640): [(0, 10, 640, 524)]}
    scale = 640 / 704
    assert found[1][0].box[0] == pytest.approx((20.5 * 8 - 6) / scale, abs=1e-3)


def steps(plates, settings=None):
    return [[round(plate.confidence, 2) for plate in step] for step in plates.search(frame(), settings)]


def logit(confidence):
    return float(np.log(confidence / (1 - confidence)))


def test_a_picture_is_searched_with_falling_thresholds_and_then_larger():
    cells = [(0, 10 + 10 * place, 10, logit(value)) for place, value in enumerate((0.9, 0.46, 0.3, 0.12))]
    plates, backend = detector(*cells)
    assert steps(plates) == 2 * [[0.9, 0.46], [0.3], [0.12]]
    assert [images.shape[3] for images in backend.asked] == [384, 768]


def test_the_larger_input_costs_nothing_where_the_first_step_is_enough():
    plates, backend = detector((0, 20, 10, 3.0))
    assert len(next(plates.search(frame()))) == 1
    assert len(backend.asked) == 1


def test_a_plate_that_only_the_larger_input_shows():
    seen_only_large = FakeBackend(lambda i: heads(i, [(0, 20, 10, 0.0)] if i.shape[3] > 384 else []))
    ((plate,),) = YoloDetector(seen_only_large, CONTRACT, FINE).search(frame())
    assert plate.box[0] == pytest.approx((20.5 * 8 - 6) * 1280 / 768, abs=1)


@pytest.mark.parametrize(
    ("width", "largest_px", "inputs"),
    [
        (2000, 1536, [384, 768, 1536]),
        (1536, 1536, [384, 768, 1536]),
        (1535, 1536, [384, 768]),
        (2000, 0, [384, 768]),
    ],
)
def test_a_large_picture_is_searched_once_more(width, largest_px, inputs):
    plates, backend = detector()
    assert list(plates.search(frame(width, 720), PictureSettings(largest_input_px=largest_px))) == []
    assert [images.shape[3] for images in backend.asked] == inputs


def test_the_larger_input_can_be_left_out():
    plates, backend = detector()
    assert steps(plates, PictureSettings(larger_input_px=0)) == []
    assert len(backend.asked) == 1


WINDOW = Letterbox(256, 192, 2.0, 0, 0, 256, 192, x=400.0, y=300.0)
"""400..528 by 300..396 of the frame."""


def two_looks(fine=(), coarse=(), **settings):
    """A detector that finds other plates in the large input than in the coarse one."""
    backend = FakeBackend(lambda images: heads(images, fine if images.shape[-1] == 640 else coarse))
    return YoloDetector(backend, CONTRACT, DetectorSettings(**settings)), backend


def test_a_plate_that_only_the_coarse_look_shows():
    plates, backend = two_looks(coarse=[(0, 8, 5, 2.0)])
    (plate,) = plates.detect([frame()])[0]
    centre_x, centre_y = 8.5 * 8 * 5, (5.5 * 8 - 8) * 5
    assert np.allclose(plate.box, (centre_x - 30, centre_y - 15, centre_x + 30, centre_y + 15))
    assert [images.shape[2:] for images in backend.asked] == [(384, 640), (160, 256)]


def test_a_plate_of_both_looks_is_told_once_as_sure_as_the_surer_one_and_between_their_boxes():
    looks = {"fine": [(0, 10, 3, 1.0)], "coarse": [(0, 9, 3, 3.0)]}
    (fine,), (coarse,) = (
        two_looks(**{name: plates}, coarse_px=576)[0].detect([frame()])[0] for name, plates in looks.items()
    )
    (plate,) = two_looks(**looks, coarse_px=576)[0].detect([frame()])[0]
    weights = fine.confidence, coarse.confidence
    assert plate.confidence == coarse.confidence
    assert np.allclose(plate.box, np.average([fine.box, coarse.box], axis=0, weights=weights))
    assert np.allclose(plate.quad, np.average([fine.quad, coarse.quad], axis=0, weights=weights))


def test_both_looks_of_a_batch_stay_with_their_frames():
    # A tall frame between two wide ones: frames of one size run together, apart from the others.
    frames = [frame(), frame(720, 1280), frame()]
    plates, _ = two_looks([(1, 40, 10, 3.0)], [(1, 20, 10, 2.0)])
    assert [len(found) for found in plates.detect(frames)] == [0, 0, 2]


def test_a_coarse_look_that_is_no_coarser_is_left_out():
    plates, backend = two_looks(input_px=256)
    plates.detect([frame()])
    assert len(backend.asked) == 1


def test_a_picture_is_looked_at_coarsely_once():
    plates, backend = two_looks()
    assert list(plates.search(frame())) == []
    assert [images.shape[-1] for images in backend.asked] == [384, 256, 768]


def test_a_part_of_a_frame_fills_the_input():
    plates, backend = detector((0, 15, 11, 3.0), min_height_px=1)
    whole = frame()
    whole.planes.arrays[0][300:396, 400:528] = 255
    (plate,) = plates.detect_in(whole, WINDOW)
    (images,) = backend.asked
    assert images.shape == (1, 3, 192, 256)
    assert images[..., 1:-1, 1:-1].min() == 1
    assert np.allclose(plate.box, (400 + 62 - 3, 300 + 46 - 1.5, 400 + 62 + 3, 300 + 46 + 1.5))


def test_engines_that_take_frames_cut_the_part_themselves():
    backend = FrameTaker(lambda images: heads(images, [(0, 15, 11, 3.0)]))
    whole = frame()
    (plate,) = YoloDetector(backend, CONTRACT, DetectorSettings(min_height_px=1)).detect_in(whole, WINDOW)
    assert backend.asked == []
    ((frames, quads, size),) = backend.cut
    assert (frames, size) == ([whole], (192, 256))
    assert quads.tolist() == [[[400, 300], [528, 300], [528, 396], [400, 396]]]
    assert (plate.box[0] + plate.box[2]) / 2 == pytest.approx(462)
