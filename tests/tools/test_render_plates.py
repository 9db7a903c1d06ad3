from pathlib import Path

import numpy as np
import pytest

from anpr_stream.plates.formats import load_formats
from tools import render_plates
from tools.training.packs import read_pack


@pytest.fixture
def rendered(tmp_path, monkeypatch):
    monkeypatch.setattr(render_plates, "CHUNK", 6)

    def render(name, *arguments):
        out = tmp_path / name
        render_plates.main(["--count", "20", "--out", str(out), "--formats", "tw,vn", *arguments])
        return read_pack(Path(out), "reader")

    return render


def test_a_pack_holds_what_was_asked_for(rendered):
    pack = rendered("a.npz", "--seed", "3")
    formats = load_formats(["tw", "vn"])
    assert len(pack) == 20
    for record, picture in zip(pack.records, pack.pictures(), strict=True):
        assert picture.shape == (96, 192, 3)
        assert formats.match(record["text"])
        assert record["country"] in {"tw", "vn"}
        assert record["split"] == "train"
        assert 0 < record["first_line"] <= len(record["text"])
        corners = np.array(record["quad"])
        assert np.allclose([*corners.min(axis=0), *corners.max(axis=0)], record["box"])


def test_seed_and_not_workers_decide(rendered):
    one, two = rendered("a.npz", "--seed", "3"), rendered("b.npz", "--seed", "3", "--workers", "2")
    other = rendered("c.npz", "--seed", "4")
    assert np.array_equal(one.data, two.data)
    assert one.records == two.records
    assert one.records != other.records


def test_a_missing_font_is_told_once(rendered, capsys, monkeypatch):
    monkeypatch.setattr(render_plates, "missing_packages", lambda: ["fonts-x"])
    rendered("a.npz", "--seed", "1")
    assert capsys.readouterr().err.strip() == "fonts not installed, others stand in: apt install fonts-x"
