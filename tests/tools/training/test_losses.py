"""The reader's loss knows right from wrong, and where characters should lie."""

import pytest
import torch

from tools.training.losses import alignment_loss, ctc_loss, even_alignment, reader_loss, view_loss

TARGETS = torch.tensor([[1, 2, 3, 0], [4, 4, 0, 0]])
LENGTHS = torch.tensor([3, 2])
SPLITS = torch.tensor([3, 1])


def logits_for(classes: torch.Tensor, sure: float) -> torch.Tensor:
    return torch.nn.functional.one_hot(classes, 6).float() * sure


def test_characters_are_spread_over_their_own_line():
    first, second = even_alignment(TARGETS, LENGTHS, SPLITS, 16)
    assert [code for code in torch.unique_consecutive(first[:16]).tolist() if code] == [1, 2, 3]
    assert first[16:].sum() == 0
    assert set(second[:16].tolist()) == set(second[16:].tolist()) == {0, 4}


def test_neighbours_that_are_alike_are_parted_by_a_blank():
    wanted = even_alignment(torch.tensor([[4, 4, 4, 4]]), torch.tensor([4]), torch.tensor([4]), 32)
    assert torch.unique_consecutive(wanted[0, :32]).tolist() == [0, 4, 0, 4, 0, 4, 0, 4, 0]


def test_both_losses_vanish_where_the_network_spells_the_text():
    wanted = even_alignment(TARGETS, LENGTHS, SPLITS, 16)
    sure = logits_for(wanted, 30.0)
    assert ctc_loss(sure, TARGETS, LENGTHS).item() == pytest.approx(0, abs=1e-3)
    assert alignment_loss(sure, TARGETS, LENGTHS, SPLITS).item() == pytest.approx(0, abs=1e-3)
    wrong = logits_for((wanted > 0).long() * 5, 30.0)
    assert ctc_loss(wrong, TARGETS, LENGTHS).item() > 10


def test_texts_whose_lines_are_unknown_do_not_align():
    logits = torch.randn(2, 32, 6, requires_grad=True)
    unknown = torch.tensor([-1, -1])
    loss = alignment_loss(logits, TARGETS, LENGTHS, unknown)
    assert loss.item() == 0
    torch.autograd.backward(loss)


def test_the_alignment_fades_out_of_the_mix():
    logits = torch.randn(2, 32, 6)
    only_ctc, parts = reader_loss(logits, TARGETS, LENGTHS, SPLITS, 0.0)
    assert set(parts) == {"ctc"}
    half, parts = reader_loss(logits, TARGETS, LENGTHS, SPLITS, 0.5)
    assert half.item() == pytest.approx((parts["ctc"] + parts["alignment"]).item() / 2, rel=1e-4)
    assert only_ctc.item() == pytest.approx(parts["ctc"].item())


def test_views_that_are_read_alike_are_not_apart_and_others_draw_each_other():
    first = torch.randn(2, 16, 6)
    assert view_loss(torch.cat([first, first]), LENGTHS.repeat(2)).item() == pytest.approx(0, abs=1e-5)
    both = torch.cat([first, torch.randn(2, 16, 6)]).requires_grad_()
    apart = view_loss(both, LENGTHS.repeat(2))
    torch.autograd.backward(apart)
    nearer = both.detach() - 0.1 * both.grad
    assert view_loss(nearer, LENGTHS.repeat(2)) < apart
    assert all(part.abs().sum() > 0 for part in both.grad)
