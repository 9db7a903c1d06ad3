import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from anpr_stream.errors import ModelError
from anpr_stream.inference.metadata import read_contract, read_metadata
from tests.networks import write_detector, write_reader


def test_contract_of_both_kinds(tmp_path):
    assert read_contract(write_detector(tmp_path)).corners
    assert read_contract(write_reader(tmp_path)).lines == 2


def test_same_as_onnx_itself_reads():
    weights = numpy_helper.from_array(np.arange(3000, dtype=np.float32), "w")
    graph = helper.make_graph([helper.make_node("Identity", ["w"], ["y"])], "g", [], [
        helper.make_tensor_value_info("y", TensorProto.FLOAT, [3000])], [weights])  # fmt: skip
    model = helper.make_model(graph)
    expected = {"anpr": "{}" * 300, "": "empty key", "ключ": "значение", "empty": ""}
    helper.set_model_props(model, expected)
    assert read_metadata(model.SerializeToString()) == expected


def test_no_metadata(tmp_path):
    path = write_detector(tmp_path)
    model = onnx.load(path)
    del model.metadata_props[:]
    onnx.save(model, path)
    with pytest.raises(ModelError, match="no metadata") as error:
        read_contract(path)
    assert error.value.reason_slug == "model-contract"


@pytest.mark.parametrize("content", [b"\x0f", b"hello world, this is text", b"\xff" * 40, b"\x72\xff\x01"])
def test_not_an_onnx_file(tmp_path, content):
    path = tmp_path / "x.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"x\.onnx"):
        read_contract(path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_cut_off_file(tmp_path, share):
    path = write_detector(tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ModelError, match=r"damaged|no metadata"):
        read_contract(path)


def test_missing_file(tmp_path):
    with pytest.raises(ModelError, match="No such file") as error:
        read_contract(tmp_path / "none.onnx")
    assert error.value.reason_slug == "model-missing"
