from dataclasses import replace

import numpy as np
import pytest
import torch

from anpr_stream.vision.yolo import decode
from tools.training.detector import CONFIGS, CPU, DetectorConfig, YoloV3, decode_boxes, split_head
from tools.training.detector_task import contract_of

TINY = DetectorConfig("tiny", (8, 8, 8, 8, 8), (1, 1, 1, 1), 1, CPU.anchors)


@pytest.mark.parametrize(("height", "width"), [(64, 96), (96, 64), (32, 32)])
def test_heads_have_the_contracts_shapes_for_any_input(height, width):
    heads = YoloV3(TINY)(torch.rand(2, 3, height, width))
    for head, stride in zip(heads, (8, 16, 32), strict=True):
        assert head.shape == (2, 3 * 13, height // stride, width // stride)


def test_one_halving_less_gives_heads_twice_as_fine():
    config = replace(TINY, first_stride=1, corners=False)
    heads = YoloV3(config)(torch.rand(1, 3, 64, 64))
    assert config.strides == (4, 8, 16)
    assert [tuple(head.shape[1:]) for head in heads] == [(15, 16, 16), (15, 8, 8), (15, 4, 4)]


def test_the_stem_of_darknet_can_be_kept():
    heads = YoloV3(replace(TINY, stem=2))(torch.rand(1, 3, 64, 64))
    assert heads[0].shape == (1, 39, 8, 8)


def test_shipped_sizes():
    counts = {name: sum(p.numel() for p in YoloV3(config).parameters()) for name, config in CONFIGS.items()}
    assert 2e6 < counts["detector-cpu"] < 3e6
    assert 30e6 < counts["detector-gpu"] < 70e6


def test_a_new_network_expects_plates_to_be_rare_and_corners_at_the_boxs_corners():
    with torch.no_grad():
        raw = split_head(YoloV3(TINY).eval()(torch.zeros(1, 3, 64, 64))[0], TINY.values)
    assert raw[..., 4].sigmoid().max() < 0.05
    assert raw[0, 0, 0, 0, 5:].numpy() == pytest.approx([-0.5, -0.5, 0.5, -0.5, 0.5, 0.5, -0.5, 0.5], abs=0.1)


def test_training_and_product_decode_alike():
    random = np.random.default_rng(0)
    head = random.normal(0, 1.5, (1, 39, 4, 6)).astype(np.float32)
    empty = [np.full((1, 39, 2, 3), -20, np.float32), np.full((1, 39, 1, 2), -20, np.float32)]
    product = decode([head, *empty], contract_of(TINY, "1"), 0.3)
    raw = split_head(torch.from_numpy(head), TINY.values)[0]
    anchor, row, column = (raw[..., 4].sigmoid() >= 0.3).nonzero(as_tuple=True)
    cells, anchors = torch.stack([column, row], 1), torch.tensor(TINY.anchors[0])[anchor]
    boxes = decode_boxes(raw[anchor, row, column], cells, anchors, 8).numpy()
    ours = np.concatenate([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2], 1)
    assert len(ours) > 5
    assert ours == pytest.approx(product.boxes, abs=1e-3)


def test_a_box_reaches_no_further_than_the_bounded_form_allows():
    extreme = torch.tensor([[-99.0, 99.0, 99.0, -99.0]])
    box = decode_boxes(extreme, torch.tensor([[2, 3]]), torch.tensor([[10.0, 5.0]]), 8)
    assert box[0].tolist() == pytest.approx([12.0, 36.0, 40.0, 0.0])
