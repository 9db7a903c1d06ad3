import json

import cv2
import numpy as np
import pytest

from tools import convert_labels
from tools.label_formats import FORMATS, LabelError, Labelled, Plate, lost

QUAD = ((10.0, 12.0), (50.0, 10.0), (50.0, 22.0), (10.0, 24.0))
PICTURES = [
    Labelled(
        "day/a.png",
        200,
        100,
        (Plate((10.0, 10.0, 50.0, 24.0), "AB123", QUAD), Plate((100.5, 50.25, 140.0, 60.0))),
    ),
    Labelled("b.png", 64, 48, ()),
    Labelled("c.png", 320, 240, (Plate((0.0, 0.0, 320.0, 240.0), "TW1"),)),
]
OURS = '{"image": "a.png", "width": 9, "height": 9, "split": "train", "plates": [%s]}'
FILES = {"voc": "xml", "yolo": "txt", "coco": "coco.json", "csv": "labels.csv", "jsonl": "set/labels.jsonl"}


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    for picture in PICTURES:
        path = folder / picture.image
        path.parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(path), np.zeros((picture.height, picture.width, 3), np.uint8))
    return folder


def stripped(picture, keeps):
    plates = tuple(
        Plate(plate.box, plate.text if "text" in keeps else None, plate.quad if "quad" in keeps else None)
        for plate in picture.plates
    )
    return Labelled(picture.image, picture.width, picture.height, plates)


def by_name(found):
    return sorted(found, key=lambda picture: picture.image)


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_gives_back_what_it_can_hold(name, tmp_path, pictures):
    target = tmp_path / FILES[name]
    FORMATS[name].write(PICTURES, target)
    back = by_name(FORMATS[name].read(target, pictures))
    for ours, read in zip(by_name(PICTURES), back, strict=True):
        expected = stripped(ours, FORMATS[name].keeps)
        assert (read.image, read.width, read.height) == (ours.image, ours.width, ours.height)
        assert [(plate.text, plate.quad) for plate in read.plates] == [
            (plate.text, plate.quad) for plate in expected.plates
        ]
        for plate, wanted in zip(read.plates, expected.plates, strict=True):
            assert plate.box == pytest.approx(wanted.box, abs=0.02)


def test_what_a_format_drops_is_counted():
    assert lost(PICTURES, frozenset()) == {"text": 2, "quad": 1}
    assert lost(PICTURES, frozenset({"text"})) == {"quad": 1}
    assert lost(PICTURES, frozenset({"text", "quad"})) == {}


def test_labelimgs_own_file_is_read(tmp_path):
    (tmp_path / "car.xml").write_text(
        "<annotation><folder>cars</folder><filename>car.jpg</filename>"
        "<size><width>640</width><height>480</height><depth>3</depth></size>"
        "<object><name>licence</name><pose>Unspecified</pose><bndbox><xmin>10</xmin><ymin>20</ymin>"
        "<xmax>110</xmax><ymax>50</ymax></bndbox></object></annotation>"
    )
    found = FORMATS["voc"].read(tmp_path, tmp_path)
    assert found == [Labelled("car.jpg", 640, 480, (Plate((10.0, 20.0, 110.0, 50.0)),))]


@pytest.mark.parametrize(
    ("name", "file", "text", "message"),
    [
        ("voc", "a.xml", "<annotation>", r"a\.xml: "),
        ("voc", "a.xml", "<annotation><size/></annotation>", r"a\.xml: no <size/width>"),
        ("coco", "a.json", "{}", r"a\.json: not COCO"),
        ("csv", "a.csv", "image,width\n", r"a\.csv: columns missing: height, text, x1"),
        ("csv", "a.csv", "image,width,height,x1,y1,x2,y2,text\nb,9,9,1,x,3,4,\n", r"a\.csv:2: "),
        ("jsonl", "a.jsonl", '\n{"image": 1}\n', r"a\.jsonl:2: "),
        ("jsonl", "a.jsonl", "[]", r"a\.jsonl:1: "),
        ("jsonl", "a.jsonl", OURS % '{"box": ["a", 2, 3, 4]}', r"a\.jsonl:1: .*box\.0"),
        ("jsonl", "a.jsonl", OURS % '{"box": [1, 2, 3, 4], "text": 5}', r"a\.jsonl:1: .*text"),
        ("jsonl", "a.jsonl", OURS % '{"box": [1, 2, 3, 4], "quad": [[1, "b"]]}', r"a\.jsonl:1: .*quad"),
        ("jsonl", "a.jsonl", OURS % "5", r"a\.jsonl:1: "),
        ("jsonl", "a.jsonl", (OURS % "").replace("9", '"9"'), r"a\.jsonl:1: .*width"),
        ("jsonl", "a.jsonl", (OURS % "").replace('"train"', "[1]"), r"a\.jsonl:1: .*split"),
    ],
)
def test_unreadable_labels_name_file_and_place(tmp_path, name, file, text, message):
    (tmp_path / file).write_text(text)
    with pytest.raises(LabelError, match=message):
        FORMATS[name].read(tmp_path / file, tmp_path)


def test_a_bad_yolo_line_is_named(tmp_path, pictures):
    (tmp_path / "b.txt").write_text("0 0.5 0.5 0.1 0.1\n0 0.5\n")
    with pytest.raises(LabelError, match=r"b\.txt:2: expected"):
        FORMATS["yolo"].read(tmp_path, pictures)


@pytest.mark.parametrize("name", ["csv", "coco", "jsonl", "yolo", "voc"])
def test_the_mark_and_line_ends_of_windows_are_taken(name, tmp_path, pictures):
    target = tmp_path / FILES[name]
    FORMATS[name].write(PICTURES, target)
    for path in target.rglob("*") if target.is_dir() else [target]:
        if path.is_file():
            path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert sum(len(picture.plates) for picture in FORMATS[name].read(target, pictures)) == 3


@pytest.mark.parametrize("path", ["C:\\my cars\\a.jpg", "\\\\server\\cars\\a.jpg", "/home/me/a.jpg", "a.jpg"])
def test_absolute_paths_of_other_machines_become_names(tmp_path, path):
    row = f"image,width,height,x1,y1,x2,y2,text\n{path},9,9,1,2,3,4,\n"
    (tmp_path / "a.csv").write_text(row)
    assert [picture.image for picture in FORMATS["csv"].read(tmp_path / "a.csv", tmp_path)] == ["a.jpg"]


def test_pictures_of_one_name_in_two_folders_stay_two(tmp_path):
    for folder in ("day", "night"):
        (tmp_path / folder).mkdir()
        FORMATS["voc"].write([Labelled("a.jpg", 9, 9, ())], tmp_path / folder)
    assert [p.image for p in FORMATS["voc"].read(tmp_path, tmp_path)] == ["day/a.jpg", "night/a.jpg"]


@pytest.mark.parametrize("name", ["voc", "yolo"])
def test_labels_that_would_overwrite_each_other_are_refused(name, tmp_path):
    both = [Labelled("a.jpg", 9, 9, ()), Labelled("a.png", 9, 9, ())]
    with pytest.raises(LabelError, match=r"a\.jpg and a\.png"):
        FORMATS[name].write(both, tmp_path)


def test_labels_in_another_code_and_of_no_size_are_refused(tmp_path):
    (tmp_path / "a.csv").write_bytes("image\nä.jpg".encode("latin-1"))
    with pytest.raises(LabelError, match=r"a\.csv: not UTF-8"):
        FORMATS["csv"].read(tmp_path / "a.csv", tmp_path)
    with pytest.raises(LabelError, match=r"a\.jpg: its labels say 0x0 pixels"):
        FORMATS["yolo"].write([Labelled("a.jpg", 0, 0, (Plate((1, 2, 3, 4)),))], tmp_path)


def test_yolo_labels_without_their_picture_are_told(tmp_path, pictures):
    (tmp_path / "classes.txt").write_text("plate\n")
    (tmp_path / "b.txt").write_text("0 0.5 0.5 0.1 0.1\n")
    assert len(FORMATS["yolo"].read(tmp_path, pictures)) == 3
    (tmp_path / "gone.txt").write_text("0 0.5 0.5 0.1 0.1\n")
    with pytest.raises(LabelError, match=r"1 files of labels without a picture .*first gone\.txt"):
        FORMATS["yolo"].read(tmp_path, pictures)


def test_pictures_get_the_same_split_every_time():
    names = [f"picture{i}.jpg" for i in range(2000)]
    splits = [convert_labels.split_of(name, 0.1, 0.2) for name in names]
    assert splits == [convert_labels.split_of(name, 0.1, 0.2) for name in names]
    assert splits.count("val") == pytest.approx(200, abs=45)
    assert splits.count("test") == pytest.approx(400, abs=60)


def test_the_command_converts_and_says_what_is_lost(tmp_path, pictures, capsys):
    FORMATS["coco"].write(PICTURES, tmp_path / "coco.json")
    assert convert_labels.main(["coco", str(tmp_path / "coco.json"), "yolo", str(tmp_path / "out")]) == 0
    out = capsys.readouterr().out
    assert "3 pictures, 3 plates" in out
    assert "yolo holds no text: 2 lost" in out
    assert (tmp_path / "out" / "b.txt").read_text() == ""


def test_ours_get_splits_country_and_completeness(tmp_path, capsys):
    FORMATS["csv"].write(PICTURES, tmp_path / "a.csv")
    target = tmp_path / "mine" / "labels.jsonl"
    more = ["--country", "tw", "--val", "1", "--test", "0", "--incomplete"]
    assert convert_labels.main(["csv", str(tmp_path / "a.csv"), "jsonl", str(target), *more]) == 0
    lines = [json.loads(line) for line in target.read_text().splitlines()]
    assert {(line["split"], line["country"], line["complete"]) for line in lines} == {("val", "tw", False)}
    assert "train 0, val 3, test 0" in capsys.readouterr().out


def test_the_command_ends_in_one_line_when_nothing_is_there(tmp_path, capsys):
    assert convert_labels.main(["csv", str(tmp_path / "no.csv"), "voc", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.startswith("convert_labels: ")


def write_classes(tmp_path, name):
    """A car and a plate in one picture, as tools with classes write them; returns what to read."""
    box = "<bndbox><xmin>1</xmin><ymin>2</ymin><xmax>%d</xmax><ymax>4</ymax></bndbox>"
    objects = "".join(
        f"<object><name>{kind}</name>{box % x}</object>" for kind, x in (("car", 9), ("plate", 8))
    )
    size = "<filename>b.png</filename><size><width>64</width><height>48</height></size>"
    coco = {
        "images": [{"id": 7, "file_name": "b.png", "width": 64, "height": 48}],
        "categories": [{"id": 1, "name": "car"}, {"id": 2, "name": "plate"}],
        "annotations": [
            {"image_id": image, "category_id": kind, "bbox": [1, 2, x, 2]}
            for image, kind, x in ((7, 1, 8), (7, 2, 7), (8, 2, 7))
        ],
    }
    files = {
        "voc": ("b.xml", f"<annotation>{size}{objects}</annotation>"),
        "yolo": ("b.txt", "0 0.5 0.5 0.2 0.1\n1 0.5 0.5 0.1 0.1\n"),
        "coco": ("coco.json", json.dumps(coco)),
    }
    path = tmp_path / files[name][0]
    path.write_text(files[name][1])
    return path if name == "coco" else tmp_path


@pytest.mark.parametrize(
    ("name", "plate", "classes", "right"),
    [
        ("voc", "plate", "car 1, plate 1", 8.0),
        ("yolo", "1", "0 1, 1 1", 35.2),
        ("coco", "plate", "car 1, plate 1", 8.0),
    ],
)
def test_what_counts_as_a_plate_can_be_named(tmp_path, pictures, capsys, name, plate, classes, right):
    target = tmp_path / "out.csv"
    line = [name, str(write_classes(tmp_path, name)), "csv", str(target), "--pictures", str(pictures)]
    assert convert_labels.main(line) == 0
    assert f"all classes are taken for plates: {classes}; " in capsys.readouterr().out
    assert convert_labels.main([*line, "--class", plate]) == 0
    assert f"left out 1 of other classes: {classes}\n" in capsys.readouterr().out
    assert [p.box[2] for found in FORMATS["csv"].read(target, target) for p in found.plates] == [right]
    assert convert_labels.main([*line, "--class", "licence"]) == 2
    assert f"--class licence: not in the labels; there are {classes}\n" in capsys.readouterr().err


def test_annotations_whose_picture_is_not_in_the_file_are_counted(tmp_path, capsys):
    assert len(FORMATS["coco"].read(write_classes(tmp_path, "coco"), tmp_path)[0].plates) == 2
    assert "left out 1 annotations of images that are not in it" in capsys.readouterr().err


def test_our_own_labels_keep_all_that_they_tell(tmp_path, capsys):
    marks = {"lines": 2, "country": "fr", "vehicle": "motorcycle", "label": "machine", "first_line": 2}
    plate = {"box": [1.0, 2.0, 3.0, 4.0], "quad": None, "text": "AB12", **marks}
    head = {"image": "a.png", "width": 9, "height": 9, "kind": "crop", "country": None, "source": "mine"}
    line = {**head, "complete": True, "split": "test", "plates": [plate]}
    source, target = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    source.write_text(json.dumps(line) + "\n")
    more = ["--country", "de", "--val", "1", "--test", "0", "--note", "another", "--incomplete"]
    assert convert_labels.main(["jsonl", str(source), "jsonl", str(target), *more]) == 0
    assert json.loads(target.read_text()) == {**line, "country": "de", "complete": False}
    assert "train 0, val 0, test 1" in capsys.readouterr().out
    assert convert_labels.main(["jsonl", str(source), "csv", str(tmp_path / "a.csv")]) == 0
    assert "csv holds no vehicle: 1 lost" in capsys.readouterr().out
