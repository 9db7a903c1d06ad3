import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anpr_stream.config.packaged import packaged
from anpr_stream.errors import ModelError
from anpr_stream.plates.matching import Confusions, TextIndex
from anpr_stream.types import ALPHABET

TEXT = st.text(alphabet="01OIAB8", max_size=8)
PRIOR = Confusions()


@pytest.mark.parametrize(
    ("true", "read", "expected"),
    [
        ("AB123", "AB123", 0.0),
        ("AB0123", "ABO123", 0.3),
        ("AB8123", "A88I23", 0.6),
        ("AB123", "AB423", 1.0),
        ("AB234", "AB2345", 1.0),
        ("AB234", "A234", 1.0),
        ("AB234", "1AB234", 0.6),
        ("IAB234", "AB234", 0.6),
        ("", "AB", 2.0),
        ("", "", 0.0),
    ],
)
def test_distance(true: str, read: str, expected: float) -> None:
    assert PRIOR.distance(true, read) == pytest.approx(expected, abs=1e-6)


@given(TEXT, TEXT)
def test_the_prior_is_symmetric_and_zero_only_for_equal_texts(one: str, other: str) -> None:
    there, back = PRIOR.distance(one, other), PRIOR.distance(other, one)
    assert there == pytest.approx(back)
    assert (there == 0.0) == (one == other)


@given(st.lists(TEXT, max_size=12), TEXT, st.sampled_from([0.0, 0.3, 0.6, 1.0, 1.9, 3.0]))
def test_the_index_finds_what_each_distance_says(texts: list[str], read: str, limit: float) -> None:
    expected = sorted(
        (round(PRIOR.distance(t, read), 4), t)
        for t in set(texts) - {""}
        if PRIOR.distance(t, read) < limit + 1e-6
    )
    found = TextIndex(texts).near(read, limit + 1e-6)
    assert sorted((round(d, 4), t) for d, t in found) == expected
    assert [d for d, _ in found] == sorted(d for d, _ in found)


def test_costs_turned_around_are_those_of_the_other_way() -> None:
    costs = PRIOR.costs.copy()
    costs[ALPHABET.index("W"), ALPHABET.index("H")] = 0.25
    there = Confusions(costs)
    assert there.turned().distance("AH1", "BW1") == there.distance("BW1", "AH1")


def test_an_index_of_ten_thousand_texts() -> None:
    texts = [f"{n % 26 and 'AB'}{n:05d}" for n in range(1, 10_000)]
    assert TextIndex(texts).near("AB01234", 0.2) == [(0.0, "AB01234")]


def test_measured_confusions_change_the_costs() -> None:
    counts = np.eye(36) * 10_000
    counts[ALPHABET.index("W"), ALPHABET.index("H")] = 500
    measured = Confusions.from_counts(counts)
    assert measured.distance("AW1", "AH1") < 0.6
    assert measured.distance("AW1", "AH1") < measured.distance("AH1", "AW1")
    assert measured.distance("AB1", "A81") == 1.0


def test_without_observations_the_prior_stands() -> None:
    nothing = Confusions.from_counts(np.zeros((36, 36)))
    assert nothing.distance("0", "O") == pytest.approx(0.3)
    assert nothing.distance("0", "X") == 1.0


def test_a_file_of_counts_is_read(tmp_path: Path) -> None:
    counts = np.eye(36) * 1000
    counts[0, 1] = 400
    path = tmp_path / "confusions.json"
    path.write_text(json.dumps({"alphabet": ALPHABET, "counts": counts.tolist()}))
    assert Confusions.load(path).distance("0", "1") < 0.3


def test_no_file_gives_the_prior(tmp_path: Path) -> None:
    assert Confusions.load(tmp_path / "none.json").distance("0", "O") == pytest.approx(0.3)


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"counts": 3}', '{"alphabet": "AB", "counts": [[1]]}', '{"counts": [[1], [1, 2]]}'],
)
def test_a_damaged_file_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "confusions.json"
    path.write_text(content)
    with pytest.raises(ModelError, match=r"confusions\.json"):
        Confusions.load(path)


def test_the_shipped_confusions_know_what_looks_alike() -> None:
    shipped = Confusions.load(packaged("engines") / "confusions.json")
    assert shipped.distance("AB8", "ABB") < 0.8
    assert shipped.distance("AB1", "ABW") == 1.0
    assert shipped.distance("AB1", "AB1") == 0.0
