import json

import pytest

from anpr_stream.errors import ModelError
from anpr_stream.vision.contract import CharactersContract, parse_contract
from tests.networks import contract, detector_contract, reader_contract


def parse(data):
    return parse_contract(json.dumps(data), "x.onnx")


def test_detector():
    parsed = parse(detector_contract())
    assert (parsed.name, parsed.width, parsed.height) == ("tiny-detector", 128, 96)
    assert parsed.strides == (8, 16, 32)
    assert parsed.anchors[1][2] == (88, 26)
    assert parsed.corners


def test_reader():
    parsed = parse(reader_contract())
    assert (parsed.lines, parsed.temperature, parsed.margin) == (2, 1.5, 0.1)


def test_reader_without_calibration():
    data = {key: value for key, value in reader_contract().items() if key not in ("temperature", "margin")}
    assert parse(data).temperature == 1


def test_characters():
    assert isinstance(parse(contract("characters", 80, 80)), CharactersContract)


@pytest.mark.parametrize(
    ("change", "slug", "words"),
    [
        ({"schema": 2}, "model-schema", "schema 2"),
        ({"kind": "faces"}, "model-contract", "faces"),
        ({"alphabet": "ABC"}, "model-contract", "ABC"),
        ({"blank": 36}, "model-contract", "blank 36"),
        ({"temperature": 0}, "model-contract", "temperature"),
        ({"input": {"name": "x", "width": 1, "height": 1, "color": "rgb"}}, "model-contract", "rgb"),
        ({"input": None}, "model-contract", "x.onnx"),
    ],
)
def test_other_contracts_are_refused_by_name(change, slug, words):
    with pytest.raises(ModelError, match=words) as error:
        parse({**reader_contract(), **change})
    assert error.value.reason_slug == slug


@pytest.mark.parametrize(
    ("change", "words"),
    [({"decode": "yolov8"}, "yolov8"), ({"strides": [8, 16]}, "3 sets of anchors for 2 strides")],
)
def test_other_detectors_are_refused(change, words):
    with pytest.raises(ModelError, match=words):
        parse({**detector_contract(), **change})


@pytest.mark.parametrize("text", ["", "[]", "null", "{", '{"schema": 1}'])
def test_damaged_metadata(text):
    with pytest.raises(ModelError, match=r"x\.onnx"):
        parse_contract(text, "x.onnx")
