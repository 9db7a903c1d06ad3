"""Packs keep pictures and records together, and say what is wrong with other files."""

import numpy as np
import pytest

from tools.training.packs import PackError, encode, read_pack, write_pack


def picture(value: int) -> np.ndarray:
    return np.full((8, 12, 3), value, np.uint8)


def test_a_pack_gives_back_what_was_written(tmp_path):
    items = [({"text": f"A{value}"}, encode(picture(value), 101)) for value in (10, 200)]
    write_pack(tmp_path / "a.pack", "reader", items)
    pack = read_pack(tmp_path / "a.pack", "reader")
    assert [record["text"] for record in pack.records] == ["A10", "A200"]
    assert [int(image[4, 4, 0]) for image in pack.pictures()] == [10, 200]


def test_an_empty_pack_is_a_pack(tmp_path):
    write_pack(tmp_path / "empty.pack", "reader", [])
    assert len(read_pack(tmp_path / "empty.pack", "reader")) == 0


def test_a_pack_of_another_kind_is_refused_by_name(tmp_path):
    write_pack(tmp_path / "a.pack", "detector", [])
    with pytest.raises(PackError, match="a detector pack of schema 1, not a reader pack"):
        read_pack(tmp_path / "a.pack", "reader")


@pytest.mark.parametrize("content", [None, b"", b"no archive"])
def test_a_file_that_is_no_pack_is_named(tmp_path, content):
    path = tmp_path / "b.pack"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PackError, match=r"b\.pack: not a data pack"):
        read_pack(path, "reader")
