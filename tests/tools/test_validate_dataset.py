import json
import struct
import zlib

import cv2
import pytest

from tests.tools.street import label, write_set, write_streets
from tools import validate_dataset
from tools.training.detector_data import DataError, load_scenes
from tools.validate_dataset import COLUMNS, ERROR, TILE_PX, WARNING, contact_sheet, validate

GOOD = [20.0, 20.0, 60.0, 36.0]


def plates(*entries):
    return [{"box": GOOD, "quad": None, "text": None, **entry} for entry in entries]


def faults(tmp_path, **changes):
    """Slugs found in a sound set when one line is changed."""
    lines = [label(f"images/p{i}.png", split) for i, split in enumerate(["train", "val", "test"])]
    for line in lines:
        line["plates"] = plates({})
    lines[0] |= changes
    write_set(tmp_path / "set", lines)
    return {(fault.level, fault.slug) for fault in validate(tmp_path).faults if fault.line == 1}


def test_a_sound_folder_has_no_fault(tmp_path):
    assert faults(tmp_path) == set()


@pytest.mark.parametrize(
    ("changes", "level", "slug"),
    [
        ({"split": "dev"}, ERROR, "unknown-split"),
        ({"kind": "photo"}, ERROR, "unknown-kind"),
        ({"width": 640}, ERROR, "wrong-size"),
        ({"plates": plates({"box": [1, 2, 3]})}, ERROR, "bad-box"),
        ({"plates": plates({"box": ["a", 2, 3, 4]})}, ERROR, "bad-box"),
        ({"plates": plates({"box": [60, 20, 20, 36]})}, ERROR, "empty-box"),
        ({"plates": plates({"box": [100, 20, 140, 36]})}, ERROR, "box-outside"),
        ({"plates": plates({"box": [20, 20, 40, 24]})}, WARNING, "small-plate"),
        ({"plates": plates({"box": [0, 20, 120, 28]})}, WARNING, "odd-shape"),
        ({"plates": plates({"quad": [[20, 20], [60, 20], [60, 36]]})}, ERROR, "bad-quad"),
        ({"plates": plates({"quad": [[20, 20], [20, 36], [60, 36], [60, 20]]})}, ERROR, "quad-order"),
        ({"plates": plates({"quad": [[20, 20], [90, 20], [90, 36], [20, 36]]})}, ERROR, "quad-outside"),
        ({"plates": plates({"text": "AB-12"})}, ERROR, "bad-text"),
        ({"plates": plates({"text": ""})}, ERROR, "bad-text"),
        ({"plates": plates({"text": "A" * 13})}, WARNING, "long-text"),
        ({"plates": plates({}, {"box": [21, 20, 61, 36]})}, WARNING, "same-plate-twice"),
    ],
)
def test_each_kind_of_fault_is_found_alone(tmp_path, changes, level, slug):
    assert faults(tmp_path, **changes) == {(level, slug)}


@pytest.mark.parametrize(
    ("changes", "slug"),
    [
        ({"plates": None}, "bad-type"),
        ({"plates": [5]}, "bad-type"),
        ({"width": "128"}, "bad-type"),
        ({"split": ["train"]}, "bad-type"),
        ({"plates": plates({"text": ["A"]})}, "bad-text"),
        ({"plates": plates({"box": [20, 20, 1e12, 1e12]})}, "box-outside"),
    ],
)
def test_labels_of_the_wrong_type_are_faults_and_fit_on_the_sheet(tmp_path, changes, slug):
    assert faults(tmp_path, **changes) == {(ERROR, slug)}
    assert contact_sheet(validate(tmp_path), 4).shape == (TILE_PX, COLUMNS * TILE_PX, 3)


def huge_png():
    """A PNG that says it has more pixels than OpenCV takes."""
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"\0" * 9)),
    )
    chunks = (struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def test_a_picture_that_is_too_large_is_unreadable(tmp_path):
    folder = write_set(tmp_path / "set", [label("images/p0.png", "train")])
    (folder / "images" / "p0.png").write_bytes(huge_png())
    assert "unreadable-picture" in {fault.slug for fault in validate(tmp_path).faults}
    with pytest.raises(DataError, match="not a readable picture"):
        load_scenes(tmp_path, "train")


def test_a_file_that_is_not_utf_8_is_told_and_a_mark_before_it_taken(tmp_path):
    folder = write_set(tmp_path / "set", [label("images/p0.png", "train")])
    labels = folder / "labels.jsonl"
    labels.write_bytes(b"\xef\xbb\xbf" + labels.read_bytes())
    assert validate(tmp_path).errors == 0
    labels.write_bytes(b'{"image": "\xe4"}')
    assert "not-utf-8" in {fault.slug for fault in validate(tmp_path).faults}


def test_a_box_may_touch_the_edge(tmp_path):
    assert faults(tmp_path, plates=plates({"box": [-0.5, 20, 40, 36]})) == set()


@pytest.mark.parametrize(
    ("text", "slug"), [("{not json", "bad-json"), ("[]", "missing-key"), ('{"image": "a"}', "missing-key")]
)
def test_lines_that_are_no_labels_are_named_by_their_number(tmp_path, text, slug):
    write_set(tmp_path / "set", [label("images/p0.png", "train")])
    with (tmp_path / "set" / "labels.jsonl").open("a") as file:
        file.write(text + "\n")
    found = [fault for fault in validate(tmp_path).faults if fault.slug == slug]
    assert [(fault.level, fault.line) for fault in found] == [(ERROR, 2)]


def test_missing_and_broken_pictures_are_errors(tmp_path):
    folder = write_set(tmp_path / "set", [label(f"images/p{i}.png", "train") for i in range(2)])
    (folder / "images" / "p0.png").unlink()
    (folder / "images" / "p1.png").write_bytes(b"")
    slugs = {fault.slug: fault.line for fault in validate(tmp_path).faults if fault.level == ERROR}
    assert slugs == {"missing-picture": 1, "unreadable-picture": 2}


def test_a_picture_in_two_lines_is_an_error_in_both(tmp_path):
    write_set(tmp_path / "set", [label("images/p0.png", "train"), label("images/p0.png", "train")])
    found = [fault.line for fault in validate(tmp_path).faults if fault.slug == "picture-twice"]
    assert found == [1, 2]


def test_a_picture_without_a_line_is_a_warning(tmp_path):
    folder = write_set(tmp_path / "set", [label("images/p0.png", "train")])
    (folder / "images" / "extra.jpg").write_bytes((folder / "images" / "p0.png").read_bytes())
    assert "images/extra.jpg" in next(f.message for f in validate(tmp_path).faults if f.slug == "not-listed")


@pytest.mark.parametrize("splits", [("train", "val"), ("train", "test"), ("val", "test")])
def test_what_two_splits_share_leaks(tmp_path, splits):
    folder = write_set(tmp_path / "set", [label(f"images/p{i}.png", s) for i, s in enumerate(splits)])
    (folder / "images" / "p1.png").write_bytes((folder / "images" / "p0.png").read_bytes())
    found = {fault.slug: fault for fault in validate(tmp_path).faults}
    assert found["picture-leaks"].level == ERROR
    assert found["text-leaks"].level == WARNING
    assert found["text-leaks"].line == 2
    assert found["text-leaks"].message == f"text AB12 is also in {splits[0]}: {folder / 'labels.jsonl'}:1"


def test_missing_splits_and_an_empty_folder_are_told(tmp_path):
    assert [fault.slug for fault in validate(tmp_path).faults] == ["no-labels"]
    write_set(tmp_path / "set", [label("images/p0.png", "train")])
    empty = [fault.message for fault in validate(tmp_path).faults if fault.slug == "empty-split"]
    assert empty == ["no picture in the split 'test'", "no picture in the split 'val'"]


def test_the_sheet_shows_pictures_with_errors_first(tmp_path):
    lines = [label(f"images/p{i}.png", "train") for i in range(8)]
    lines[5]["split"] = "dev"
    write_set(tmp_path / "set", lines)
    sheet = contact_sheet(validate(tmp_path), 8)
    assert sheet.shape == (2 * TILE_PX, COLUMNS * TILE_PX, 3)
    assert sheet[1, 1].tolist() == [0, 0, 255]
    assert sheet[1, TILE_PX + 1].tolist() != [0, 0, 255]


def test_an_empty_sheet_is_a_picture_all_the_same(tmp_path):
    assert contact_sheet(validate(tmp_path), 4).shape == (TILE_PX, COLUMNS * TILE_PX, 3)


def test_the_command_prints_file_and_line_and_fails_on_errors(tmp_path, capsys):
    lines = [label("images/p0.png", "dev")]
    write_set(tmp_path / "data" / "set", lines)
    sheet = tmp_path / "sheet.png"
    assert validate_dataset.main([str(tmp_path / "data"), "--sheet", str(sheet)]) == 1
    out = capsys.readouterr()
    assert "labels.jsonl:1: error unknown-split: split 'dev'" in out.out
    assert "1 x error unknown-split" in out.err
    assert cv2.imread(str(sheet)) is not None


def test_a_sheet_that_cannot_be_written_is_told_in_one_line(tmp_path, capsys):
    write_set(tmp_path / "data" / "set", [label("images/p0.png", "train")])
    assert validate_dataset.main([str(tmp_path / "data"), "--sheet", str(tmp_path / "no" / "s.png")]) == 2
    assert "s.png cannot be written" in capsys.readouterr().err


def test_warnings_alone_do_not_fail(tmp_path, capsys):
    data = write_streets(tmp_path)
    assert validate_dataset.main([str(data)]) == 0
    assert "warning text-leaks" in capsys.readouterr().out
    assert json.loads((data / "streets" / "labels.jsonl").read_text().splitlines()[0])["split"] == "train"
