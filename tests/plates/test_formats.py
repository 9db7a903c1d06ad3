import math

import numpy as np
import pytest

from anpr_stream.errors import ConfigError
from anpr_stream.plates.formats import UNKNOWN, FormatSet, load_formats
from anpr_stream.types import ALPHABET

ALL = load_formats()
COUNTRIES = {
    "tw de fr es it nl pl ro hr gb ua ru tr us br ar co vn in id cn my ir tn "
    "cl cz at ch hu pt be se no dk fi sk si bg lt lv ee gr ie il jp kr th za au nz mx ph sg"
}


def peaked(text, doubts=()):
    """Distributions that say `text`, with (position, character, probability) doubts."""
    matrix = np.full((len(text), 36), 0.001, dtype=np.float32)
    for position, char in enumerate(text):
        matrix[position, ALPHABET.index(char)] = 0.9
    for position, char, probability in doubts:
        matrix[position, ALPHABET.index(char)] = probability
    return matrix


@pytest.mark.parametrize("plate_format", ALL.formats, ids=lambda known: known.name)
def test_examples_match_their_own_format(plate_format):
    alone = FormatSet((plate_format,))
    for example in plate_format.examples:
        assert alone.match(example) == (plate_format,)
        assert alone.score(example) == plate_format.log_weight


def test_the_promised_countries_are_there():
    (names,) = COUNTRIES
    assert set(names.split()) <= {plate_format.country for plate_format in ALL.formats}


@pytest.mark.parametrize(
    ("country", "impossible"),
    [
        ("tw", "ABI1235"),
        ("tw", "ABC1234"),
        ("nl", "12AEC3"),
        ("fr", "AO123BB"),
        ("fr", "AA123IB"),
        ("es", "1234ABC"),
        ("it", "AQ123CD"),
        ("ro", "ZZ12ABC"),
        ("gb", "ZB51DVL"),
        ("gb", "AB01DVL"),
        ("ru", "D123BC77"),
        ("ru", "A123BC00"),
        ("tr", "82AB1234"),
        ("tr", "34QB1234"),
        ("in", "ZZ12DE1433"),
        ("de", "BAB0123"),
        ("de", "HROKK34567"),
        ("vn", "10A12345"),
        ("cn", "AO1234"),
        ("br", "ABCD123"),
        ("pl", "QA12345"),
    ],
)
def test_impossible_texts_match_nothing(country, impossible):
    formats = load_formats([country])
    assert formats.match(impossible) == ()
    assert formats.best(impossible) is None
    assert formats.score(impossible) == UNKNOWN


def test_a_format_tells_the_country():
    assert load_formats(["tr", "gb"]).best("34AB1234").country == "tr"


@pytest.mark.parametrize(
    ("text", "country"),
    [
        ("34AB1234", "tr"),
        ("MH12DE1433", "in"),
        ("ABC1D23", "br"),
        ("ABC1234", None),
        ("AB123CD", None),
        ("QQ", None),
    ],
)
def test_a_country_is_told_only_where_one_fits(text, country):
    assert ALL.country(text) == country


def test_one_expected_country_is_told_of_every_text_that_fits():
    assert load_formats(["tw"]).country("ABC1235") == "tw"


def test_the_commoner_format_comes_first():
    weights = [known.log_weight for known in ALL.match("ABC1234")]
    assert weights == sorted(weights, reverse=True)
    assert len(weights) > 3


def test_groups_and_countries_mix():
    names = {known.country for known in load_formats(["eu", "tw"]).formats}
    assert {"de", "fr", "tw"} <= names
    assert "us" not in names


def test_all_is_the_group_world():
    assert {known.name for known in load_formats(["world"]).formats} == {known.name for known in ALL.formats}


@pytest.mark.parametrize("group", ["eu", "europe", "americas", "asia", "africa", "oceania"])
def test_groups_hold_known_countries_once(group):
    countries = [plate_format.country for plate_format in load_formats([group]).formats]
    assert len(set(countries)) >= 2
    assert load_formats([group, countries[0]]).formats == load_formats([group]).formats


def test_an_unknown_name_is_told_with_the_known_ones():
    with pytest.raises(ConfigError, match=r"no plate format called xx; known are .*asia.*tw"):
        load_formats(["tw", "xx"])


class TestRerank:
    def test_letters_and_digits_go_to_their_positions(self):
        matrix = peaked("A8C0123", [(1, "B", 0.05), (3, "O", 0.05)])
        best = load_formats(["tw"]).rerank(matrix)[0]
        assert (best.text, best.format.name) == ("ABC0123", "tw.private_2012")

    def test_a_sure_unknown_text_stands(self):
        repairs = load_formats(["tw"]).rerank(peaked("QQQQ"))
        assert repairs[0].text == "QQQQ"
        assert repairs[0].format is None

    def test_the_raw_text_is_always_among_the_candidates(self):
        matrix = peaked("82AB1234", [(0, "3", 0.09)])
        texts = [repair.text for repair in load_formats(["tr"]).rerank(matrix)]
        assert texts[0] == "32AB1234"
        assert "82AB1234" in texts

    def test_area_codes_are_taken_whole(self):
        # Position by position S and X win; no county is called SX, and VX less so: SV is the best whole code.
        matrix = peaked("SX12ABC", [(0, "V", 0.3), (1, "V", 0.2), (1, "S", 0.1)])
        best = load_formats(["ro"]).rerank(matrix)[0]
        assert best.text == "SV12ABC"

    def test_probability_is_that_of_characters_and_format(self):
        best = load_formats(["tr"]).rerank(peaked("34AB1234"))[0]
        assert best.log_probability == pytest.approx(8 * math.log(0.9), abs=1e-5)

    def test_it_finds_what_trying_every_text_would_find(self):
        rng = np.random.default_rng(7)
        formats = load_formats(["gb"])
        matrix = rng.dirichlet(np.full(36, 0.05), 3).astype(np.float32)
        logs = np.log(np.maximum(matrix, 1e-6))
        texts = [a + b + c for a in ALPHABET for b in ALPHABET for c in ALPHABET]
        totals = [
            sum(logs[i, ALPHABET.index(char)] for i, char in enumerate(text)) + formats.score(text)
            for text in texts
        ]
        best = int(np.argmax(totals))
        found = formats.rerank(matrix)[0]
        assert found.text == texts[best]
        assert found.log_probability == pytest.approx(totals[best], abs=1e-4)

    def test_other_lengths_only_where_offered(self):
        formats = load_formats(["tr"])
        whole, shorter = peaked("34AB12345"), peaked("34AB1234")
        assert {len(repair.text) for repair in formats.rerank(whole)} == {9}
        assert formats.rerank(whole, [shorter])[0].text == "34AB1234"

    def test_nothing_is_impossible(self):
        matrix = np.zeros((7, 36), dtype=np.float32)
        assert all(math.isfinite(repair.log_probability) for repair in ALL.rerank(matrix))

    def test_no_character_at_all(self):
        assert [repair.text for repair in ALL.rerank(np.zeros((0, 36), dtype=np.float32))] == [""]

    def test_the_list_is_sorted_and_without_doubles(self):
        repairs = ALL.rerank(np.random.default_rng(3).dirichlet(np.ones(36), 7).astype(np.float32))
        texts = [repair.text for repair in repairs]
        assert len(texts) == len(set(texts))
        assert repairs == sorted(repairs, key=lambda repair: -repair.log_probability)


GOOD = """
country: xx
name: Nowhere
formats:
  - name: standard
    patterns: ["A9"]
    examples: [A1, B2, C3]
"""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("examples: [A1, B2, C3]", "examples: [A1]"), r"xx\.yaml:7: formats\.0\.examples: "),
        (("name: standard", "name: Not So"), r"xx\.yaml:5: formats\.0\.name: "),
        (('["A9"]', '["A{9"]'), r"xx\.yaml:6: formats\.standard: cannot read the pattern 'A\{9'"),
        (('["A9"]', '["<who>9"]'), r"xx\.yaml:6: formats\.standard: unknown set <who>"),
        (("country: xx", "country: xx\ncolour: red"), r"xx\.yaml:3: colour: Extra inputs"),
        (("name: Nowhere\n", ""), r"xx\.yaml:2: name: Field required"),
        (("name: Nowhere", "name: [Nowhere"), r"xx\.yaml: .*line"),
    ],
)
def test_a_bad_file_is_told_by_file_line_and_key(tmp_path, change, message):
    (tmp_path / "xx.yaml").write_text(GOOD.replace(*change))
    with pytest.raises(ConfigError, match=message):
        load_formats(["xx"], tmp_path)


def test_own_folder_of_formats(tmp_path):
    (tmp_path / "xx.yaml").write_text(GOOD)
    assert load_formats(["xx"], tmp_path).best("A1").name == "xx.standard"
