import numpy as np

from tools.evaluation.characters import report

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def indices(text):
    return np.array([ALPHABET.index(character) for character in text], np.int64)


def test_confusions_are_counted_and_look_alikes_forgiven_apart():
    figures = report(indices("O0I8A"), indices("001BA"), ALPHABET)
    assert figures.right == 0.4
    assert figures.right_look_alikes_equal == 0.8
    assert set(figures.confusions) == {("O", "0", 1), ("I", "1", 1), ("8", "B", 1)}
    assert figures.by_character == {"0": 1.0, "8": 0.0, "A": 1.0, "I": 0.0, "O": 0.0}


def test_the_most_frequent_confusion_comes_first():
    figures = report(indices("OO5"), indices("00S"), ALPHABET)
    assert figures.confusions[0] == ("O", "0", 2)
    assert figures.lines()[0] == "characters 3, right 0.0000"


def test_no_characters_is_no_division_by_zero():
    assert report(indices(""), indices(""), ALPHABET).right == 0.0
