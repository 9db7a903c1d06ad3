import numpy as np
import pytest
import torch

from anpr_stream.types import ALPHABET
from tests.tools.street import write_streets
from tools import evaluate, export
from tools.evaluation.naming import name_glyphs
from tools.training.characters import CharactersConfig, CharactersNet, Stage
from tools.training.characters_data import Glyphs


class Brightest:
    """A backend that names each picture by how bright it is."""

    def run(self, images):
        level = np.rint(images.mean((1, 2, 3)) * 255).astype(int)
        return {"logits": np.eye(len(ALPHABET), dtype=np.float32)[level]}

    def close(self):
        pass


@pytest.fixture
def characters(tmp_path):
    """A folder with glyphs of all classes, and the path of a network that knows nothing of them yet."""
    torch.manual_seed(0)
    network = CharactersNet(CharactersConfig(8, (Stage(8, 1, 2),), 2, 16))
    kept = {"kind": "characters", "name": "small", "network": network.config.as_dict(), "classes": ALPHABET}
    torch.save({"weights": network.state_dict(), "description": kept}, tmp_path / "best.pt")
    glyphs = np.random.default_rng(0).integers(0, 255, (72, 32, 32), np.uint8)
    labels = {"labels": np.tile(np.arange(36), 2), "split": np.repeat([0, 1], 36)}
    np.savez(tmp_path / "chars.npz", images=glyphs, classes=np.array(list(ALPHABET)), **labels)
    assert export.main([str(tmp_path / "best.pt"), "--data", str(tmp_path), "--out", str(tmp_path)]) == 0
    return tmp_path


def test_every_glyph_is_named_whatever_the_batch():
    pictures = np.stack([np.full((32, 32), level % 36, np.uint8) for level in range(150)])
    read = name_glyphs(Brightest(), Glyphs(pictures, np.arange(150) % 36))
    assert (read == np.arange(150) % 36).all()


def test_no_glyphs_are_no_names():
    assert name_glyphs(Brightest(), Glyphs(np.zeros((0, 32, 32), np.uint8), np.zeros(0, np.int64))).shape == (
        0,
    )


def test_the_command_reports_on_the_split_asked_for(characters, capsys):
    words = ["characters", "--data", str(characters), "--model", str(characters / "small.onnx")]
    assert evaluate.main([*words, "--split", "val"]) == 0
    assert "characters 36, right" in capsys.readouterr().out


def test_a_detector_names_no_characters(characters, capsys):
    assert evaluate.main(["characters", "--data", str(characters), "--model", "detector-cpu"]) == 2
    assert "names no characters" in capsys.readouterr().err


def test_whole_plates_are_read_character_by_character_too(characters, tmp_path, capsys):
    data = write_streets(tmp_path / "data")
    assert evaluate.main(["reading", "--data", str(data), "--model", str(characters / "small.onnx")]) == 0
    assert "onnxruntime fp32" in capsys.readouterr().out


def test_a_detector_reads_no_plates(tmp_path, capsys):
    data = write_streets(tmp_path / "data")
    assert evaluate.main(["reading", "--data", str(data), "--model", "detector-cpu"]) == 2
    assert "this is no reader" in capsys.readouterr().err
