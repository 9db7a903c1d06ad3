"""A network's contract out of its ONNX file, without any engine.

ONNX files are protocol buffers; of `ModelProto` only field 14, `metadata_props`, is looked at: entries of
key (field 1) and value (field 2). The weights are passed over without being read.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from anpr_stream.errors import ModelError
from anpr_stream.vision.contract import METADATA_KEY, Contract, parse_contract

METADATA_PROPS = 14
KEY, VALUE = 1, 2
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


def read_contract(path: Path) -> Contract:
    """Read what a network says about itself.

    Raises:
        ModelError: no such file, not an ONNX file, or not a network of this package.
    """
    try:
        properties = read_metadata(path.read_bytes())
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror or error}", "model-missing") from error
    except (IndexError, ValueError) as error:
        raise ModelError(f"{path}: damaged or not an ONNX file", "model-damaged") from error
    if METADATA_KEY not in properties:
        raise ModelError(f"{path}: not a network of anpr_stream (no metadata)", "model-contract")
    return parse_contract(properties[METADATA_KEY], str(path))


def read_metadata(onnx: bytes) -> dict[str, str]:
    """Return the metadata properties of a serialised `ModelProto`.

    Raises:
        ValueError: not a protocol buffer.
        IndexError: it ends too early.
    """
    properties = {}
    for field, content in _fields(memoryview(onnx)):
        if field == METADATA_PROPS:
            entry = {key: bytes(value).decode() for key, value in _fields(content)}
            properties[entry.get(KEY, "")] = entry.get(VALUE, "")
    return properties


def _fields(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Yield number and content of each length-delimited field; numbers are passed over."""
    position = 0
    while position < len(data):
        tag, position = _varint(data, position)
        kind = tag & 7
        if kind == BYTES:
            size, position = _varint(data, position)
            end = position + size
            if end > len(data):
                raise IndexError("field ends behind the file")
            yield tag >> 3, data[position:end]
            position = end
        elif kind == VARINT:
            _, position = _varint(data, position)
        elif kind in (FIXED64, FIXED32):
            position += 8 if kind == FIXED64 else 4
        else:
            raise ValueError(f"wire type {kind}")


def _varint(data: memoryview, position: int) -> tuple[int, int]:
    value, shift = 0, 0
    while True:
        byte = data[position]
        value |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if byte < 0x80:
            return value, position
        if shift > 63:
            raise ValueError("number too long")
