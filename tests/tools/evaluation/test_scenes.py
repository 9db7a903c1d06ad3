import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from anpr_stream.pipeline.pictures import PicturePlate
from anpr_stream.testing import make_read
from anpr_stream.types import Detection
from tests.stubs import TEXT, scene, write_networks
from tools.evaluate import main
from tools.evaluation.scenes import judge, lines, turned
from tools.pack_data import Labelled

BOX = [100.0, 100.0, 200.0, 130.0]


def labelled(*plates: dict, complete: bool = True) -> Labelled:
    return Labelled(Path(), {"country": "tw", "complete": complete, "plates": list(plates)})


def plate(text: str, shift: float = 0.0) -> PicturePlate:
    return PicturePlate(Detection((100 + shift, 100, 200 + shift, 130), 0.9), make_read(text))


def test_a_plate_counts_as_found_by_its_box_and_as_right_by_its_text() -> None:
    (result,) = judge(labelled({"box": BOX, "text": "AB123"}), [plate("AB123", 10)], 0.1).plates
    assert (result.country, result.is_found, result.is_right) == ("tw", True, True)
    (result,) = judge(labelled({"box": BOX, "text": "AB123"}), [plate("AB124")], 0.1).plates
    assert (result.is_found, result.is_right) == (True, False)
    (result,) = judge(labelled({"box": BOX, "text": "AB123"}), [plate("AB123", 70)], 0.1).plates
    assert (result.is_found, result.is_right) == (False, False)


def test_a_text_counts_though_the_label_is_drawn_far_around_the_plate() -> None:
    (result,) = judge(labelled({"box": BOX, "text": "AB123"}), [plate("AB123", 50)], 0.1).plates
    assert (result.is_found, result.is_right) == (False, True)


def test_the_surest_text_of_a_photo_is_judged_wherever_it_is() -> None:
    truth = {"box": BOX, "text": "ABO23"}
    plates = [plate("AB023", 300), plate("XX")]
    assert judge(labelled(truth), plates, 0.1).is_first_right
    assert not judge(labelled(truth), plates[::-1], 0.1).is_first_right
    assert not judge(labelled({"box": BOX, "text": None}), plates, 0.1).is_first_right
    shown = lines(
        [judge(labelled(truth), plates, 0.1), judge(labelled(truth), [], 0.1), judge(labelled(), [], 0.1)]
    )
    assert "surest text of a photo right, with O=0 and I=1: 50.0 %" in shown


def test_lookalikes_are_told_apart_and_together() -> None:
    (result,) = judge(labelled({"box": BOX, "text": "AB0I1"}), [plate("ABO11")], 0.1).plates
    assert (result.is_right, result.is_alike) == (False, True)


def test_boxes_without_a_label_count_only_where_labels_are_complete() -> None:
    truth = {"box": BOX, "text": "AB123"}
    assert judge(labelled(truth), [plate("AB123"), plate("XX", 300)], 0.1).extra == 1
    assert judge(labelled(truth, complete=False), [plate("AB123"), plate("XX", 300)], 0.1).extra == 0
    assert judge(labelled(), [plate("XX")], 0.1).extra == 1


def test_a_plate_without_a_text_is_no_extra_box_and_no_result() -> None:
    result = judge(labelled({"box": BOX, "text": None}), [plate("AB123")], 0.1)
    assert (result.plates, result.extra) == ((), 0)


def test_a_photo_without_any_box_is_a_miss() -> None:
    (result,) = judge(labelled({"box": BOX, "text": "AB123"}), [], 0.1).plates
    assert not result.is_found
    assert "found   0.0 %" in "\n".join(lines([judge(labelled({"box": BOX, "text": "AB123"}), [], 0.1)]))


@pytest.mark.parametrize("turn_deg", [-30.0, 10.0, 45.0])
def test_boxes_are_turned_with_their_picture(turn_deg: float) -> None:
    picture = np.zeros((200, 300, 3), np.uint8)
    picture[40:60, 210:270] = 255
    image, line = turned(picture, {"plates": [{"box": [210, 40, 270, 60], "text": "A1"}]}, turn_deg)
    rows, columns = np.nonzero(image[..., 0] > 127)
    (plate,) = line["plates"]
    seen = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
    assert plate["box"] == pytest.approx(seen, abs=1.1)
    assert plate["text"] == "A1"


@pytest.mark.parametrize("kind", ["scene", "crop"])
def test_pictures_go_through_search_and_reading(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "data" / "stub_scenes"
    folder.mkdir(parents=True)
    cv2.imwrite(str(folder / "a.png"), scene(20))
    line = {
        "image": "a.png",
        "width": 640,
        "height": 360,
        "kind": kind,
        "country": "gb",
        "split": "val",
        "source": "stub",
        "complete": True,
        "plates": [{"box": [120, 200, 184, 232], "quad": None, "text": TEXT, "lines": 1}],
    }
    (folder / "labels.jsonl").write_text(json.dumps(line) + "\n")
    settings = write_networks(tmp_path)
    options = ["--data", str(tmp_path / "data"), "--config", str(settings)]
    assert main(["scenes", *options, "--kind", kind]) == 0
    assert "1 found 100.0 %  read 100.0 %" in capsys.readouterr().out
    other = "crop" if kind == "scene" else "scene"
    assert main(["scenes", *options, "--kind", other]) == 2
    assert f"no {other} of this split" in capsys.readouterr().err
