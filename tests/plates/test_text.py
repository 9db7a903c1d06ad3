import pytest

from anpr_stream.plates.text import normalise


@pytest.mark.parametrize(
    ("written", "held"),
    [
        ("ab-12 cd", "AB12CD"),
        ("MÜ·XY 123", "MUXY123"),
        ("ŠI 456-ĐE", "SI456DE"),
        ("А123ВС 77", "A123BC77"),
        ("ΖΚΗ-9876", "ZKH9876"),
        ("１２ＡＢ", "12AB"),
        ("۱۲۳ب۴۵", "12345"),
        ("٩٩ تونس ١٢", "9912"),
        ("京A·12345", "A12345"),
        ("", ""),
        ("---", ""),
    ],
)
def test_a_text_is_brought_to_latin_letters_and_digits(written, held):
    assert normalise(written) == held


def test_wildcards_stay_when_asked():
    assert normalise("ab?-1*", keep="?*") == "AB?1*"


def test_normalising_twice_changes_nothing():
    once = normalise("ł-ß 12")
    assert normalise(once) == once
