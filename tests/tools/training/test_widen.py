"""A wider reader that takes over a trained one answers as it did, and can learn more."""

from dataclasses import replace

import pytest
import torch

from tests.tools.training.test_reader import TINY
from tools.training.reader import Reader
from tools.training.widen import widen

WIDE = replace(TINY, dense=12, gru=20)
BROAD = replace(WIDE, channels=(8, 16, 24, 40))


def trained(size):
    reader = Reader(size).eval()
    for module in reader.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(module.running_mean)
            torch.nn.init.uniform_(module.running_var, 0.5, 2)
    return reader


@pytest.mark.parametrize("size", [WIDE, BROAD])
def test_the_wider_reader_answers_as_the_narrow_one(size):
    narrow, wide = trained(TINY), Reader(size).eval()
    widen(narrow, wide)
    pictures = torch.rand(2, 3, 64, 128)
    with torch.inference_mode():
        assert torch.allclose(wide(pictures), narrow(pictures), atol=1e-5)


def test_new_channels_hear_the_picture_and_learn_to_speak():
    wide = Reader(BROAD)
    widen(trained(TINY), wide)
    wide(torch.rand(2, 3, 64, 128)).square().sum().backward()
    old = wide.stages[3][0].conv1
    heard = TINY.channels[2]
    assert old.weight[: TINY.channels[3], heard:].abs().max() == 0
    assert old.weight.grad[: TINY.channels[3], heard:].abs().max() > 0


def test_what_is_new_hears_the_picture_and_learns_to_speak():
    wide = Reader(WIDE)
    widen(trained(TINY), wide)
    wide(torch.rand(2, 3, 64, 128)).square().sum().backward()
    new = wide.head.weight.grad.reshape(37, 2, WIDE.gru)[..., TINY.gru :]
    assert wide.head.weight.reshape(37, 2, WIDE.gru)[..., TINY.gru :].abs().max() == 0
    assert new.abs().max() > 0


@pytest.mark.parametrize("other", [replace(TINY, stem=16), replace(TINY, blocks=(1, 1, 1, 2))])
def test_another_stem_or_depth_does_not_fit(other):
    with pytest.raises(ValueError, match=r"is \(|another number of blocks"):
        widen(Reader(TINY), Reader(other))


def test_a_wide_reader_does_not_fit_into_a_narrow_one():
    with pytest.raises(ValueError, match=r"project\.weight is"):
        widen(Reader(WIDE), Reader(TINY))
