import itertools

import numpy as np
import pytest

from anpr_stream.testing import make_read
from anpr_stream.types import ALPHABET, Candidate, Read
from anpr_stream.vision.ctc import align, beam_search, decode, decode_line, greedy_runs, mix, softmax


def index(character):
    return 1 + ALPHABET.index(character) if character != "-" else 0


def steps(spelled, sure=0.99):
    """One step per sign of `spelled` (`-` blank), the rest of the probability spread evenly."""
    rows = np.full((len(spelled), 37), (1 - sure) / 36, np.float32)
    for row, sign in zip(rows, spelled, strict=True):
        row[index(sign)] = sure
    return rows


def spread(*rows):
    """Rows of {sign: probability}; the rest is blank."""
    out = np.zeros((len(rows), 37), np.float32)
    for row, signs in zip(out, rows, strict=True):
        for sign, probability in signs.items():
            row[index(sign)] = probability
        row[0] += 1 - row.sum()
    return out


def brute_force(probabilities):
    """Probability of every text, over all alignments."""
    used = [np.flatnonzero(row) for row in probabilities]
    texts = {}
    for path in itertools.product(*used):
        text = tuple(int(k) for k, _ in itertools.groupby(path) if k)
        texts[text] = texts.get(text, 0) + np.prod(
            [row[k] for row, k in zip(probabilities, path, strict=True)]
        )
    return texts


@pytest.mark.parametrize(
    ("spelled", "text"),
    [
        ("-A-B-", "AB"),
        ("AABBB", "AB"),
        ("A-ABB", "AAB"),
        ("-----", ""),
        ("ZZ9Z-", "Z9Z"),
        ("--0O0", "0O0"),
    ],
)
def test_collapse(spelled, text):
    read = decode(steps(spelled))
    assert read.text == text
    assert read.candidates[0] == Candidate(text, read.confidence)


def test_confidence_adds_up_all_alignments():
    probabilities = spread({"A": 0.6}, {"A": 0.5, "B": 0.3}, {"B": 0.5})
    texts = brute_force(probabilities)
    read = decode(probabilities, beam_width=32)
    best = max(texts, key=texts.get)
    assert read.confidence == pytest.approx(texts[best], rel=1e-5)


@pytest.mark.parametrize("seed", range(8))
def test_wide_beam_finds_what_brute_force_finds(seed):
    rng = np.random.default_rng(seed)
    probabilities = np.zeros((5, 37), np.float32)
    probabilities[:, [0, 9, 12]] = rng.dirichlet([0.7, 0.7, 0.7], 5)
    probabilities[probabilities < 0.02] = 0
    texts = brute_force(probabilities)
    beam = beam_search(probabilities, beam_width=64)
    best = sorted(texts, key=lambda text: -texts[text])[:3]
    assert [text for text, _ in beam[:3]] == best
    assert beam[0][1] == pytest.approx(texts[best[0]], rel=1e-3)


def test_best_text_is_not_always_the_best_path():
    probabilities = spread({"A": 0.4}, {"A": 0.4})
    assert greedy_runs(probabilities) == []
    read = decode(probabilities)
    assert read.text == "A"
    assert read.confidence == pytest.approx(1 - 0.36)
    assert read.character_probabilities[0, index("A") - 1] == pytest.approx(0.4)


def test_two_lines_are_kept_apart():
    read = decode(np.concatenate([steps("-AB"), steps("B7-")]), lines=2)
    assert read.text == "ABB7"
    assert read.line_lengths == (2, 2)


def test_empty_second_line_does_not_count():
    read = decode(np.concatenate([steps("AB-"), steps("---")]), lines=2)
    assert (read.text, read.line_lengths) == ("AB", (2,))


def test_candidates_of_two_lines_are_combined_each_text_once():
    first = spread({"A": 0.6, "B": 0.3})
    second = spread({"8": 0.5, "B": 0.4})
    read = decode(np.concatenate([first, second]), lines=2, max_candidates=6)
    assert [c.text for c in read.candidates[:4]] == ["A8", "AB", "B8", "BB"]
    assert len({c.text for c in read.candidates}) == len(read.candidates)
    assert read.candidates[0].confidence == pytest.approx(0.3)


def test_illegible_is_an_empty_text():
    read = decode(steps("----", 0.9999))
    assert (read.text, read.line_lengths) == ("", ())
    assert read.character_probabilities.shape == (0, 36)
    assert read.confidence > 0.99


def test_distributions_say_how_sure_each_character_is():
    read = decode(spread({"8": 0.6, "B": 0.3}, {}, {"7": 0.95}))
    first, second = read.character_probabilities
    assert first[index("8") - 1] == pytest.approx(0.6)
    assert first[index("B") - 1] == pytest.approx(0.3)
    assert second[index("7") - 1] == pytest.approx(0.95)
    assert read.character_probabilities.sum(axis=1).max() <= 1 + 1e-6


def test_the_edge_of_a_run_counts_less():
    read = decode(spread({"8": 0.9}, {"8": 0.5, "B": 0.05}))
    expected = (0.9 * 0.9 + 0.55 * 0.5) / (0.9 + 0.55)
    assert read.character_probabilities[0, index("8") - 1] == pytest.approx(expected, rel=1e-5)


def test_alignment_gives_each_character_its_steps():
    probabilities = steps("--AA-B-B", 0.9)
    assert align(probabilities, (index("A"), index("B"), index("B"))) == [
        (index("A"), 2, 4),
        (index("B"), 5, 6),
        (index("B"), 7, 8),
    ]


def test_alignment_of_a_doubled_character_needs_a_blank_between():
    probabilities = steps("AAA", 0.9)
    runs = align(probabilities, (index("A"), index("A")))
    assert [(start, end) for _, start, end in runs] == [(0, 1), (2, 3)]


def test_alignment_of_nothing():
    assert align(steps("---"), ()) == []


def test_softmax_with_temperature():
    logits = np.array([[2.0, 0.0, -1.0]], np.float32)
    cold, warm = softmax(logits), softmax(logits, 2.0)
    assert cold.sum() == pytest.approx(1)
    assert np.allclose(warm, np.exp(logits / 2) / np.exp(logits / 2).sum())
    assert warm.max() < cold.max()
    assert softmax(np.array([[1e4, 0]], np.float32)).tolist() == [[1, 0]]


def test_a_flat_network_is_bounded_and_not_sure():
    read = decode(np.full((64, 37), 1 / 37, np.float32), lines=2)
    assert read.confidence < 0.01


def test_line_always_has_a_candidate():
    assert decode_line(np.zeros((4, 37), np.float32)).candidates


def reading(text, confidence, others=(), sure=0.9):
    characters = np.zeros((len(text), 36), np.float32)
    for row, character in zip(characters, text, strict=True):
        row[index(character) - 1] = sure
    candidates = (Candidate(text, confidence), *(Candidate(*other) for other in others))
    return Read(text, confidence, characters, (len(text),), candidates)


def test_mix_of_one_is_itself():
    read = reading("AB1", 0.8)
    assert mix([read]) is read


def test_mix_takes_the_text_that_most_reads_believe():
    reads = [
        reading("AB1", 0.6, [("A81", 0.3)]),
        reading("A81", 0.5, [("AB1", 0.4)]),
        reading("AB1", 0.7, sure=0.7),
    ]
    mixed = mix(reads)
    assert mixed.text == "AB1"
    assert mixed.confidence == pytest.approx((0.6 + 0.4 + 0.7) / 3)
    assert mixed.candidates[1].text == "A81"
    assert mixed.candidates[1].confidence == pytest.approx(0.8 / 3)
    assert mixed.character_probabilities.max(axis=1) == pytest.approx([0.8, 0.8, 0.8])


def test_mix_of_empty_reads():
    mixed = mix([reading("", 0.9), reading("", 0.7)])
    assert (mixed.text, mixed.character_probabilities.shape) == ("", (0, 36))


def test_a_read_without_candidates_takes_its_share_and_gives_none():
    mixed = mix([make_read("AB1", 0.8), make_read("")])
    assert (mixed.text, mixed.confidence) == ("AB1", pytest.approx(0.4))
    assert mix([make_read(""), make_read("")]).text == ""
