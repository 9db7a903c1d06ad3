"""A real, tiny training of the character classifier, from drawn glyphs to a checkpoint."""

import csv

import cv2
import numpy as np
import pytest
import torch

from anpr_stream.types import ALPHABET
from tools import train_characters
from tools.training.characters import CharactersConfig, CharactersNet, Stage, build_characters
from tools.training.characters_data import (
    Glyphs,
    augment,
    glyphs_of_plates,
    load_glyphs,
    plain,
    training_images,
)
from tools.training.characters_task import GlyphStream, Source, classify
from tools.training.detector_data import DataError
from tools.training.packs import encode, write_pack


def draw_glyph(character, side=32):
    picture = np.zeros((side, side), np.uint8)
    cv2.putText(picture, character, (7, side - 8), cv2.FONT_HERSHEY_SIMPLEX, 0.8, 255, 2)
    return picture


@pytest.fixture
def glyphs(tmp_path):
    names = list(ALPHABET) * 4
    path = tmp_path / "chars.npz"
    np.savez(
        path,
        images=np.stack([draw_glyph(name) for name in names]),
        labels=np.array([ALPHABET.index(name) for name in names]),
        split=np.repeat([0, 0, 1, 2], len(ALPHABET)),
        classes=np.array(list(ALPHABET)),
    )
    return path


def draw_plate(text):
    plate = np.full((40, 170, 3), 235, np.uint8)
    for index, character in enumerate(text):
        cv2.putText(plate, character, (8 + 26 * index, 32), cv2.FONT_HERSHEY_SIMPLEX, 1, (10, 10, 10), 3)
    return plate


@pytest.fixture
def plates(tmp_path):
    box = [0, 0, 170, 40]
    made = {"box": box, "quad": None, "aspect": 4.25, "country": "tw", "lines": 1}
    texts = [("AB3456", "train"), ("AB34567", "train"), ("KX8912", "val")]
    items = []
    for text, split in texts:
        items.append(({**made, "text": text, "split": split}, encode(draw_plate(text[:6]), 101)))
    path = tmp_path / "plates.pack"
    write_pack(path, "reader", items)
    return path


def arguments(data, out, *more):
    fixed = [
        "--batch",
        "8",
        "--workers",
        "0",
        "--threads",
        "1",
        "--validate-samples",
        "16",
        "--patience",
        "0",
    ]
    return ["--data", str(data), "--out", str(out), "--minutes", "0.03", *fixed, *more]


def test_a_tiny_training_saves_network_classes_and_curves(glyphs, plates, tmp_path):
    out = tmp_path / "run"
    assert train_characters.main(arguments(glyphs, out, "--plates", str(plates))) == 0
    state = torch.load(out / "best.pt", weights_only=True)
    assert state["description"]["classes"] == ALPHABET
    network = build_characters(state["description"]["network"])
    network.load_state_dict(state["weights"])
    rows = list(csv.DictReader((out / "curves.csv").read_text().splitlines()))
    assert {"score", "right", "right_equal", "loss"} <= set(rows[0])


def test_data_that_are_no_characters_end_in_one_line(tmp_path, capsys):
    (tmp_path / "chars.npz").write_bytes(b"nothing")
    assert train_characters.main(arguments(tmp_path, tmp_path / "run")) == 2
    assert "no set of characters" in capsys.readouterr().err


def test_other_classes_are_refused(tmp_path):
    path = tmp_path / "chars.npz"
    np.savez(path, images=np.zeros((1, 32, 32)), labels=[0], split=[0], classes=np.array(["a"]))
    with pytest.raises(DataError, match="classes are not"):
        load_glyphs(path, "train")


def test_splits_are_kept_apart(glyphs):
    assert [len(load_glyphs(glyphs, split)) for split in ("train", "val", "test")] == [72, 36, 36]


def test_plates_are_cut_only_where_the_number_of_characters_is_right(plates):
    cut = glyphs_of_plates(plates, "train")
    assert "".join(ALPHABET[label] for label in cut.labels) == "AB3456"
    assert cut.pictures.max() > 150


def test_the_shipped_network_is_small_and_answers_for_36_classes():
    network = CharactersNet(CharactersConfig())
    assert sum(parameter.numel() for parameter in network.parameters()) < 400_000
    assert network(torch.rand(2, 3, 80, 80)).shape == (2, 36)


def test_a_network_is_rebuilt_from_its_description():
    config = CharactersConfig(stem=8, stages=(Stage(8, 2, 2),), expansion=2, features=16)
    rebuilt = build_characters(config.as_dict())
    assert rebuilt.config == config


def test_characters_are_never_mirrored():
    glyph = draw_glyph("L")
    views = [augment(glyph, np.random.default_rng(seed)).astype(float) for seed in range(60)]
    template = plain(glyph).astype(float)
    for view in views:
        upright, mirrored = (
            np.corrcoef(view.ravel(), t.ravel())[0, 1] for t in (template, template[:, ::-1])
        )
        assert abs(upright) > abs(mirrored)


def test_views_differ_and_keep_size_and_kind():
    views = [augment(draw_glyph("A"), np.random.default_rng(seed)) for seed in range(10)]
    assert all(view.shape == (80, 80) and view.dtype == np.uint8 for view in views)
    assert len({view.tobytes() for view in views}) == 10


def test_a_batch_holds_every_source_by_its_share():
    dark = Glyphs(np.zeros((4, 32, 32), np.uint8), np.array([0, 1, 2, 3]))
    bright = Glyphs(np.stack([draw_glyph("Z")]), np.array([35]))
    batch = next(iter(GlyphStream([Source(dark, 0.5), Source(bright, 0.5)], 200, 0)))
    assert 60 < int((batch.labels == 35).sum()) < 140
    assert set(batch.labels.tolist()) == {0, 1, 2, 3, 35}


def test_a_network_learns_two_characters():
    torch.manual_seed(0)
    network = CharactersNet(CharactersConfig(stem=8, stages=(Stage(8, 1, 2),), expansion=2, features=16))
    glyphs = Glyphs(np.stack([draw_glyph("I"), draw_glyph("W")]), np.array([18, 32]))
    pictures = torch.from_numpy(np.stack([plain(picture) for picture in glyphs.pictures]))
    inputs = (pictures[:, None].float() / 255).expand(-1, 3, -1, -1)
    optimizer = torch.optim.AdamW(network.parameters(), 0.02)
    for _ in range(40):
        loss = torch.nn.functional.cross_entropy(network(inputs), torch.from_numpy(glyphs.labels))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    network.train()
    assert loss.item() < 0.5
    assert classify(network, glyphs, torch.device("cpu")).shape == (2, 36)


def test_inputs_for_an_export_are_grey_in_three_channels(glyphs):
    image = next(training_images(glyphs))
    assert image.shape == (1, 3, 80, 80)
    assert (image[0, 0] == image[0, 2]).all()
    assert 0.9 < image.max() <= 1
