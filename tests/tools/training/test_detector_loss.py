import pytest
import torch

from tools.training.detector import CPU, DetectorConfig, YoloV3
from tools.training.detector_loss import DetectorLoss, Targets, complete_iou, match

TINY = DetectorConfig("tiny", (8, 8, 8, 8, 8), (1, 1, 1, 1), 1, CPU.anchors)
NO_QUAD = [float("nan")] * 8


def targets(*boxes, quads=None, ignored=None, pictures=1):
    known = quads or [NO_QUAD] * len(boxes)
    mask = torch.zeros(pictures, 8, 8, dtype=torch.bool) if ignored is None else ignored
    return Targets(
        torch.zeros(len(boxes), dtype=torch.long),
        torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        torch.tensor(known, dtype=torch.float32).reshape(-1, 8),
        mask,
    )


def heads(fill=0.0):
    made = [torch.full((1, 39, size, size), fill) for size in (8, 4, 2)]
    return tuple(head.requires_grad_() for head in made)


def test_a_plate_is_answered_for_by_its_cell_and_the_two_nearest():
    found = match(targets([22.0, 26.0, 12.0, 6.0]), torch.tensor([[12.0, 6.0]]), 8, 8, 8)
    cells = sorted(zip(found.column.tolist(), found.row.tolist(), strict=True))
    assert cells == [(2, 2), (2, 3), (3, 3)]


def test_neighbours_beyond_the_edge_are_left_out():
    found = match(targets([1.0, 1.0, 12.0, 6.0]), torch.tensor([[12.0, 6.0]]), 8, 8, 8)
    assert list(zip(found.column.tolist(), found.row.tolist(), strict=True)) == [(0, 0)]


@pytest.mark.parametrize(("width", "answers"), [(12.0, True), (47.0, True), (49.0, False), (2.9, False)])
def test_only_anchors_within_a_factor_of_four_answer(width, answers):
    found = match(targets([20.0, 20.0, width, 6.0]), torch.tensor([[12.0, 6.0]]), 8, 8, 8)
    assert bool(len(found.plate)) == answers


def test_complete_iou_of_equal_distant_and_wrongly_shaped_boxes():
    boxes = torch.tensor([[10.0, 10, 4, 4], [10, 10, 4, 4], [10, 10, 4, 4]])
    others = torch.tensor([[10.0, 10, 4, 4], [20, 10, 4, 4], [10, 10, 8, 2]])
    iou, complete = complete_iou(boxes, others)
    assert iou.tolist() == pytest.approx([1.0, 0.0, 8 / 24], abs=1e-5)
    assert complete[0].item() == pytest.approx(1.0, abs=1e-5)
    assert complete[1].item() == pytest.approx(-100 / (14**2 + 4**2), abs=1e-5)
    assert complete[2] < iou[2]


def test_without_plates_only_objectness_counts():
    parts = DetectorLoss(TINY)(heads(), targets())
    assert parts["box"] == 0
    assert parts["corner"] == 0
    assert parts["object"] > 0
    assert parts["loss"] == parts["object"]


def test_ignored_cells_do_not_count_unless_they_answer():
    everything = torch.ones(1, 8, 8, dtype=torch.bool)
    loss = DetectorLoss(TINY)
    assert loss(heads(), targets(ignored=everything))["object"] == 0
    answered = loss(heads(), targets([20.0, 28.0, 12.0, 6.0], ignored=everything))
    assert answered["object"] > 0


def test_unknown_corners_cost_nothing_and_known_ones_do():
    box = [20.0, 28.0, 12.0, 6.0]
    loss = DetectorLoss(TINY)
    assert loss(heads(), targets(box))["corner"] == 0
    quad = [-0.5, -0.4, 0.5, -0.5, 0.5, 0.4, -0.5, 0.5]
    assert loss(heads(), targets(box, quads=[quad]))["corner"] > 0


def test_gradients_reach_the_heads_that_answer_and_are_finite():
    made = heads()
    quad = [-0.5, -0.4, 0.5, -0.5, 0.5, 0.4, -0.5, 0.5]
    DetectorLoss(TINY)(made, targets([30.0, 30.0, 40.0, 14.0], quads=[quad]))["loss"].backward()
    assert all(head.grad is not None and bool(head.grad.isfinite().all()) for head in made)
    assert made[1].grad.view(1, 3, 13, 4, 4)[0, :, :4].abs().sum() > 0


def test_a_network_learns_one_plate_by_heart():
    torch.manual_seed(0)
    model, loss = YoloV3(TINY), DetectorLoss(TINY)
    picture = torch.zeros(1, 3, 64, 64)
    picture[:, :, 24:34, 16:46] = 1
    optimizer = torch.optim.AdamW(model.parameters(), 0.01)
    wanted = targets([31.0, 29.0, 30.0, 10.0])
    losses = []
    for _ in range(50):
        value = loss(model(picture), wanted)["loss"]
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        losses.append(value.item())
    assert losses[-1] < 0.6 * losses[0]
