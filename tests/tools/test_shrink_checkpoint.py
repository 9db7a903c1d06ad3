"""A small checkpoint goes on as the large one would."""

import pytest
import torch

from tests.tools.training.test_loop import Fitting, options, run
from tools import shrink_checkpoint
from tools.training.loop import Loop


def test_a_shrunk_checkpoint_is_resumed(tmp_path):
    run(Fitting(300), tmp_path)
    large, small = tmp_path / "last.pt", tmp_path / "small.pt"
    assert shrink_checkpoint.main([str(large), str(small)]) == 0
    first = Loop(Fitting(), options(tmp_path / "a", resume=large))
    second = Loop(Fitting(), options(tmp_path / "b", resume=small))
    assert second.progress == first.progress
    for name, weight in first.task.model.state_dict().items():
        assert second.task.model.state_dict()[name] == pytest.approx(weight, rel=1e-3)
    assert all(p.dtype == torch.float32 for p in second.task.model.parameters())


def test_floats_are_halved_at_any_depth_and_counters_stay():
    state = {
        "a": [torch.ones(4), torch.ones(4, dtype=torch.int64)],
        "step": torch.tensor(70000.0),
        "name": "x",
    }
    small = shrink_checkpoint.shrunk(state, torch.float16)
    assert [tensor.dtype for tensor in small["a"]] == [torch.float16, torch.int64]
    assert small["step"].item() == 70000.0
    assert small["name"] == "x"


def test_what_is_no_checkpoint_is_refused(tmp_path, capsys):
    assert shrink_checkpoint.main([str(tmp_path / "none.pt"), str(tmp_path / "small.pt")]) == 2
    assert "none.pt: no checkpoint" in capsys.readouterr().err


def test_a_folder_that_is_not_there_is_told_in_one_line(tmp_path, capsys):
    torch.save({"weights": {}}, tmp_path / "a.pt")
    assert shrink_checkpoint.main([str(tmp_path / "a.pt"), str(tmp_path / "no" / "b.pt")]) == 2
    assert "b.pt cannot be written" in capsys.readouterr().err
