"""The reader keeps lines apart, and columns in order."""

import pytest
import torch

from tools.training.data import encode_texts
from tools.training.reader import SIZES, Reader, ReaderSize, build_reader, describe
from tools.training.reader_task import exact_by_group, spell, to_input

# Not narrower: PyTorch 2.13 overruns its memory on the CPU in channels-last convolutions of 4 to 4 channels.
TINY = ReaderSize(8, (8, 8, 8, 8), (1, 1, 1, 1), dense=8, gru=8)


def test_logits_are_two_lines_of_steps():
    assert Reader(TINY)(torch.rand(3, 3, 64, 128)).shape == (3, 64, 37)


@pytest.mark.parametrize("name", SIZES)
def test_every_size_can_be_built_again_from_its_description(name):
    described = describe(SIZES[name])
    again = build_reader({key: list(v) if isinstance(v, tuple) else v for key, v in described.items()})
    assert sum(p.numel() for p in again.parameters()) == sum(
        p.numel() for p in Reader(SIZES[name]).parameters()
    )


def test_a_step_sees_its_own_columns_of_the_picture():
    reader = Reader(TINY).eval()
    pictures = torch.rand(1, 3, 64, 128, requires_grad=True)
    lines = reader.lines(pictures)
    assert lines.shape == (2, 32, 8)
    lines[0, 16].sum().backward()
    assert pictures.grad is not None
    seen = pictures.grad.abs().sum((0, 1, 2))
    middle = seen[48:84].sum()
    assert middle > 0.8 * seen.sum()


def test_ctc_spells_by_merging_repeats_and_dropping_blanks():
    assert spell([0, 11, 11, 0, 11, 2, 2, 0]) == "AA1"
    assert spell([0, 0]) == ""


def test_pictures_become_the_contracts_input():
    pictures = torch.zeros(2, 64, 128, 3, dtype=torch.uint8)
    pictures[0, 1, 2] = torch.tensor([255, 0, 51], dtype=torch.uint8)
    images = to_input(pictures)
    assert images.shape == (2, 3, 64, 128)
    assert images[0, :, 1, 2].tolist() == pytest.approx([1.0, 0.0, 0.2])


def test_scores_are_by_country_and_lines_where_there_are_enough():
    records = [{"lines": 1, "country": "tw"}] * 10 + [{"lines": 2, "country": "vn"}] * 2
    scores = exact_by_group([True] * 9 + [False] * 3, records)
    assert scores == {"lines1": 0.9, "score": 0.75, "tw": 0.9}


def test_targets_fit_the_alphabet_of_the_head():
    targets, _, _ = encode_texts([{"text": "0Z", "lines": 1, "country": None}])
    assert targets.max() == 36
