"""The loop on a task of one weight: stops, resumes, keeps the best, says what is wrong."""

import itertools
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from tools.training.curves import read_rows
from tools.training.loop import (
    Ema,
    Loop,
    LoopOptions,
    TrainingError,
    cpu_has_bf16,
    load_checkpoint,
    pick_device,
    rate_factor,
)


class Fitting:
    """Fits y = 3 x; `stop_after` batches the process gets SIGTERM, scores can be given."""

    def __init__(self, batches=1000, stop_after=None, scores=None, width=1):
        self.model = nn.Linear(width, 1)
        self._batches, self._stop_after, self._scores = batches, stop_after, scores

    def describe(self):
        return {"kind": "fitting"}

    def batches(self):
        for number in range(self._batches):
            if number == self._stop_after:
                os.kill(os.getpid(), signal.SIGTERM)
            yield torch.ones(4, 1)

    def loss(self, batch, samples):
        loss = (self.model(batch).float() - 3).square().mean()
        return loss, {"square": loss.detach()}

    def validate(self, model):
        if self._scores:
            return {"score": self._scores.pop(0)}
        return {"score": -abs(float(model(torch.ones(1, 1))) - 3)}


def options(out: Path, **more) -> LoopOptions:
    fixed = {"minutes": 10.0, "device": torch.device("cpu"), "learning_rate": 0.05, "warmup_samples": 1}
    return LoopOptions(out=out, **{**fixed, "decay_minutes": 0.0, "validate_samples": 40, **more})


def run(task, out, **more):
    loop = Loop(task, options(out, **more), report=lambda _line: None)
    return loop, loop.run()


def test_a_training_learns_and_keeps_its_figures(tmp_path):
    _, progress = run(Fitting(300), tmp_path)
    assert progress.samples == 1200
    assert progress.best > -0.2
    rows = read_rows(tmp_path / "curves.csv")
    assert len(rows) == 30
    assert rows[-1]["square"] < rows[0]["square"]
    assert (tmp_path / "curves.png").stat().st_size > 1000
    assert load_checkpoint(tmp_path / "best.pt")["description"] == {"kind": "fitting"}


def test_it_stops_in_time_and_saves(tmp_path):
    _, progress = run(Fitting(10**9), tmp_path, minutes=0.02)
    assert progress.minutes >= 0.02
    assert load_checkpoint(tmp_path / "last.pt")["progress"]["samples"] == progress.samples


def test_a_signal_ends_it_after_the_step_at_hand(tmp_path):
    _, progress = run(Fitting(1000, stop_after=3), tmp_path)
    assert progress.step == 3
    assert (tmp_path / "last.pt").exists()


def test_a_resumed_training_goes_on_where_it_stood(tmp_path):
    _, before = run(Fitting(20), tmp_path)
    second, after = run(Fitting(20), tmp_path, resume=tmp_path / "last.pt")
    assert (before.samples, after.samples) == (80, 160)
    assert after.best >= before.best
    assert [row["samples"] for row in read_rows(tmp_path / "curves.csv")] == [40, 80, 120, 160]
    steps = [entry["step"].item() for entry in second.optimizer.state_dict()["state"].values()]
    assert steps == [40, 40]


def test_a_training_killed_between_its_two_files_does_not_lose_its_best(tmp_path):
    last = tmp_path / "last.pt"
    run(Fitting(10, scores=[1.0]), tmp_path)
    older = last.read_bytes()
    run(Fitting(10, scores=[5.0]), tmp_path, resume=last)
    last.write_bytes(older)
    _, progress = run(Fitting(10, scores=[2.0]), tmp_path, resume=last)
    assert progress.best == 5.0
    assert load_checkpoint(tmp_path / "best.pt")["metrics"]["score"] == 5.0


def test_pretrained_weights_start_a_new_count(tmp_path):
    run(Fitting(300), tmp_path / "a")
    _, progress = run(Fitting(10), tmp_path / "b", pretrained=tmp_path / "a" / "best.pt")
    assert progress.samples == 40
    assert progress.best > -0.3


def test_the_best_is_kept_and_patience_ends(tmp_path):
    _, progress = run(Fitting(scores=[1.0, 5.0, 2.0, 3.0, 9.0]), tmp_path, patience=2)
    assert (progress.samples, progress.best) == (160, 5.0)
    assert load_checkpoint(tmp_path / "best.pt")["metrics"]["score"] == 5.0


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"nothing", "no checkpoint"),
        (b"hello\n", "no checkpoint"),
        (None, "no checkpoint"),
        ({"a": 1}, "no weights"),
    ],
)
def test_a_file_that_is_no_checkpoint_is_named(tmp_path, content, words):
    path = tmp_path / "x.pt"
    if isinstance(content, dict):
        torch.save(content, path)
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(TrainingError, match=f"x.pt.*{words}"):
        load_checkpoint(path)


def test_a_full_disk_ends_it_in_one_line_and_leaves_what_was_saved(tmp_path):
    run(Fitting(batches=20), tmp_path)
    saved = (tmp_path / "last.pt").read_bytes()
    (tmp_path / "last.part").symlink_to("/dev/full")
    with pytest.raises(TrainingError, match=r"last\.pt cannot be written: .* room on the disk"):
        run(Fitting(batches=20), tmp_path)
    assert (tmp_path / "last.pt").read_bytes() == saved


def test_weights_of_another_network_are_refused(tmp_path):
    run(Fitting(10), tmp_path)
    with pytest.raises(TrainingError, match=r"another network.*weight"):
        Loop(Fitting(width=2), options(tmp_path / "b", resume=tmp_path / "last.pt"))


def test_best_files_cannot_be_resumed_only_built_on(tmp_path):
    run(Fitting(10), tmp_path)
    with pytest.raises(TrainingError, match="--pretrained"):
        Loop(Fitting(), options(tmp_path, resume=tmp_path / "best.pt"))


def test_the_rate_warms_up_holds_and_falls():
    held = replace(options(Path("unused")), warmup_samples=100, minutes=10.0, decay_minutes=4.0)
    assert rate_factor(49, 10.0, held) == pytest.approx(0.5)
    assert rate_factor(500, 5.0, held) == 1.0
    assert rate_factor(500, 2.0, held) == pytest.approx(0.5)
    assert rate_factor(500, 0.0, held) == 0.0
    falling = [rate_factor(500, left / 10, held) for left in range(40, -1, -1)]
    assert all(later <= earlier for earlier, later in itertools.pairwise(falling))


def test_the_mean_follows_young_and_steadies_later():
    model = nn.Linear(1, 1, bias=False)
    ema = Ema(model, 0.999)
    with torch.no_grad():
        model.weight.fill_(10.0)
    ema.update(model, 0)
    young = ema.model.weight.item()
    assert young > 8
    with torch.no_grad():
        model.weight.fill_(0.0)
    ema.update(model, 100_000)
    assert ema.model.weight.item() == pytest.approx(0.999 * young)


def test_a_device_that_is_not_there_is_refused():
    assert pick_device("cpu").type == "cpu"
    with pytest.raises(TrainingError, match="--device gpu"):
        pick_device("gpu")
    if not torch.cuda.is_available():
        with pytest.raises(TrainingError, match="no CUDA device"):
            pick_device("cuda")


def test_bf16_is_a_property_of_the_processor():
    assert isinstance(cpu_has_bf16(), bool)


def test_even_no_time_is_enough_for_one_step(tmp_path):
    _, progress = run(Fitting(10), tmp_path, minutes=0.0)
    assert progress.step == 1
    assert (tmp_path / "last.pt").exists()
