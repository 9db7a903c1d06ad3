"""From a checkpoint to files that the product's own detector and classifier take."""

import numpy as np
import onnx
import pytest
import torch

from anpr_stream.types import ALPHABET
from anpr_stream.vision.contract import METADATA_KEY, DetectorContract, parse_contract
from tests.tools.street import write_streets
from tools import export
from tools.training.characters import CharactersConfig, CharactersNet, Stage
from tools.training.detector import CPU, DetectorConfig, YoloV3
from tools.training.onnx_files import answers

TINY = DetectorConfig("tiny", (4, 8, 16, 32, 32), (1, 1, 1, 1), 1, CPU.anchors)


def save(path, network, description):
    torch.save({"weights": network.state_dict(), "description": description}, path)
    return path


@pytest.fixture
def checkpoint(tmp_path):
    torch.manual_seed(0)
    description = {"kind": "detector", "name": "tiny", "network": TINY.as_dict()}
    return save(tmp_path / "best.pt", YoloV3(TINY), description)


def contract_in(path):
    properties = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    return parse_contract(properties[METADATA_KEY], str(path))


def test_a_detector_becomes_two_networks_and_a_golden_sample(checkpoint, tmp_path):
    data, out = write_streets(tmp_path / "data"), tmp_path / "engines"
    assert export.main([str(checkpoint), "--data", str(data), "--out", str(out), "--version", "7"]) == 0
    contract = contract_in(out / "tiny.onnx")
    assert isinstance(contract, DetectorContract)
    assert (contract.version, contract.anchors, contract.corners) == ("7", TINY.anchors, True)
    assert contract_in(out / "tiny.int8.onnx") == contract
    golden = np.load(out / "tiny.golden.npz")
    assert golden["input"].shape[2:] == (192, 320)
    for name, array in answers(out / "tiny.onnx", golden["input"]).items():
        assert array == pytest.approx(golden[name], abs=1e-4)


def test_an_int8_detector_answers_like_the_plain_one(checkpoint, tmp_path):
    data, out = write_streets(tmp_path / "data"), tmp_path / "engines"
    export.main([str(checkpoint), "--data", str(data), "--out", str(out)])
    images = np.load(out / "tiny.golden.npz")["input"]
    plain, small = answers(out / "tiny.onnx", images), answers(out / "tiny.int8.onnx", images)
    for name, array in plain.items():
        assert small[name].shape == array.shape
        assert np.abs(small[name] - array).mean() < 0.2 * np.abs(array).mean() + 0.02


def test_an_exported_network_is_quantised_anew(checkpoint, tmp_path):
    data, out, again = write_streets(tmp_path / "data"), tmp_path / "engines", tmp_path / "again"
    export.main([str(checkpoint), "--data", str(data), "--out", str(out)])
    assert export.main([str(out / "tiny.onnx"), "--data", str(data), "--out", str(again)]) == 0
    assert [path.name for path in again.iterdir()] == ["tiny.int8.onnx"]
    assert contract_in(again / "tiny.int8.onnx") == contract_in(out / "tiny.onnx")
    images = np.load(out / "tiny.golden.npz")["input"]
    first, second = (answers(folder / "tiny.int8.onnx", images) for folder in (out, again))
    for name, array in first.items():
        assert np.abs(second[name] - array).mean() < 0.2 * np.abs(array).mean() + 0.02


def test_a_file_that_is_no_network_is_not_quantised(tmp_path, capsys):
    (tmp_path / "x.onnx").write_bytes(b"x")
    assert export.main([str(tmp_path / "x.onnx"), "--data", "d", "--out", str(tmp_path)]) == 2
    assert "x.onnx: damaged or not an ONNX file" in capsys.readouterr().err


def test_a_classifier_carries_its_alphabet(tmp_path):
    network = CharactersNet(CharactersConfig(8, (Stage(8, 1, 2),), 2, 16))
    kept = {"kind": "characters", "name": "small", "network": network.config.as_dict(), "classes": ALPHABET}
    path = save(tmp_path / "best.pt", network, kept)
    glyphs = np.random.default_rng(0).integers(0, 255, (36, 32, 32), np.uint8)
    labels = {"labels": np.arange(36), "split": np.zeros(36, int), "classes": np.array(list(ALPHABET))}
    np.savez(tmp_path / "chars.npz", images=glyphs, **labels)
    assert export.main([str(path), "--data", str(tmp_path), "--out", str(tmp_path)]) == 0
    assert contract_in(tmp_path / "small.onnx").name == "small"
    assert answers(tmp_path / "small.onnx", np.zeros((3, 3, 80, 80), np.float32))["logits"].shape == (3, 36)


def test_a_file_of_another_kind_is_refused_in_one_line(tmp_path, capsys):
    path = save(tmp_path / "x.pt", torch.nn.Linear(1, 1), {"kind": "toaster"})
    assert export.main([str(path), "--data", str(tmp_path)]) == 2
    assert "kind 'toaster'" in capsys.readouterr().err
