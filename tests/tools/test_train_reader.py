"""A real, tiny reader: from pictures on disk over pack, training and export to figures on its texts."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from anpr_stream.inference.metadata import read_contract
from anpr_stream.inference.models import find_model
from tests.tools.street import label, write_set, write_streets
from tools import evaluate, export, pack_data, train_reader
from tools.training.detector_data import load_scenes
from tools.training.onnx_files import answers, session
from tools.training.packs import encode, read_pack, write_pack
from tools.training.reader import SIZES, ReaderSize
from tools.training.reader_task import MARGIN

# Not narrower: PyTorch 2.13 overruns its memory on the CPU in channels-last convolutions of 4 to 4 channels.
TINY = ReaderSize(8, (8, 8, 8, 8), (1, 1, 1, 1), dense=8, gru=8)

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with `data`, `reader.pack` and a run; the same for all tests here, made once."""
    root = tmp_path_factory.mktemp("reader")
    write_streets(root / "data")
    pack_data.main(["reader", str(root / "data"), str(root / "reader.pack")])
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SIZES, "tiny", TINY)
        assert train_reader.main(arguments(root)) == 0
    return root


def arguments(root, *more):
    fixed = ["--name", "tiny", "--batch", "4", "--workers", "0", "--threads", "1", "--validate-samples", "16"]
    files = ["--data", str(root / "reader.pack"), "--out", str(root / "run")]
    return [*files, "--minutes", "0.02", *fixed, *more]


@pytest.fixture(scope="module")
def exported(trained):
    """The run's network with its siblings."""
    out = trained / "engines"
    fixed = ["--data", str(trained / "reader.pack"), "--out", str(out), "--version", "7"]
    assert export.main([str(trained / "run" / "last.pt"), *fixed]) == 0
    return out / "tiny.onnx"


def test_the_pack_holds_each_plate_with_its_margins(trained):
    pack = read_pack(trained / "reader.pack", "reader")
    assert len(pack) == 8
    record = pack.records[-1]
    assert (record["text"], record["country"], record["machine"]) == ("AB12", "tw", False)
    assert (record["height_px"], record["aspect"]) == (16.0, 3.0)
    x1, y1, x2, y2 = record["box"]
    picture = pack.picture(len(pack) - 1)
    assert picture.shape == (28, 82, 3)
    inside, outside = picture[round(y1) + 1, round(x1) + 1], picture[1, 1]
    assert inside.mean() > outside.mean() + 60
    assert (x2 - x1, y2 - y1) == (48, 16)


def test_a_detector_pack_keeps_scenes_and_their_boxes(trained, tmp_path):
    pack_data.main(["detector", str(trained / "data"), str(tmp_path / "d.pack")])
    pack = read_pack(tmp_path / "d.pack", "detector")
    assert sorted({record["set"] for record in pack.records}) == ["empty", "streets"]
    street = next(record for record in pack.records if record["set"] == "streets")
    assert street["plates"] == [{"box": [30.0, 40.0, 78.0, 56.0], "quad": None}]
    assert pack.picture(0).shape == (96, 128, 3)


def test_what_cannot_be_packed_ends_in_one_line(tmp_path, capsys):
    assert pack_data.main(["reader", str(tmp_path), str(tmp_path / "r.pack")]) == 2
    assert "no */labels.jsonl in it" in capsys.readouterr().err
    data = write_streets(tmp_path / "data")
    (data / "streets" / "images" / "s0.png").unlink()
    assert pack_data.main(["reader", str(data), str(tmp_path / "r.pack")]) == 2
    assert "s0.png: not a readable picture" in capsys.readouterr().err


def test_labels_that_do_not_say_so_count_as_complete_in_packs_and_folders_alike(tmp_path):
    line = label("images/a.png", "train")
    del line["complete"]
    write_set(tmp_path / "set", [line])
    pack_data.main(["detector", str(tmp_path), str(tmp_path / "d.pack")])
    for data in (tmp_path, tmp_path / "d.pack"):
        assert load_scenes(data, "train").scenes[0].complete


def test_countries_can_be_left_out_of_a_pack(trained, tmp_path):
    whole, part = tmp_path / "whole.pack", tmp_path / "part.pack"
    pack_data.main(["detector", str(trained / "data"), str(whole)])
    pack_data.main(["detector", str(trained / "data"), str(part), "--leave-out", "tw"])
    assert {record["country"] for record in read_pack(whole, "detector").records} == {"tw"}
    assert all(not record["plates"] for record in read_pack(part, "detector").records)
    assert len(read_pack(part, "detector")) == 2


def test_a_country_to_leave_out_that_is_not_there_and_a_limit_not_kept_are_told(trained, tmp_path, capsys):
    arguments = ["detector", str(trained / "data"), str(tmp_path / "d.pack")]
    assert pack_data.main([*arguments, "--leave-out", "TW"]) == 2
    assert "no plate of TW to leave out; there are tw" in capsys.readouterr().err
    assert pack_data.main([*arguments, "--limit-mb", "0.001"]) == 0
    assert "larger than --limit-mb 0.001" in capsys.readouterr().err


def test_a_plate_counts_for_its_own_country_and_else_for_its_pictures():
    plates = [{"country": "fr"}, {}]
    for picture, rest in ({"country": "de"}, "de"), ({}, "unknown"):
        labelled = pack_data.Labelled(Path(), {**picture, "plates": plates})
        assert pack_data.countries(labelled) == {"fr", rest}


def test_quality_falls_until_the_pack_fits(trained, tmp_path):
    items = list(pack_data.reader_items(pack_data.labelled_pictures(trained / "data")))
    assert pack_data.fitting_quality(items, 1e6) == pack_data.QUALITIES[0]
    assert pack_data.fitting_quality(items, 10) == pack_data.QUALITIES[-1]


def test_a_training_saves_its_figures_and_goes_on(trained, monkeypatch):
    monkeypatch.setitem(SIZES, "tiny", TINY)
    before = torch.load(trained / "run" / "last.pt", weights_only=True)
    assert before["description"]["kind"] == "reader"
    assert torch.load(trained / "run" / "best.pt", weights_only=True)["metrics"] == {"score": 0.0}
    resumed = arguments(trained, "--resume", str(trained / "run" / "last.pt"))
    synthetic = ["--synthetic", str(trained / "reader.pack"), "--agreement", "0.2"]
    assert train_reader.main([*resumed, *synthetic]) == 0
    assert "apart" in (trained / "run" / "curves.csv").read_text()
    after = torch.load(trained / "run" / "last.pt", weights_only=True)
    assert after["progress"]["samples"] > before["progress"]["samples"]


def test_a_resumed_training_draws_other_samples_than_those_it_has_seen(trained, monkeypatch):
    monkeypatch.setitem(SIZES, "tiny", TINY)

    def first_batch(*more):
        options = train_reader.parser().parse_args(arguments(trained, "--gentle-samples", "1", *more))
        return next(train_reader.build_task(options, torch.device("cpu")).batches()).pictures

    assert torch.equal(first_batch(), first_batch())
    assert not torch.equal(first_batch(), first_batch("--resume", str(trained / "run" / "last.pt")))


def test_a_wider_network_goes_on_with_what_the_narrow_one_misread(trained, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(SIZES, "tiny", replace(TINY, dense=12, gru=12))
    grown = arguments(trained, "--pretrained", str(trained / "run" / "last.pt"), "--hard", "4")
    assert train_reader.main([*grown, "--out", str(tmp_path)]) == 0
    assert "misread; left out 0 illegible" in capsys.readouterr().out
    state = torch.load(tmp_path / "last.pt", weights_only=True)
    assert state["description"]["network"]["gru"] == 12
    # It reads already, so its text is not aligned evenly again, nor when it goes on from here.
    assert state["description"]["aligned_samples"] == 0
    assert "alignment" not in (tmp_path / "curves.csv").read_text()


def test_another_network_to_start_from_is_refused_in_one_line(trained, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(SIZES, "tiny", replace(TINY, stem=16))
    other = arguments(trained, "--pretrained", str(trained / "run" / "last.pt"))
    assert train_reader.main([*other, "--out", str(tmp_path)]) == 2
    assert "last.pt: its network does not fit into the one to train: " in capsys.readouterr().err


def test_a_checkpoint_of_another_kind_is_refused_in_one_line(trained, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(SIZES, "tiny", TINY)
    torch.save({"weights": {}, "description": {"kind": "detector"}}, tmp_path / "d.pt")
    assert train_reader.main(arguments(trained, "--resume", str(tmp_path / "d.pt"))) == 2
    assert "d.pt: no checkpoint of a reader, but of kind 'detector'" in capsys.readouterr().err


@pytest.mark.parametrize("missing", ["train", "val"])
def test_a_pack_without_a_split_ends_in_one_line_before_the_training(
    trained, tmp_path, capsys, monkeypatch, missing
):
    monkeypatch.setitem(SIZES, "tiny", TINY)
    pack = read_pack(trained / "reader.pack", "reader")
    items = [(r, encode(pack.picture(i), 90)) for i, r in enumerate(pack.records) if r["split"] != missing]
    write_pack(tmp_path / "reader.pack", "reader", items)
    said = f"the pack holds no readable plate of the {missing} split\n"
    assert train_reader.main(arguments(tmp_path)) == 2
    assert capsys.readouterr().err == f"train_reader: {said}"
    assert (
        export.main(
            [
                str(trained / "run" / "last.pt"),
                "--data",
                str(tmp_path / "reader.pack"),
                "--out",
                str(tmp_path),
            ]
        )
        == 2
    )
    assert capsys.readouterr().err == f"export: {said}"


def test_the_exported_network_says_what_it_is(exported):
    contract = read_contract(exported)
    assert (contract.name, contract.version, contract.lines) == ("tiny", "7", 2)
    assert (contract.width, contract.height, contract.margin) == (128, 64, MARGIN)
    assert read_contract(exported.with_suffix(".int8.onnx")) == contract


def test_the_golden_sample_is_what_the_network_answers(exported):
    golden = find_model(exported).golden()
    assert golden.images.shape == (2, 3, 64, 128)
    assert golden.outputs["logits"].shape == (2, 64, 37)
    assert answers(exported, golden.images)["logits"] == pytest.approx(golden.outputs["logits"], abs=1e-5)


def test_the_batch_is_free(exported):
    for count in (1, 5):
        images = np.zeros((count, 3, 64, 128), np.float32)
        assert answers(exported, images)["logits"].shape == (count, 64, 37)


def test_int8_is_symmetric_and_leaves_the_gru_alone(exported):
    graph = onnx.load(exported.with_suffix(".int8.onnx")).graph
    kinds = [node.op_type for node in graph.node]
    assert kinds.count("GRU") == 2
    makers = {output: node.op_type for node in graph.node for output in node.output}
    rounded = [makers[node.input[0]] for node in graph.node if node.op_type == "QuantizeLinear"]
    assert len(rounded) > 3
    assert "Conv" not in rounded, "its output is rounded where the next one takes it in"
    zeros = [onnx.numpy_helper.to_array(i) for i in graph.initializer if "zero_point" in i.name]
    assert {zero.dtype for zero in zeros} == {np.dtype(np.int8)}
    assert not any(zero.any() for zero in zeros)
    # Two products with an activation fit into 16 bits: processors without VNNI add them there.
    weights = [onnx.numpy_helper.to_array(i) for i in graph.initializer if i.name.endswith("_quantized")]
    assert 60 < max(int(np.abs(weight.astype(int)).max()) for weight in weights) <= 64
    assert session(exported.with_suffix(".int8.onnx")).get_inputs()[0].name == "images"


def test_an_export_that_fails_leaves_the_files_that_were_there(
    exported, trained, tmp_path, monkeypatch, capsys
):
    (tmp_path / "tiny.onnx").write_bytes(b"the good one")
    monkeypatch.setattr("tools.training.onnx_files.PARITY", -1.0)
    fixed = ["--data", str(trained / "reader.pack"), "--out", str(tmp_path)]
    assert export.main([str(trained / "run" / "last.pt"), *fixed]) == 2
    assert "PyTorch says" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.onnx"]
    assert (tmp_path / "tiny.onnx").read_bytes() == b"the good one"


def test_a_network_in_int8_is_not_quantised_again(exported, trained, tmp_path, capsys):
    whole = str(exported.with_suffix(".int8.onnx"))
    assert export.main([whole, "--data", str(trained / "reader.pack"), "--out", str(tmp_path)]) == 2
    assert "in INT8 already" in capsys.readouterr().err


@pytest.mark.parametrize("what", ["reading", "scenes"])
def test_a_split_without_plates_is_no_result(tmp_path, capsys, what):
    write_set(tmp_path / "set", [label("images/a.png", "train")])
    assert evaluate.main([what, "--data", str(tmp_path), "--split", "test"]) == 2
    assert "of this split" in capsys.readouterr().err


def test_an_unknown_checkpoint_is_refused_by_name(tmp_path, capsys):
    torch.save({"weights": {}, "description": {"kind": "cat"}}, tmp_path / "cat.pt")
    assert export.main([str(tmp_path / "cat.pt"), "--data", "x", "--out", str(tmp_path)]) == 2
    assert "cat.pt: kind 'cat'" in capsys.readouterr().err


def test_the_exported_network_is_judged_on_labelled_pictures(exported, trained, tmp_path, capsys):
    files = ["--sheet", str(tmp_path / "s.png"), "--reliability", str(tmp_path / "r.png")]
    judged = ["reading", "--data", str(trained / "data"), "--model", str(exported), *files]
    assert evaluate.main([*judged, "--confusions", str(tmp_path / "c.json")]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("onnxruntime fp32\nplates 2\n")
    assert "exact country tw: " in printed
    counts = json.loads((tmp_path / "c.json").read_text())["counts"]
    assert np.array(counts).shape == (36, 36)
    assert (tmp_path / "s.png").exists()
    assert (tmp_path / "r.png").exists()


def test_a_missing_network_ends_the_evaluation_in_one_line(trained, capsys):
    assert evaluate.main(["reading", "--data", str(trained / "data"), "--model", "nosuch.onnx"]) == 2
    assert capsys.readouterr().err.startswith("evaluate: ")
