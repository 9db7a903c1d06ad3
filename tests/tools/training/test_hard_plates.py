"""What a reader misreads comes more often; what only teaches it wrong does not come."""

import numpy as np
import pytest
import torch
from torch import nn

from tools.training.data import CODES, MAX_LENGTH, Plates
from tools.training.hard_plates import look_at

TEXT = "AB12"


def plates(*records):
    usual = {"text": TEXT, "machine": True, "height_px": 40.0, "lines": 1, "country": "tw", "aspect": 3.0}
    boxes = np.tile(np.array([[10, 10], [180, 10], [180, 80], [10, 80]], np.float32), (len(records), 1, 1))
    pictures = np.zeros((len(records), 96, 192, 3), np.uint8)
    return Plates([usual | record for record in records], pictures, boxes, np.full_like(boxes, np.nan))


class Says(nn.Module):
    """Reads `text` on every picture, `sure` logits above anything else."""

    def __init__(self, text, sure=20.0):
        super().__init__()
        codes = torch.zeros(64, dtype=torch.long)
        codes[1 : 2 * len(text) : 2] = torch.tensor([CODES[c] for c in text])
        self.logits = nn.functional.one_hot(codes, 37).float() * sure

    def forward(self, pictures):
        return self.logits.expand(len(pictures), -1, -1)


def factors(model, *records):
    return look_at(model, plates(*records), torch.device("cpu")).factors(4.0)


def test_misread_plates_come_more_often_than_read_ones():
    wrong = {"text": "AB13", "machine": False}
    assert factors(Says(TEXT), {}, wrong) == pytest.approx([1.0, 5.0], abs=1e-3)


def test_a_machines_label_gives_way_to_a_sure_reader_a_persons_does_not():
    assert factors(Says("AB13"), {}, {"machine": False}) == pytest.approx([0.0, 5.0], abs=1e-3)
    assert factors(Says("AB13", sure=5.0), {}) == pytest.approx([5.0], abs=0.1)


def test_a_tiny_plate_that_only_a_machine_could_read_is_left_out():
    unsure = Says("Z", sure=5.0)
    assert factors(unsure, {"height_px": 10.0}, {"height_px": 10.0, "machine": False})[0] == 0.0
    assert factors(unsure, {"height_px": 10.0, "machine": False})[0] > 1.0


def test_texts_of_every_length_are_weighed():
    assert factors(Says(TEXT), {"text": "A" * MAX_LENGTH, "machine": False}) == pytest.approx([5.0])
