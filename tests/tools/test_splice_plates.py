"""Plates made of two: texts, pictures and what is kept out."""

import numpy as np
import pytest
import torch

from tools import splice_plates
from tools.splice_plates import Splicer, kinds, matched, moved, spelled_lines, splice_all
from tools.training.data import ALPHABET, STORED_SIZE, Plates
from tools.training.packs import encode, read_pack, write_pack
from tools.training.reader import SIZES, Reader, describe

STEPS = 32


def codes(*lines):
    """Logits of steps that spell one or two lines, each character in the middle of its share of the line."""
    spelled = np.zeros((2, STEPS), int)
    for row, text in zip(spelled, lines, strict=False):
        for place, character in enumerate(text):
            at = int((place + 0.5) * STEPS / len(text))
            row[at : at + 2] = ALPHABET.index(character) + 1
    return np.eye(len(ALPHABET) + 1, dtype=np.float32)[spelled.ravel()]


def record(*lines, country="tw", height_px=20.0):
    text = "".join(lines)
    return {
        "set": "real", "image": "a.webp", "country": country, "split": "train", "text": text, "vehicle": None,
        "lines": len(lines), "machine": False, "quad": None, "box": [0, 0, 192, 96], "aspect": 3.0,
        "height_px": height_px,
    }  # fmt: skip


def plates(records, greys):
    width, height = STORED_SIZE
    pictures = np.empty((len(records), height, width, 3), np.uint8)
    pictures[:] = np.array(greys, np.uint8)[:, None, None, None]
    pictures[:, :, ::8] //= 2
    box = np.float32([[0, 0], [width, 0], [width, height], [0, height]])
    quads = np.full((len(records), 4, 2), np.nan, np.float32)
    return Plates(records, pictures, np.repeat(box[None], len(records), 0), quads)


def test_characters_stand_where_the_reader_spells_them():
    (line,) = spelled_lines(codes("AB12"))
    assert "".join(character.text for character in line) == "AB12"
    assert [character.centre for character in line] == pytest.approx([0.125, 0.375, 0.625, 0.875], abs=0.08)
    assert len(spelled_lines(codes("AB", "12"))) == 2
    assert spelled_lines(codes("")) == ()


def test_only_plates_read_right_and_of_one_kind_go_together():
    records = [
        record("AB12"), record("CD34"), record("EF56"), record("GH789"), record("JK12", country="fr"),
        record("LM34", height_px=9.0), record("NP", "56"),
    ]  # fmt: skip
    spelled = [codes("AB12"), codes("CD34"), codes("EF58"), codes("GH789"), codes("JK12"), codes("LM34"),
               codes("NP", "56")]  # fmt: skip
    groups = kinds(plates(records, [100] * 7), spelled)
    assert [[plate.index for plate in group] for group in groups] == [[0, 1]]


@pytest.mark.parametrize("lines", [("AB12", "CD34"), (("AB", "123"), ("CD", "456"))])
def test_a_text_is_made_of_the_parts_that_are_seen(lines):
    real = [(some,) if isinstance(some, str) else some for some in lines]
    both = plates([record(*some) for some in real], [60, 60])
    both.pictures[1, ..., 2] = 200
    (group,) = kinds(both, [codes(*some) for some in real])
    splicer = Splicer(both, np.random.default_rng(3))
    for _ in range(20):
        made, picture = splicer(*group)
        first, second = ("".join(some) for some in real)
        assert all(c in (a, b) for c, a, b in zip(made["text"], first, second, strict=True))
        assert (len(made["text"]), made["first_line"]) == (len(first), len(real[0][0]))
        assert (made["lines"], made["country"], made["split"]) == (len(real[0]), "tw", "train")
        assert picture.shape == (STORED_SIZE[1], STORED_SIZE[0], 3)
        x1, y1, x2, y2 = made["box"]
        assert 0 < x1 < 30 < 160 < x2 < 192
        assert 0 < y1 < 20 < 76 < y2 < 96
        if len(real[0]) == 1:
            assert made["text"] not in (first, second)


def test_the_second_plate_takes_the_light_of_the_first():
    rng = np.random.default_rng(0)
    dark, bright = (rng.normal(mean, 10, (96, 192, 3)).astype(np.float32) for mean in (60, 180))
    assert matched(bright, dark).mean() == pytest.approx(60, abs=1)


def test_a_moved_column_keeps_the_ends():
    picture = np.tile(np.arange(192, dtype=np.float32)[None, :, None], (96, 1, 3))
    there = moved(picture, 50, 80)
    assert there[0, [0, 80, 191], 0] == pytest.approx([0, 50, 191], abs=0.1)


def write_reader(path):
    network = Reader(SIZES["reader-trial"])
    description = {"kind": "reader", "name": "reader-trial", "network": describe(network.size)}
    torch.save({"weights": network.state_dict(), "description": description, "progress": {}}, path)


def test_the_same_seed_gives_the_same_plates():
    both = plates([record("AB12"), record("CD34")], [60, 180])
    spelled = [codes("AB12"), codes("CD34")]
    first, second, other = (list(splice_all(both, spelled, 5, seed)) for seed in (1, 1, 2))
    assert first == second != other
    assert len(first) == 5


def test_without_two_plates_that_are_read_right_it_says_so(tmp_path, capsys):
    picture = encode(np.full((96, 192, 3), 90, np.uint8), 90)
    write_pack(tmp_path / "reader.pack", "reader", [(record("AB12"), picture)])
    write_reader(tmp_path / "reader.pt")
    words = [str(tmp_path / "reader.pack"), "--pretrained", str(tmp_path / "reader.pt"), "--count", "3"]
    assert splice_plates.main([*words, "--seed", "1", "--out", str(tmp_path / "out.npz")]) == 2
    assert "splice_plates: no two plates of one country" in capsys.readouterr().err


def test_the_pack_is_one_for_training(tmp_path, monkeypatch):
    picture = encode(np.full((96, 192, 3), 90, np.uint8), 90)
    write_pack(tmp_path / "reader.pack", "reader", [(record(t), picture) for t in ("AB12", "CD34")])
    write_reader(tmp_path / "reader.pt")
    spelled = torch.from_numpy(np.stack([codes("AB12"), codes("CD34")]))
    monkeypatch.setattr(splice_plates, "plate_logits", lambda *_: spelled)
    out = tmp_path / "out.npz"
    words = [str(tmp_path / "reader.pack"), "--pretrained", str(tmp_path / "reader.pt"), "--count", "3"]
    assert splice_plates.main([*words, "--seed", "1", "--out", str(out)]) == 0
    made = read_pack(out, "reader")
    assert {r["set"] for r in made.records} == {"spliced"}
    assert made.picture(0).shape == (96, 192, 3)
